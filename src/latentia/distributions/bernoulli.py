"""Independent binary columns."""

from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.constraints import interval
from latentia.numerics import product_log
from latentia.typing import Datum, Form, Key, Rows, Scalar, Weights

from .discrete_terms import finite_log, observed_part, ratio
from .interface import AbstractExponentialFamily, Limits, Prepared
from .parameters import as_parameter, need_dim, unset


class BinaryTotals(NamedTuple):
    """The weight of the observed entries and of the ones among them, ``[D]`` each."""

    mass: jax.Array
    ones: jax.Array


class Bernoulli(AbstractExponentialFamily):
    """D independent columns of 0 and 1.

    Args:
        probabilities: ``[D]``, of a 1 in each column.
        dim: D, in place of the probabilities, if they are to be learned.
    """

    probabilities: jax.Array = eqx.field(metadata=interval)

    def __init__(self, probabilities: Any = None, *, dim: int | None = None) -> None:
        if probabilities is None:
            probabilities = unset(need_dim(dim, "Bernoulli"))
        self.probabilities = as_parameter(probabilities, "probabilities")

    @property
    def dim(self) -> int:
        return self.probabilities.shape[-1]

    def sample(self, key: Key) -> Datum:
        return jax.random.bernoulli(key, self.probabilities).astype(self.probabilities.dtype)

    def log_prob(self, x: Datum) -> Scalar:
        value, seen = observed_part(x)
        terms = product_log(value, self.probabilities) + product_log(
            seen - value, 1 - self.probabilities
        )
        possible = (value == 0) | (value == 1)
        return jnp.sum(jnp.where(possible, terms, -jnp.inf))

    def prepare(self, form: Form) -> Prepared:
        return self

    def statistics(self, x: Rows, weight: Weights) -> BinaryTotals:
        value, seen = observed_part(x)
        return BinaryTotals(weight @ seen, weight @ value)

    def maximize(self, statistics: BinaryTotals, limits: Limits) -> Self:
        found = ratio(statistics.ones, statistics.mass, self.probabilities)
        return type(self)(jnp.clip(found, 0.0, 1.0))

    def restrict(self, limits: Limits) -> Self:
        return self

    def imagine(self, other: Self, weight: Scalar) -> BinaryTotals:
        return BinaryTotals(
            jnp.broadcast_to(weight, other.probabilities.shape), weight * other.probabilities
        )

    def expected_log_prob(self, other: Self) -> Scalar:
        return jnp.sum(
            product_log(other.probabilities, self.probabilities)
            + product_log(1 - other.probabilities, 1 - self.probabilities)
        )

    def guess(self, x: Rows, weight: Weights) -> Self:
        totals = self.statistics(x, weight)
        shares = ratio(totals.ones, totals.mass, jnp.full(self.dim, 0.5, x.dtype))
        # What these data lack is possible in others.
        return type(self)(jnp.clip(shares, 1e-3, 1 - 1e-3))

    def embed(self, x: Rows) -> Rows:
        return x

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        return jnp.zeros_like(centre), jnp.ones_like(spread)

    def affine(self, centre: Datum, scale: Datum) -> Self:
        return self

    def degenerate(self, limits: Limits) -> jax.Array:
        return jnp.zeros(self.probabilities.shape[:-1], bool)

    def degrees_of_freedom(self, states: int) -> int:
        return states * self.dim

    def features(self, x: Datum, centre: Datum) -> jax.Array:
        value, seen = observed_part(x)
        return jnp.concatenate([value, seen - value])

    def base(self, x: Datum) -> Scalar:
        value, _ = observed_part(x)
        return jnp.where(jnp.all((value == 0) | (value == 1)), 0.0, -jnp.inf)

    def natural(self, centre: Datum) -> jax.Array:
        return jnp.concatenate([finite_log(self.probabilities), finite_log(1 - self.probabilities)])

    def from_natural(self, natural: jax.Array, centre: Datum) -> Self:
        on, off = jnp.split(natural, 2)
        return type(self)(jax.nn.sigmoid(on - off))

    def statistics_of(self, totals: jax.Array, centre: Datum) -> BinaryTotals:
        ones, zeros = jnp.split(totals, 2)
        return BinaryTotals(ones + zeros, ones)

    def safe_products(self, radius: Scalar, missing: bool) -> jax.Array:
        return jnp.array(True)
