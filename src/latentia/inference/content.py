"""A random key from the content of a datum: the same x has the same draws, wherever it stands."""

import jax
import jax.numpy as jnp

from latentia.typing import Key


def content_key(x: jax.Array) -> Key:
    """A key that the bits of ``x`` decide, whatever its shape."""
    bits = jax.lax.bitcast_convert_type(x.astype(jnp.float32).reshape(-1), jnp.uint32)
    # Whole numbers that wrap around: their sum does not depend on the order of summation.
    places = jnp.uint32(2654435761) * (2 * jnp.arange(bits.size, dtype=jnp.uint32) + 1)
    mixed = (bits ^ (bits >> 15)) * places
    total = jnp.sum(mixed ^ (mixed >> 13), dtype=jnp.uint32)
    return jax.random.fold_in(jax.random.key(0), total)
