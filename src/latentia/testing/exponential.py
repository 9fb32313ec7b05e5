"""Laws of an exponential family: many data as one matrix product."""

from typing import Any

import jax
import numpy as np

from .families import weighted_draws
from .support import close, dtype_of, law, rounding, statistics


@jax.jit
def _products(family: Any, x: Any, weight: Any, centre: Any) -> Any:
    features = jax.vmap(lambda row: family.features(row, centre))(x)
    natural = family.natural(centre)
    base = jax.vmap(family.base)(x)
    return (
        features @ natural + base,
        jax.vmap(family.log_prob)(x),
        family.statistics_of(weight @ features, centre),
        family.from_natural(natural, centre),
        natural,
    )


def _ask(family: Any, seed: int, missing: bool) -> tuple[Any, Any, Any]:
    x, weight = weighted_draws(family, seed, missing)
    rng = np.random.default_rng(seed)
    centre = (0.1 * rng.normal(size=family.dim)).astype(dtype_of(family))
    out = jax.device_get(_products(family, x, weight, centre))
    return out, x, weight


@law
def log_prob_is_a_product(family: Any, seed: int = 0) -> None:
    """Natural · features + base is log_prob, and missing entries drop out where that is claimed."""
    (product, plain, *_), _, _ = _ask(family, seed, False)
    close(product, plain, rounding(family, 1e-4), "natural · features + base")
    if bool(family.safe_products(np.asarray(10.0, dtype_of(family)), True)):
        (product, plain, *_), _, _ = _ask(family, seed, True)
        close(product, plain, rounding(family, 1e-4), "the same with missing entries")


@law
def natural_parameters_round_trip(family: Any, seed: int = 0) -> None:
    """``from_natural`` undoes ``natural``."""
    (_, _, _, back, natural), _, _ = _ask(family, seed, False)
    assert np.isfinite(natural).all(), "natural: the parameters should be finite."
    close(back, family, rounding(family, 1e-4), "from_natural(natural)")


@law
def feature_totals_are_statistics(family: Any, seed: int = 0) -> None:
    """``statistics_of`` the totals of the features is ``statistics``."""
    (_, _, totals, *_), x, weight = _ask(family, seed, False)
    close(totals, statistics(family, x, weight), rounding(family, 1e-4), "statistics_of totals")
