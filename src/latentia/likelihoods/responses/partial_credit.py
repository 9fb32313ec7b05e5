"""Ordered levels by adjacent logits: the partial credit model."""

from collections.abc import Sequence
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.typing import Datum, Key, Rows, Scalar, Weights

from .binary import PROBIT
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


class PartialCredit(AbstractResponse):
    """log P(x = k) / P(x = k - 1) = eta + bias[k - 1], for levels 0, 1, ..., C - 1.

    With a common slope it is the partial credit model (Masters 1982), with free slopes the
    generalised one (Muraki 1992).

    Args:
        bias: ``[D, C - 1]``, the step from each level to the next. Those that a column with fewer
            levels than C does not have are ignored; they are 0 after a fit.
        levels: how many levels each column has, one number for all or D numbers.
        dim: D, in place of the bias, if ``levels`` is one number.
    """

    bias: jax.Array
    levels: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        bias: Any = None,
        *,
        levels: int | Sequence[int] | None = None,
        dim: int | None = None,
    ) -> None:
        self.bias, self.levels = read_levels(bias, levels, dim, "PartialCredit")

    @property
    def dim(self) -> int:
        return self.bias.shape[-2]

    def terms(self, eta: jax.Array) -> jax.Array:
        steps = jnp.cumsum(eta[..., None] + self.bias, axis=-1)
        scores = jnp.concatenate([jnp.zeros_like(steps[..., :1]), steps], axis=-1)
        return jax.nn.log_softmax(jnp.where(has_level(self.levels), scores, NEVER), axis=-1)

    def expected(self, eta: jax.Array) -> jax.Array:
        return jnp.exp(self.terms(eta))

    def features(self, x: Rows) -> jax.Array:
        return level_features(x, self.levels)

    def base(self, x: Datum) -> Scalar:
        return jnp.where(jnp.all(is_level(x, self.levels)), 0.0, -jnp.inf)

    def draw(self, key: Key, eta: Datum) -> Datum:
        return jax.random.categorical(key, self.terms(eta)).astype(eta.dtype)

    def free(self) -> jax.Array:
        return jnp.asarray(self.bias)

    def bound(self, free: jax.Array) -> Self:
        return type(self)(jnp.where(has_level(self.levels)[:, 1:], free, 0.0), levels=self.levels)

    def begin(self, x: Rows, weight: Weights, slopes: jax.Array, key: Key) -> Self:
        shares = level_shares(x, weight, self.levels)
        logs = jnp.log(jnp.where(has_level(self.levels), shares, 1.0))
        steps = jnp.where(has_level(self.levels)[:, 1:], logs[:, 1:] - logs[:, :-1], 0.0)
        return type(self)(steps, levels=self.levels)

    def slopes_from(self, loadings: jax.Array) -> jax.Array:
        common = jnp.minimum(jnp.sum(loadings**2, axis=-1, keepdims=True), 0.9)
        steps = jnp.array(self.levels, loadings.dtype)[:, None] - 1
        return PROBIT * loadings / jnp.sqrt(1 - common) / jnp.sqrt(steps)

    def possible(self, x: Rows) -> jax.Array:
        return jnp.all(is_level(x, self.levels), axis=-1)

    def degrees_of_freedom(self) -> int:
        return sum(self.levels) - self.dim

    def saturated(self) -> float:
        return patterns(self.levels)

    def describe(self) -> str:
        return f"{self.dim} columns of ordered levels, adjacent logits"
