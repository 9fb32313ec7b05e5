"""An encoder for layers of latent vectors: each sees the features of the one below."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from latentia.typing import Key

from .dense import MLP, Dense, as_key, random_dense
from .interface import AbstractNetwork, as_network, check_sizes


class BottomUp(AbstractNetwork):
    """Features of x, then features of those, and so on; each level gives the evidence about a layer
    of a ``LayeredLatent`` (the deterministic way up of Sonderby et al. 2016).

    Args:
        inputs: how many numbers x has.
        sizes: of the layers of z, from the bottom; out come 2 numbers for each dimension, the means
            of all layers and then their log precisions.
        width: how many features a level has, and its hidden layer.
        first: a network from x to ``width`` numbers for the lowest level, such as a
            ``ConvEncoder``; a perceptron by default.
        activation: as of ``MLP``.
        key: decides the first weights.
    """

    levels: tuple[AbstractNetwork, ...]
    heads: tuple[Dense, ...]

    def __init__(
        self,
        inputs: int,
        sizes: Sequence[int],
        width: int = 128,
        *,
        first: Any = None,
        activation: str = "silu",
        key: Key | int = 0,
    ) -> None:
        check_sizes(inputs=inputs, width=width)
        for size in sizes:
            check_sizes(sizes=size)
        keys = jax.random.split(as_key(key), 2 * len(sizes))
        entries = [inputs] + [width] * (len(sizes) - 1)
        levels: list[AbstractNetwork] = [
            MLP(count, width, (width,), activation=activation, key=k)
            for k, count in zip(keys[: len(sizes)], entries, strict=True)
        ]
        if first is not None:
            levels[0] = as_network(first, "first of BottomUp")
        self.levels = tuple(levels)
        heads = zip(keys[len(sizes) :], sizes, strict=True)
        self.heads = tuple(random_dense(k, width, 2 * size, 0.1) for k, size in heads)

    def __call__(self, x: jax.Array) -> jax.Array:
        told, features = [], x
        for level, head in zip(self.levels, self.heads, strict=True):
            features = level(features).reshape(-1)
            told.append(head(features).reshape(2, -1))
        return jnp.concatenate(told, axis=1)

    def describe(self) -> str:
        sizes = ", ".join(str(head.bias.size // 2) for head in self.heads)
        return f"BottomUp for layers of {sizes}"
