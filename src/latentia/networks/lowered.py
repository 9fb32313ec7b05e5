"""A network that computes in half precision, with its parameters kept as they are."""

import jax
import jax.numpy as jnp

from .interface import AbstractNetwork


class Lowered(AbstractNetwork):
    """A network in bfloat16: input and parameters are rounded, and the output is widened again."""

    network: AbstractNetwork

    def __call__(self, x: jax.Array) -> jax.Array:
        low = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), self.network)
        return low(x.astype(jnp.bfloat16)).astype(x.dtype)

    def describe(self) -> str:
        return f"{self.network.describe()} in bfloat16"
