"""Independent columns of waiting times."""

from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.constraints import positive
from latentia.typing import Datum, Form, Key, Rows, Scalar, Weights

from .discrete_terms import observed_part, ratio
from .interface import AbstractExponentialFamily, Limits, Prepared
from .parameters import as_parameter, need_dim, unset


class TimeTotals(NamedTuple):
    """The weight of the observed entries, and their weighted sum, ``[D]`` each."""

    mass: jax.Array
    total: jax.Array


class Exponential(AbstractExponentialFamily):
    """D independent columns of waiting times, with density exp(-x / mean) / mean for x >= 0.

    Args:
        means: ``[D]``, the mean of each column.
        dim: D, in place of the means, if they are to be learned.
    """

    means: jax.Array = eqx.field(metadata=positive)

    def __init__(self, means: Any = None, *, dim: int | None = None) -> None:
        if means is None:
            means = unset(need_dim(dim, "Exponential"))
        self.means = as_parameter(means, "means")

    @property
    def dim(self) -> int:
        return self.means.shape[-1]

    def sample(self, key: Key) -> Datum:
        return self.means * jax.random.exponential(key, self.means.shape, self.means.dtype)

    def log_prob(self, x: Datum) -> Scalar:
        value, seen = observed_part(x)
        return self.base(x) - jnp.sum(seen * jnp.log(self.means) + value / self.means)

    def prepare(self, form: Form) -> Prepared:
        return self

    def statistics(self, x: Rows, weight: Weights) -> TimeTotals:
        value, seen = observed_part(x)
        return TimeTotals(weight @ seen, weight @ value)

    def maximize(self, statistics: TimeTotals, limits: Limits) -> Self:
        # The standard deviation is the mean, so the floor of the variance bounds it.
        found = ratio(statistics.total, statistics.mass, self.means)
        return type(self)(jnp.maximum(found, jnp.sqrt(limits.floor)))

    def restrict(self, limits: Limits) -> Self:
        return type(self)(jnp.maximum(self.means, jnp.sqrt(limits.floor)))

    def imagine(self, other: Self, weight: Scalar) -> TimeTotals:
        return TimeTotals(jnp.broadcast_to(weight, other.means.shape), weight * other.means)

    def expected_log_prob(self, other: Self) -> Scalar:
        return -jnp.sum(jnp.log(self.means) + other.means / self.means)

    def guess(self, x: Rows, weight: Weights) -> Self:
        # Of the sizes, so that one impossible value leaves the rest as they are.
        totals = self.statistics(jnp.abs(x), weight)
        return type(self)(ratio(totals.total, totals.mass, jnp.ones(self.dim, x.dtype)))

    def embed(self, x: Rows) -> Rows:
        # The square root makes long tails shorter.
        return jnp.sqrt(x)

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        return jnp.zeros_like(centre), spread

    def affine(self, centre: Datum, scale: Datum) -> Self:
        return type(self)(self.means * scale)

    def degenerate(self, limits: Limits) -> jax.Array:
        smallest = jnp.sqrt(limits.floor)
        return jnp.any((smallest > 0) & (self.means < 1.01 * smallest), axis=-1)

    def degrees_of_freedom(self, states: int) -> int:
        return states * self.dim

    def features(self, x: Datum, centre: Datum) -> jax.Array:
        return jnp.concatenate(observed_part(x))

    def base(self, x: Datum) -> Scalar:
        value, _ = observed_part(x)
        return jnp.where(jnp.all(value >= 0), jnp.zeros((), x.dtype), -jnp.inf)

    def natural(self, centre: Datum) -> jax.Array:
        return jnp.concatenate([-1 / self.means, -jnp.log(self.means)])

    def from_natural(self, natural: jax.Array, centre: Datum) -> Self:
        return type(self)(-1 / jnp.split(natural, 2)[0])

    def statistics_of(self, totals: jax.Array, centre: Datum) -> TimeTotals:
        total, count = jnp.split(totals, 2)
        return TimeTotals(count, total)

    def safe_products(self, radius: Scalar, missing: bool) -> jax.Array:
        return jnp.array(True)
