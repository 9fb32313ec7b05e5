"""Pieces that the families of counts and codes share."""

import jax
import jax.numpy as jnp

# In matrix products a log probability of minus infinity would turn 0 * inf into NaN. This stands
# for it: no sum of real log probabilities comes near.
_FORBIDDEN = -1e30


def observed_part(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The data with zeros for missing entries, and 1 where observed and 0 where missing."""
    seen = ~jnp.isnan(x)
    return jnp.where(seen, x, 0.0), seen.astype(x.dtype)


def finite_log(probability: jax.Array) -> jax.Array:
    """The logarithm, with a huge negative number in place of minus infinity."""
    return jnp.where(
        probability > 0, jnp.log(jnp.where(probability > 0, probability, 1.0)), _FORBIDDEN
    )


def ratio(total: jax.Array, count: jax.Array, otherwise: jax.Array) -> jax.Array:
    """``total / count``, and ``otherwise`` where nothing was counted."""
    some = count > 0
    return jnp.where(some, total / jnp.where(some, count, 1.0), otherwise)
