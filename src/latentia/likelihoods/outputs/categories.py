"""Entries that are one of a few categories."""

from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.typing import Key

from .interface import AbstractOutput


class CategoricalOutput(AbstractOutput):
    """0, 1, ... up to ``categories - 1``; the network gives a log weight for each.

    Args:
        categories: how many there are, at least 2.
    """

    categories: int = eqx.field(static=True)

    def __check_init__(self) -> None:
        if not isinstance(self.categories, int) or self.categories < 2:
            raise ValueError(
                "categories of CategoricalOutput should be a whole number of at least 2, but is "
                f"{self.categories!r}."
            )

    @property
    def parameters(self) -> int:
        return self.categories

    @property
    def support(self) -> str:
        return f"whole numbers from 0 to {self.categories - 1}"

    @property
    def scalable(self) -> bool:
        return False

    def log_prob(self, x: jax.Array, free: jax.Array) -> jax.Array:
        shares = jax.nn.log_softmax(free)
        code = jnp.clip(x, 0, self.categories - 1).astype(jnp.int32)
        return jnp.take_along_axis(shares, code[..., None], axis=-1)[..., 0]

    def sample(self, key: Key, free: jax.Array) -> jax.Array:
        return jax.random.categorical(key, free).astype(free.dtype)

    def mean(self, free: jax.Array) -> jax.Array:
        return jnp.argmax(free, axis=-1).astype(free.dtype)

    def begin(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        return np.zeros((*np.shape(mean), self.categories))

    def started(self, spread: float) -> Self:
        return self

    def impossible(self, x: np.ndarray) -> np.ndarray:
        fits = (x >= 0) & (x < self.categories) & (x == np.floor(x))
        return ~np.isnan(x) & ~fits

    def describe(self) -> str:
        return f"categorical entries of {self.categories} categories"
