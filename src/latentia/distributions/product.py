"""Blocks of columns of different kinds, independent of each other."""

from collections.abc import Callable
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.typing import Datum, Form, Key, Rows, Scalar, Weights

from .interface import AbstractFamily, Limits, Prepared


class Product(AbstractFamily):
    """Families side by side: the first describes the first columns, and so on.

    Args:
        *parts: families, each of one or more columns. Columns of one part may depend on each other;
            those of different parts are independent (given the state, in a mixture).
    """

    parts: tuple[AbstractFamily, ...]

    def __init__(self, *parts: AbstractFamily) -> None:
        if not parts or not all(isinstance(part, AbstractFamily) for part in parts):
            raise TypeError(
                f"Product should be given one or more families, but was given {parts}: write "
                "Product(Gaussian(dim=2), Poisson(dim=1)), for instance."
            )
        self.parts = parts

    @property
    def dim(self) -> int:
        return sum(part.dim for part in self.parts)

    def _split(self, columns: jax.Array) -> list[jax.Array]:
        ends = np.cumsum([part.dim for part in self.parts])[:-1]
        return jnp.split(columns, ends, axis=-1)

    def _pairs(self, columns: jax.Array) -> list[tuple[AbstractFamily, jax.Array]]:
        return list(zip(self.parts, self._split(columns), strict=True))

    def _limits(self, limits: Limits) -> list[Limits]:
        floors, ridges = self._split(limits.floor), self._split(limits.ridge)
        return [Limits(*pair) for pair in zip(floors, ridges, strict=True)]

    def sample(self, key: Key) -> Datum:
        keys = jax.random.split(key, len(self.parts))
        draws = [part.sample(keys[i]) for i, part in enumerate(self.parts)]
        return jnp.concatenate(draws)

    def log_prob(self, x: Datum) -> Scalar:
        return sum((part.log_prob(y) for part, y in self._pairs(x)), jnp.zeros((), x.dtype))

    def prepare(self, form: Form) -> Prepared:
        return PreparedProduct(self, tuple(part.prepare(form) for part in self.parts))

    def statistics(self, x: Rows, weight: Weights) -> tuple[Any, ...]:
        return tuple(part.statistics(y, weight) for part, y in self._pairs(x))

    def maximize(self, statistics: tuple[Any, ...], limits: Limits) -> Self:
        triples = zip(self.parts, statistics, self._limits(limits), strict=True)
        return type(self)(*(part.maximize(s, limit) for part, s, limit in triples))

    def _with(self, other: Self, ask: Callable[[Any, Any], Any]) -> list[Any]:
        return [ask(mine, theirs) for mine, theirs in zip(self.parts, other.parts, strict=True)]

    def restrict(self, limits: Limits) -> Self:
        pairs = zip(self.parts, self._limits(limits), strict=True)
        return type(self)(*(part.restrict(limit) for part, limit in pairs))

    def imagine(self, other: Self, weight: Scalar) -> tuple[Any, ...]:
        return tuple(self._with(other, lambda mine, theirs: mine.imagine(theirs, weight)))

    def expected_log_prob(self, other: Self) -> Scalar:
        each = self._with(other, lambda mine, theirs: mine.expected_log_prob(theirs))
        return jnp.sum(jnp.stack(each))

    def guess(self, x: Rows, weight: Weights) -> Self:
        return type(self)(*(part.guess(y, weight) for part, y in self._pairs(x)))

    def embed(self, x: Rows) -> jax.Array:
        return jnp.concatenate([part.embed(y) for part, y in self._pairs(x)], axis=1)

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        triples = zip(self.parts, self._split(centre), self._split(spread), strict=True)
        units = [part.units(c, s) for part, c, s in triples]
        return jnp.concatenate([c for c, _ in units]), jnp.concatenate([s for _, s in units])

    def affine(self, centre: Datum, scale: Datum) -> Self:
        triples = zip(self.parts, self._split(centre), self._split(scale), strict=True)
        return type(self)(*(part.affine(c, s) for part, c, s in triples))

    def degenerate(self, limits: Limits) -> jax.Array:
        pairs = zip(self.parts, self._limits(limits), strict=True)
        return jnp.any(jnp.stack([part.degenerate(limit) for part, limit in pairs]), axis=0)

    def degrees_of_freedom(self, states: int) -> int:
        return sum(part.degrees_of_freedom(states) for part in self.parts)


class PreparedProduct(eqx.Module):
    """A product of prepared parts: what ``prepare`` returns."""

    product: Product
    parts: tuple[Any, ...]

    def log_prob(self, x: Datum) -> Scalar:
        blocks = zip(self.parts, self.product._split(x), strict=True)
        return sum((part.log_prob(y) for part, y in blocks), jnp.zeros((), x.dtype))

    def statistics(self, x: Rows, weight: Weights) -> tuple[Any, ...]:
        blocks = zip(self.parts, self.product._split(x), strict=True)
        return tuple(part.statistics(y, weight) for part, y in blocks)
