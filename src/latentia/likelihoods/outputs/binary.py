"""Entries that are 0 or 1, and entries between."""

from typing import Self

import jax
import jax.numpy as jnp
import numpy as np

from latentia.typing import Key

from .interface import AbstractOutput, one

# Nearer to 0 a series is more exact than the formula.
_FLAT = 0.05


class BernoulliOutput(AbstractOutput):
    """0 or 1; the network gives the log odds of 1."""

    @property
    def parameters(self) -> int:
        return 1

    @property
    def support(self) -> str:
        return "0 or 1"

    @property
    def scalable(self) -> bool:
        return False

    def log_prob(self, x: jax.Array, free: jax.Array) -> jax.Array:
        return x * one(free) - jax.nn.softplus(one(free))

    def sample(self, key: Key, free: jax.Array) -> jax.Array:
        return jax.random.bernoulli(key, jax.nn.sigmoid(one(free))).astype(free.dtype)

    def mean(self, free: jax.Array) -> jax.Array:
        return jax.nn.sigmoid(one(free))

    def begin(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        return log_odds(mean)[..., None]

    def started(self, spread: float) -> Self:
        return self

    def impossible(self, x: np.ndarray) -> np.ndarray:
        return ~np.isnan(x) & (x != 0) & (x != 1)

    def describe(self) -> str:
        return "Bernoulli entries"


class ContinuousBernoulliOutput(AbstractOutput):
    """From 0 to 1, with a density that is exponential in x: ``l e^(l x) / (e^l - 1)``.

    Unlike a Bernoulli probability of grey values it integrates to one (Loaiza-Ganem and Cunningham
    2019, equations 8 and 9, in terms of the log odds l).
    """

    @property
    def parameters(self) -> int:
        return 1

    @property
    def support(self) -> str:
        return "numbers from 0 to 1"

    @property
    def scalable(self) -> bool:
        return False

    def log_prob(self, x: jax.Array, free: jax.Array) -> jax.Array:
        odds = one(free)
        flat = jnp.abs(odds) < _FLAT
        steep = jnp.where(flat, 1.0, odds)
        square = odds**2
        series = jnp.log(2.0) + jnp.log1p(square / 12 - square**2 / 720)
        constant = jnp.where(flat, series, jnp.log(steep / jnp.tanh(steep / 2)))
        return x * odds - jax.nn.softplus(odds) + constant

    def sample(self, key: Key, free: jax.Array) -> jax.Array:
        odds = one(free)
        share = jax.random.uniform(key, odds.shape, odds.dtype)
        flat = jnp.abs(odds) < 1e-3
        size = jnp.where(flat, 1.0, jnp.abs(odds))
        # The inverse of the distribution function for rising densities, and its mirror image.
        rising = 1 + jnp.log(share + (1 - share) * jnp.exp(-size)) / size
        drawn = jnp.where(odds > 0, rising, 1 - rising)
        return jnp.clip(jnp.where(flat, share, drawn), 0, 1)

    def mean(self, free: jax.Array) -> jax.Array:
        odds = one(free)
        flat = jnp.abs(odds) < _FLAT
        steep = jnp.where(flat, 1.0, odds)
        formula = 1 / -jnp.expm1(-steep) - 1 / steep
        return jnp.where(flat, 0.5 + odds / 12 - odds**3 / 720, formula)

    def begin(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        # The mean of the density is flatter in the log odds than that of a Bernoulli variable.
        return 3 * log_odds(mean)[..., None]

    def started(self, spread: float) -> Self:
        return self

    def impossible(self, x: np.ndarray) -> np.ndarray:
        return ~np.isnan(x) & ~((x >= 0) & (x <= 1))

    def describe(self) -> str:
        return "continuous Bernoulli entries"


def log_odds(mean: np.ndarray) -> np.ndarray:
    """Of probabilities, away from 0 and 1, where a network could hardly return from."""
    inside = np.clip(mean, 0.005, 0.995)
    return np.log(inside) - np.log1p(-inside)
