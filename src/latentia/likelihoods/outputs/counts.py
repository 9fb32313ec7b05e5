"""Entries that are counts."""

from typing import Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln

from latentia.typing import Key

from .interface import AbstractOutput, one

# Rates beyond e^20 overflow what a count is kept in.
_MOST = 20.0


class PoissonOutput(AbstractOutput):
    """Counts; the network gives the log of their mean."""

    @property
    def parameters(self) -> int:
        return 1

    @property
    def support(self) -> str:
        return "whole numbers from 0 up"

    @property
    def scalable(self) -> bool:
        return False

    def log_prob(self, x: jax.Array, free: jax.Array) -> jax.Array:
        rate = jnp.minimum(one(free), _MOST)
        return x * rate - jnp.exp(rate) - gammaln(x + 1)

    def sample(self, key: Key, free: jax.Array) -> jax.Array:
        return jax.random.poisson(key, self.mean(free)).astype(free.dtype)

    def mean(self, free: jax.Array) -> jax.Array:
        return jnp.exp(jnp.minimum(one(free), _MOST))

    def begin(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(mean, 0.01))[..., None]

    def started(self, spread: float) -> Self:
        return self

    def impossible(self, x: np.ndarray) -> np.ndarray:
        return not_counts(x)

    def describe(self) -> str:
        return "Poisson counts"


class NegativeBinomialOutput(AbstractOutput):
    """Counts that vary more than Poisson ones; the network gives the logs of mean and shape.

    A Poisson count whose rate is gamma distributed: the variance is mean + mean² / shape.
    """

    @property
    def parameters(self) -> int:
        return 2

    @property
    def support(self) -> str:
        return "whole numbers from 0 up"

    @property
    def scalable(self) -> bool:
        return False

    def log_prob(self, x: jax.Array, free: jax.Array) -> jax.Array:
        mean, shape = self._logs(free)
        size = jnp.exp(shape)
        ways = gammaln(x + size) - gammaln(size) - gammaln(x + 1)
        # Log odds of a further event, so that neither share is found by a difference.
        return ways - x * jax.nn.softplus(shape - mean) - size * jax.nn.softplus(mean - shape)

    def sample(self, key: Key, free: jax.Array) -> jax.Array:
        first, second = jax.random.split(key)
        mean, shape = self._logs(free)
        rate = jax.random.gamma(first, jnp.exp(shape)) * jnp.exp(mean - shape)
        return jax.random.poisson(second, rate).astype(free.dtype)

    def mean(self, free: jax.Array) -> jax.Array:
        return jnp.exp(self._logs(free)[0])

    def begin(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        safe = np.maximum(mean, 0.01)
        shape = safe**2 / np.maximum(variance - safe, 0.05 * safe)
        return np.log(np.stack([safe, shape], axis=-1))

    def started(self, spread: float) -> Self:
        return self

    def impossible(self, x: np.ndarray) -> np.ndarray:
        return not_counts(x)

    def _logs(self, free: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jnp.minimum(free[..., 0], _MOST), jnp.clip(free[..., 1], -8.0, 12.0)

    def describe(self) -> str:
        return "negative binomial counts"


def not_counts(x: np.ndarray) -> np.ndarray:
    """Which observed entries are no counts."""
    return ~np.isnan(x) & ~((x >= 0) & (x == np.floor(x)) & np.isfinite(x))
