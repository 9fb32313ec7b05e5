"""The units of a fit: columns with mean 0 and variance 1, as far as the family allows."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from latentia.distributions import Limits
from latentia.model import LatentVariableModel

from .em import EM


class Units(NamedTuple):
    """The units of a fit, and the smallest variances allowed in them."""

    centre: np.ndarray
    scale: np.ndarray
    limits: Limits


def units_from(
    likelihood: Any,
    centre: np.ndarray,
    spread: np.ndarray,
    sample: np.ndarray,
    learner: EM,
    dtype: Any,
) -> tuple[Units, np.ndarray]:
    """The units, and the sample as points among which starts look for clusters.

    Args:
        centre: the mean of each column of the data.
        spread: the standard deviation of each column.
    """
    points, possible, centre, scale = jax.device_get(
        _measure(likelihood, _pad_rows(sample), centre.astype(dtype), spread.astype(dtype))
    )
    if not possible.all():
        row = sample[int(np.argmin(possible))].tolist()
        raise ValueError(
            "data should hold only values that the model can explain, but the row "
            f"{row} has probability 0 whatever the parameters ({likelihood.describe()}): counts "
            "are whole numbers from 0, and codes are 0, 1, ... up to the number of levels."
        )
    floor: Any = (learner.covariance_floor * (spread / scale) ** 2).astype(dtype)
    ridge: Any = (learner.ridge / scale**2).astype(dtype)
    return Units(centre, scale, Limits(floor, ridge)), points[: len(sample)]


@jax.jit
def _measure(likelihood: Any, sample: Any, centre: Any, spread: Any) -> Any:
    even = jnp.ones(sample.shape[0], sample.dtype)
    possible = likelihood.possible(sample, even)
    return likelihood.embed(sample), possible, *likelihood.units(centre, spread)


def _pad_rows(rows: np.ndarray) -> np.ndarray:
    """Rows filled up to one of a few lengths, by repeating the first."""
    size = -(-len(rows) // 256) * 256
    return np.concatenate([rows, np.repeat(rows[:1], size - len(rows), axis=0)])


def into_units(model: Any, units: Units) -> Any:
    """The model with its given parameters in the units of the fit."""
    if all(np.isnan(leaf).all() for leaf in jax.tree.leaves(model.likelihood)):
        return model
    return _into(model, -units.centre / units.scale, 1 / units.scale)


@jax.jit
def _into(model: Any, centre: Any, scale: Any) -> Any:
    return LatentVariableModel(model.prior, model.likelihood.affine(centre, scale))
