"""Entries that are real numbers."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.constraints import Positive
from latentia.distributions.parameters import as_parameter
from latentia.numerics import normal_log_density
from latentia.typing import Key, Scalar

from .interface import AbstractOutput, one


class GaussianOutput(AbstractOutput):
    """Real numbers around what the network gives, with one scale for all entries.

    The learned scale makes reconstruction and rate comparable by itself: no weight between them
    has to be chosen (Rybkin, Daniilidis and Levine 2021).

    Args:
        scale: the standard deviation, above 0; where learning starts, or fixed.
        learned: whether the scale is learned.
    """

    # In the precision of networks, so that it does not widen them.
    scale: Scalar = eqx.field(
        metadata={"constraint": lambda part: Positive() if part.learned else None}
    )
    learned: bool = eqx.field(static=True)

    def __init__(self, scale: Any = 1.0, learned: bool = True) -> None:
        values = np.asarray(as_parameter(scale, "scale"), np.float32)
        if values.shape != () or not values > 0:
            raise ValueError(
                f"scale of GaussianOutput should be a number above 0, but is {scale!r}."
            )
        self.scale = values  # pyright: ignore[reportAttributeAccessIssue]
        self.learned = learned

    @property
    def parameters(self) -> int:
        return 1

    @property
    def support(self) -> str:
        return "finite numbers"

    @property
    def scalable(self) -> bool:
        return True

    def log_prob(self, x: jax.Array, free: jax.Array) -> jax.Array:
        return normal_log_density(x - one(free), self.scale)

    def sample(self, key: Key, free: jax.Array) -> jax.Array:
        noise = jax.random.normal(key, free.shape[:-1], free.dtype)
        return one(free) + self.scale * noise

    def mean(self, free: jax.Array) -> jax.Array:
        return one(free)

    def begin(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        return mean[..., None]

    def started(self, spread: float) -> Self:
        if not self.learned:
            return self
        # Below the spread of the data, most of which the network will explain.
        return type(self)(0.3 * spread if spread > 0 else 1.0)

    def impossible(self, x: np.ndarray) -> np.ndarray:
        return np.isinf(x)

    def describe(self) -> str:
        return f"Gaussian entries with {'a learned' if self.learned else 'a fixed'} scale"


class VaryingGaussianOutput(AbstractOutput):
    """Real numbers; the network gives the mean and the log scale of every entry of every datum.

    Args:
        least: the smallest scale, above 0: without one the likelihood of an entry that the network
            reproduces is unbounded (Mattei and Frellsen 2018).
    """

    least: float = eqx.field(static=True, default=1e-3)

    def __check_init__(self) -> None:
        if not self.least > 0:
            raise ValueError(
                f"least of VaryingGaussianOutput should be above 0, but is {self.least!r}: the "
                "likelihood would be unbounded."
            )

    @property
    def parameters(self) -> int:
        return 2

    @property
    def support(self) -> str:
        return "finite numbers"

    @property
    def scalable(self) -> bool:
        return True

    def log_prob(self, x: jax.Array, free: jax.Array) -> jax.Array:
        return normal_log_density(x - one(free), self._scale(free))

    def sample(self, key: Key, free: jax.Array) -> jax.Array:
        noise = jax.random.normal(key, free.shape[:-1], free.dtype)
        return one(free) + self._scale(free) * noise

    def mean(self, free: jax.Array) -> jax.Array:
        return one(free)

    def begin(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        scale = np.sqrt(np.maximum(variance, self.least**2))
        return np.stack([mean, np.log(scale)], axis=-1)

    def started(self, spread: float) -> Self:
        return self

    def impossible(self, x: np.ndarray) -> np.ndarray:
        return np.isinf(x)

    def _scale(self, free: jax.Array) -> jax.Array:
        return self.least + jnp.exp(jnp.clip(free[..., 1], -15.0, 15.0))

    def describe(self) -> str:
        return "Gaussian entries, each with a scale of its own"
