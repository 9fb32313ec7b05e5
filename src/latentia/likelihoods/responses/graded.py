"""Ordered levels by cumulative logits: the graded response model."""

import math
from collections.abc import Sequence
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.constraints import decreasing
from latentia.typing import Datum, Key, Rows, Scalar, Weights

from .binary import logistic_slopes, widening
from .interface import AbstractResponse
from .levels import (
    NEVER,
    has_level,
    is_level,
    level_features,
    level_shares,
    patterns,
    read_levels,
)

# The least distance between two intercepts, so that no level has probability 0.
_CLOSEST = -30.0


class GradedResponse(AbstractResponse):
    """P(x >= k) = logistic(eta + bias[k - 1]), for levels 0, 1, ..., C - 1 (Samejima 1969).

    Args:
        bias: ``[D, C - 1]``, decreasing along the last axis. Columns with fewer levels than C
            repeat their last one.
        levels: how many levels each column has, one number for all or D numbers.
        dim: D, in place of the bias, if ``levels`` is one number.
    """

    bias: jax.Array = eqx.field(metadata=decreasing)
    levels: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        bias: Any = None,
        *,
        levels: int | Sequence[int] | None = None,
        dim: int | None = None,
    ) -> None:
        self.bias, self.levels = read_levels(bias, levels, dim, "GradedResponse")

    @property
    def dim(self) -> int:
        return self.bias.shape[-2]

    def terms(self, eta: jax.Array) -> jax.Array:
        above = eta[..., None] + self.bias
        least = jax.nn.log_sigmoid(-above[..., :1])
        upper, lower = above[..., :-1], above[..., 1:]
        # log(s(a) - s(b)) = log s(a) + log s(-b) + log(1 - exp(b - a)), which cancels nothing.
        gap = jnp.minimum(self.bias[:, 1:] - self.bias[:, :-1], -math.exp(_CLOSEST))
        between = jax.nn.log_sigmoid(upper) + jax.nn.log_sigmoid(-lower) + jnp.log(-jnp.expm1(gap))
        middle = jnp.concatenate([least, between], axis=-1)
        # The last level of each column ends nowhere.
        top = jnp.concatenate([least, jax.nn.log_sigmoid(above)], axis=-1)
        known = has_level(self.levels)
        last = known & ~np.append(known[:, 1:], np.zeros((self.dim, 1), bool), axis=1)
        padded = jnp.concatenate([middle, top[..., -1:]], axis=-1)
        return jnp.where(last, top, jnp.where(known, padded, NEVER))

    def expected(self, eta: jax.Array) -> jax.Array:
        return jnp.exp(self.terms(eta))

    def features(self, x: Rows) -> jax.Array:
        return level_features(x, self.levels)

    def base(self, x: Datum) -> Scalar:
        return jnp.where(jnp.all(is_level(x, self.levels)), 0.0, -jnp.inf)

    def draw(self, key: Key, eta: Datum) -> Datum:
        return jax.random.categorical(key, self.terms(eta)).astype(eta.dtype)

    def free(self) -> jax.Array:
        gaps = self.bias[:, :-1] - self.bias[:, 1:]
        logs = jnp.maximum(jnp.log(jnp.maximum(gaps, 0.0)), _CLOSEST)
        return jnp.concatenate([self.bias[:, :1], logs], axis=-1)

    def bound(self, free: jax.Array) -> Self:
        gaps = jnp.where(has_level(self.levels)[:, 2:], jnp.exp(free[:, 1:]), 0.0)
        bias = free[:, :1] - jnp.cumsum(gaps, axis=-1)
        return type(self)(jnp.concatenate([free[:, :1], bias], axis=-1), levels=self.levels)

    def begin(self, x: Rows, weight: Weights, slopes: jax.Array, key: Key) -> Self:
        shares = level_shares(x, weight, self.levels)
        above = jnp.cumsum(shares[:, ::-1], axis=-1)[:, ::-1][:, 1:]
        odds = jnp.log(above) - jnp.log1p(-above)
        # Beyond a column's levels its last intercept is repeated.
        odds = jnp.where(has_level(self.levels)[:, 1:], odds, jnp.inf)
        odds = jax.lax.cummin(odds, axis=1)
        return type(self)(odds * widening(slopes)[:, None], levels=self.levels)

    def slopes_from(self, loadings: jax.Array) -> jax.Array:
        return logistic_slopes(loadings)

    def possible(self, x: Rows) -> jax.Array:
        return jnp.all(is_level(x, self.levels), axis=-1)

    def degrees_of_freedom(self) -> int:
        return sum(self.levels) - self.dim

    def saturated(self) -> float:
        return patterns(self.levels)

    def describe(self) -> str:
        return f"{self.dim} columns of ordered levels, cumulative logits"
