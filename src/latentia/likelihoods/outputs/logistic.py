"""Entries on an even scale of levels, such as the 256 of a pixel."""

from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.typing import Key

from .interface import AbstractOutput, one


class LogisticOutput(AbstractOutput):
    """Numbers from 0 to 1 on an even scale of levels: a logistic density, rounded.

    A level has the probability of what would be rounded to it, and the outermost ones of all
    beyond (Kingma et al. 2016, section 5.2). The network gives place and log scale.

    Args:
        levels: how many values there are: 0, 1/(levels - 1), ..., 1.
    """

    levels: int = eqx.field(static=True, default=256)

    def __check_init__(self) -> None:
        if not isinstance(self.levels, int) or self.levels < 2:
            raise ValueError(
                "levels of LogisticOutput should be a whole number of at least 2, but is "
                f"{self.levels!r}."
            )

    @property
    def parameters(self) -> int:
        return 2

    @property
    def support(self) -> str:
        return f"multiples of 1/{self.levels - 1} from 0 to 1"

    @property
    def scalable(self) -> bool:
        return False

    def log_prob(self, x: jax.Array, free: jax.Array) -> jax.Array:
        scale = self._scale(free)
        half = 0.5 / (self.levels - 1)
        upper = (x + half - one(free)) / scale
        lower = (x - half - one(free)) / scale
        # sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - exp(l - u)), without cancelling.
        inside = -jax.nn.softplus(-upper) - jax.nn.softplus(lower)
        inside = inside + jnp.log(-jnp.expm1(-2 * half / scale))
        least, most = x < half, x > 1 - half
        return jnp.where(
            least, -jax.nn.softplus(-upper), jnp.where(most, -jax.nn.softplus(lower), inside)
        )

    def sample(self, key: Key, free: jax.Array) -> jax.Array:
        noise = jax.random.logistic(key, free.shape[:-1], free.dtype)
        steps = self.levels - 1
        drawn = jnp.round(steps * (one(free) + self._scale(free) * noise)) / steps
        return jnp.clip(drawn, 0, 1)

    def mean(self, free: jax.Array) -> jax.Array:
        return jnp.clip(one(free), 0, 1)

    def begin(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        scale = np.sqrt(np.maximum(variance, 1e-4) * 3) / np.pi
        return np.stack([mean, np.log(scale)], axis=-1)

    def started(self, spread: float) -> Self:
        return self

    def impossible(self, x: np.ndarray) -> np.ndarray:
        steps = x * (self.levels - 1)
        fits = (x >= 0) & (x <= 1) & (np.abs(steps - np.round(steps)) < 1e-3)
        return ~np.isnan(x) & ~fits

    def _scale(self, free: jax.Array) -> jax.Array:
        return jnp.exp(jnp.clip(free[..., 1], -9.0, 5.0))

    def describe(self) -> str:
        return f"logistic entries rounded to {self.levels} levels"
