"""Rows of probabilities made from counts, and what is forbidden in them."""

import jax
import jax.numpy as jnp


def shares_of(counts: jax.Array, before: jax.Array) -> jax.Array:
    """Counts as probabilities; a state that was never counted keeps what it had ``before``."""
    total = jnp.sum(counts, axis=-1, keepdims=True)
    return jnp.where(total > 0, counts / jnp.where(total > 0, total, 1.0), before)


def permitted(probabilities: jax.Array, before: jax.Array) -> jax.Array:
    """The probabilities without what was 0 ``before``, so that each row sums to 1 again."""
    return shares_of(jnp.where(before == 0, 0.0, probabilities), before)
