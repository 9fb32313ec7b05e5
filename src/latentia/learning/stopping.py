"""When to stop: by the distance to the limit, not by the size of a step.

EM converges linearly, so the gains of two plain steps in a row tell how far the objective still has
to go (Aitken's delta-squared process; for EM, Böhning et al. 1994). A small step alone may be the
crawl across a plateau.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Gains(NamedTuple):
    """The gains of the last two plain EM steps in a row, the older first; NaN if there are none."""

    older: jax.Array
    newer: jax.Array


def no_gains(dtype: jnp.dtype) -> Gains:
    """No plain steps yet."""
    return Gains(jnp.array(jnp.nan, dtype), jnp.array(jnp.nan, dtype))


def after(gains: Gains, gain: jax.Array, plain: jax.Array) -> Gains:
    """The gains after one more step."""
    nothing = jnp.full_like(gain, jnp.nan)
    return Gains(jnp.where(plain, gains.newer, nothing), jnp.where(plain, gain, nothing))


def tested(gains: Gains) -> jax.Array:
    """Whether there are two gains to judge by."""
    return jnp.isfinite(gains.older) & jnp.isfinite(gains.newer)


def gap(gains: Gains, objective: jax.Array) -> jax.Array:
    """How far the objective is from its limit, by Aitken's projection; infinite if unknown."""
    older, newer = jnp.abs(gains.older), jnp.abs(gains.newer)
    rounding = 8 * jnp.finfo(objective.dtype).eps * jnp.maximum(jnp.abs(objective), 1.0)
    rate = newer / jnp.where(older > 0, older, 1.0)
    slowing = tested(gains) & (rate < 1)
    projected = jnp.where(slowing, newer * rate / jnp.where(slowing, 1 - rate, 1.0), jnp.inf)
    still = tested(gains) & (older <= rounding) & (newer <= rounding)
    return jnp.where(still, 0.0, projected)
