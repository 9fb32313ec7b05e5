"""Independent columns of codes 0, 1, ..., each with its own number of levels."""

from collections.abc import Sequence
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.constraints import simplex
from latentia.numerics import product_log, safe_log
from latentia.typing import Datum, Form, Key, Rows, Scalar, Weights

from .discrete_terms import finite_log, ratio
from .interface import AbstractExponentialFamily, Limits, Prepared
from .parameters import as_parameter, need_dim, unset


class Categorical(AbstractExponentialFamily):
    """D independent columns of codes; column d takes the values 0 to ``levels[d] - 1``.

    Args:
        probabilities: ``[D, C]``, of each code in each column, where C is the largest number of
            levels; columns with fewer have zeros at the end.
        levels: the number of levels of each column, or one number for all. With probabilities
            given, the default is C for every column.
        dim: D, in place of the probabilities, if they are to be learned.
    """

    probabilities: jax.Array = eqx.field(metadata=simplex)
    levels: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        probabilities: Any = None,
        *,
        levels: int | Sequence[int] | None = None,
        dim: int | None = None,
    ) -> None:
        if probabilities is None:
            if levels is None:
                raise TypeError(
                    "Categorical should be given its probabilities or levels, but has neither: "
                    "write Categorical(levels=..., dim=...)."
                )
            if isinstance(levels, int | np.integer):
                levels = (int(levels),) * need_dim(1 if dim is None else dim, "Categorical")
            probabilities = unset(len(levels), max(levels))
        self.probabilities = as_parameter(probabilities, "probabilities")
        columns, most = self.probabilities.shape[-2:]
        levels = most if levels is None else levels
        if isinstance(levels, int | np.integer):
            levels = (int(levels),) * columns
        self.levels = tuple(int(level) for level in levels)
        if len(self.levels) != columns or not all(1 <= level <= most for level in self.levels):
            raise ValueError(
                f"levels of Categorical should be {columns} numbers from 1 to {most}, one for each "
                f"column of the probabilities, but is {self.levels}."
            )

    @property
    def dim(self) -> int:
        return len(self.levels)

    def _codes(self, x: jax.Array) -> jax.Array:
        """Whether each entry is each code: ``[..., D, C]``, nothing for a missing entry."""
        return x[..., None] == jnp.arange(max(self.levels), dtype=x.dtype)

    def _real(self, dtype: Any) -> jax.Array:
        """One for the codes that a column has, zero for the padding: ``[D, C]``."""
        return jnp.asarray(np.arange(max(self.levels)) < np.array(self.levels)[:, None], dtype)

    def sample(self, key: Key) -> Datum:
        codes = jax.random.categorical(key, safe_log(self.probabilities), axis=-1)
        return codes.astype(self.probabilities.dtype)

    def log_prob(self, x: Datum) -> Scalar:
        terms = jnp.where(self._codes(x), safe_log(self.probabilities), 0.0)
        return jnp.sum(terms) + self.base(x)

    def prepare(self, form: Form) -> Prepared:
        return self

    def statistics(self, x: Rows, weight: Weights) -> jax.Array:
        return jnp.einsum("n,ndc->dc", weight, self._codes(x).astype(weight.dtype))

    def maximize(self, statistics: jax.Array, limits: Limits) -> Self:
        total = jnp.sum(statistics, axis=-1, keepdims=True)
        found = ratio(statistics, total, self.probabilities)
        return type(self)(found, levels=self.levels)

    def restrict(self, limits: Limits) -> Self:
        return self

    def imagine(self, other: Self, weight: Scalar) -> jax.Array:
        return weight * other.probabilities

    def expected_log_prob(self, other: Self) -> Scalar:
        return jnp.sum(product_log(other.probabilities, self.probabilities))

    def guess(self, x: Rows, weight: Weights) -> Self:
        counts = self.statistics(x, weight)
        # A level that these data lack is possible in others.
        counts = (counts + 1e-3 * jnp.sum(counts, axis=-1, keepdims=True)) * self._real(x.dtype)
        even = self._real(x.dtype) / jnp.sum(self._real(x.dtype), axis=-1, keepdims=True)
        return type(self)(
            ratio(counts, jnp.sum(counts, axis=-1, keepdims=True), even), levels=self.levels
        )

    def embed(self, x: Rows) -> jax.Array:
        codes = jnp.where(jnp.isnan(x)[..., None], jnp.nan, self._codes(x).astype(x.dtype))
        return codes.reshape(x.shape[0], -1)

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        return jnp.zeros_like(centre), jnp.ones_like(spread)

    def affine(self, centre: Datum, scale: Datum) -> Self:
        return self

    def degenerate(self, limits: Limits) -> jax.Array:
        return jnp.zeros(self.probabilities.shape[:-2], bool)

    def degrees_of_freedom(self, states: int) -> int:
        return states * sum(level - 1 for level in self.levels)

    def features(self, x: Datum, centre: Datum) -> jax.Array:
        return self._codes(x).astype(x.dtype).ravel()

    def base(self, x: Datum) -> Scalar:
        known = jnp.any(self._codes(x), axis=-1) | jnp.isnan(x)
        return jnp.where(jnp.all(known), jnp.zeros((), x.dtype), -jnp.inf)

    def natural(self, centre: Datum) -> jax.Array:
        return finite_log(self.probabilities).ravel()

    def from_natural(self, natural: jax.Array, centre: Datum) -> Self:
        table = natural.reshape(self.dim, max(self.levels))
        table = jnp.where(self._real(natural.dtype) > 0, table, -jnp.inf)
        return type(self)(jax.nn.softmax(table, axis=-1), levels=self.levels)

    def statistics_of(self, totals: jax.Array, centre: Datum) -> jax.Array:
        return totals.reshape(self.dim, max(self.levels))

    def safe_products(self, radius: Scalar, missing: bool) -> jax.Array:
        return jnp.array(True)
