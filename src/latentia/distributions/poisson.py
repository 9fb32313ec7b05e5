"""Independent columns of counts."""

from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.constraints import positive
from latentia.numerics import product_log
from latentia.typing import Datum, Form, Key, Rows, Scalar, Weights

from .discrete_terms import finite_log, observed_part, ratio
from .interface import AbstractExponentialFamily, Limits, Prepared
from .parameters import as_parameter, need_dim, unset


class CountTotals(NamedTuple):
    """The weight of the observed entries, and their weighted sum, ``[D]`` each."""

    mass: jax.Array
    total: jax.Array


class Poisson(AbstractExponentialFamily):
    """D independent columns of counts.

    Args:
        rates: ``[D]``, the mean of each column.
        dim: D, in place of the rates, if they are to be learned.
    """

    rates: jax.Array = eqx.field(metadata=positive)

    def __init__(self, rates: Any = None, *, dim: int | None = None) -> None:
        if rates is None:
            rates = unset(need_dim(dim, "Poisson"))
        self.rates = as_parameter(rates, "rates")

    @property
    def dim(self) -> int:
        return self.rates.shape[-1]

    def sample(self, key: Key) -> Datum:
        return jax.random.poisson(key, self.rates).astype(self.rates.dtype)

    def log_prob(self, x: Datum) -> Scalar:
        value, seen = observed_part(x)
        # Infinity is no count: ``base`` says so, and here it must not meet that as inf - inf.
        value = jnp.where(jnp.isfinite(value), value, 0.0)
        terms = product_log(value, self.rates) - seen * self.rates
        return jnp.sum(terms) + self.base(x)

    def prepare(self, form: Form) -> Prepared:
        return self

    def statistics(self, x: Rows, weight: Weights) -> CountTotals:
        value, seen = observed_part(x)
        return CountTotals(weight @ seen, weight @ value)

    def maximize(self, statistics: CountTotals, limits: Limits) -> Self:
        return type(self)(ratio(statistics.total, statistics.mass, self.rates))

    def restrict(self, limits: Limits) -> Self:
        return self

    def imagine(self, other: Self, weight: Scalar) -> CountTotals:
        return CountTotals(jnp.broadcast_to(weight, other.rates.shape), weight * other.rates)

    def expected_log_prob(self, other: Self) -> Scalar:
        return jnp.sum(product_log(other.rates, self.rates) - self.rates)

    def guess(self, x: Rows, weight: Weights) -> Self:
        # Of the sizes, so that one impossible value leaves the rest as they are.
        totals = self.statistics(jnp.abs(x), weight)
        return type(self)(ratio(totals.total, totals.mass, jnp.ones(self.dim, x.dtype)))

    def embed(self, x: Rows) -> Rows:
        # The square root gives counts about the same variance whatever their mean.
        return jnp.sqrt(x)

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        return jnp.zeros_like(centre), jnp.ones_like(spread)

    def affine(self, centre: Datum, scale: Datum) -> Self:
        return self

    def degenerate(self, limits: Limits) -> jax.Array:
        return jnp.zeros(self.rates.shape[:-1], bool)

    def degrees_of_freedom(self, states: int) -> int:
        return states * self.dim

    def features(self, x: Datum, centre: Datum) -> jax.Array:
        return jnp.concatenate(observed_part(x))

    def base(self, x: Datum) -> Scalar:
        value, _ = observed_part(x)
        counts = (value >= 0) & (value == jnp.floor(value)) & jnp.isfinite(value)
        terms = jax.scipy.special.gammaln(jnp.where(counts, value, 0.0) + 1)
        return jnp.where(jnp.all(counts), -jnp.sum(terms), -jnp.inf)

    def natural(self, centre: Datum) -> jax.Array:
        return jnp.concatenate([finite_log(self.rates), -self.rates])

    def from_natural(self, natural: jax.Array, centre: Datum) -> Self:
        return type(self)(jnp.exp(jnp.split(natural, 2)[0]))

    def statistics_of(self, totals: jax.Array, centre: Datum) -> CountTotals:
        total, count = jnp.split(totals, 2)
        return CountTotals(count, total)

    def safe_products(self, radius: Scalar, missing: bool) -> jax.Array:
        return jnp.array(True)
