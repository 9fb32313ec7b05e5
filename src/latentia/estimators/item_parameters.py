"""What is asked of fitted items: parameters, curves and information."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from latentia.likelihoods.responses.levels import has_level
from latentia.precision import precision_of


def of(likelihood: Any) -> dict[str, np.ndarray]:
    """Discrimination, intercept, difficulty and guessing by name, shaped as in ``ItemResponse``."""
    slopes, response = np.array(likelihood.loadings), likelihood.response
    intercept = np.array(response.bias)
    size = np.sqrt((slopes**2).sum(axis=1)) * (1 if slopes.shape[1] > 1 else np.sign(slopes[:, 0]))
    with np.errstate(divide="ignore", invalid="ignore"):
        difficulty = -intercept / (size if intercept.ndim == 1 else size[:, None])
    if intercept.ndim == 2:
        absent = ~has_level(response.levels)[:, 1:]
        difficulty[absent] = intercept[absent] = np.nan
        if intercept.shape[1] == 1:
            difficulty, intercept = difficulty[:, 0], intercept[:, 0]
    guessing = np.array(getattr(response, "guessing", np.zeros(len(slopes))))
    return {
        "discrimination": slopes[:, 0] if slopes.shape[1] == 1 else slopes,
        "intercept": intercept,
        "difficulty": difficulty,
        "guessing": guessing,
    }


def level_counts(response: Any) -> tuple[int, ...]:
    """How many levels each item has."""
    return getattr(response, "levels", (2,) * response.dim)


def read_traits(likelihood: Any, trait: Any) -> np.ndarray:
    """Traits ``[M, L]``.

    Raises:
        ValueError: if they are not finite numbers of that shape.
    """
    values = np.asarray(trait, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 and likelihood.latent_dim == 1 else values
    fits = values.ndim == 2 and values.shape[1] == likelihood.latent_dim
    if not fits or not np.isfinite(values).all():
        raise ValueError(
            f"trait should be finite numbers of shape (M, {likelihood.latent_dim}), but has the "
            f"shape {np.shape(trait)}."
        )
    return values


@jax.jit
def _curves(likelihood: Any, traits: Any, direction: Any) -> tuple[Any, Any]:
    """Probabilities ``[M, D, C]`` and their slopes in a direction."""

    def at(z: Any) -> Any:
        return likelihood.response.expected(z @ likelihood.loadings.T)

    return jax.jvp(at, (traits,), (jnp.broadcast_to(direction, traits.shape),))


def probabilities(likelihood: Any, trait: Any) -> list[np.ndarray]:
    """For each item the probability of each level, ``[M, levels]``."""
    traits = read_traits(likelihood, trait)
    with precision_of(likelihood, traits):
        shares, _ = jax.device_get(_curves(likelihood, traits, np.zeros(traits.shape[1])))
    counts = level_counts(likelihood.response)
    return [np.array(shares[:, j, :count]) for j, count in enumerate(counts)]


def information(likelihood: Any, trait: Any, dimension: int = 0) -> np.ndarray:
    """Fisher information of each item about one trait, ``[M, D]``."""
    traits = read_traits(likelihood, trait)
    if not 0 <= dimension < likelihood.latent_dim:
        raise ValueError(
            f"dimension should be from 0 to {likelihood.latent_dim - 1}, but is {dimension!r}."
        )
    direction = np.eye(likelihood.latent_dim)[dimension]
    with precision_of(likelihood, traits):
        shares, slopes = jax.device_get(_curves(likelihood, traits, direction))
    each = np.divide(slopes**2, shares, out=np.zeros_like(slopes), where=shares > 1e-300)
    return each.sum(axis=2)
