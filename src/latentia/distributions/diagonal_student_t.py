"""The multivariate Student t with a diagonal scatter: its columns share the scale of each datum."""

from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.constraints import fixed, positive
from latentia.typing import Datum, Form, Key, Rows, Scalar, Weights

from . import scale_terms as scales
from .discrete_terms import observed_part, ratio
from .independent_gaussian import column_moments
from .interface import AbstractFamily, Limits, Prepared
from .parameters import as_parameter, need_dim, need_shapes, unset


class DiagonalStudentTotals(NamedTuple):
    """Weighted totals over data of which something is observed.

    ``mass ()``; ``seen [D]``, of observed entries; ``scale [D]``, of E[u] where the column is
    observed; ``first [D]`` and ``second [D]``, of u times the moments about the location;
    ``surprise ()``, of E[u] - 1 - E[log u]: see ``scale_terms``.
    """

    mass: jax.Array
    seen: jax.Array
    scale: jax.Array
    first: jax.Array
    second: jax.Array
    surprise: jax.Array


class DiagonalStudentT(AbstractFamily):
    """A Student t in D dimensions whose columns are uncorrelated, but far out together.

    All entries of a datum share one hidden scale, as in ``StudentT`` with a diagonal scatter. For
    columns with outliers of their own, use a ``Product`` of one-column families.

    Args:
        location: ``[D]``.
        scatters: ``[D]``, positive: the variances are ``scatters * df / (df - 2)`` if df > 2.
        df: degrees of freedom from 0.5 to 1000, learned.
        dim: D, in place of what is not given and is to be learned.
        fixed_df: degrees of freedom that are kept as they are, in place of df.
    """

    location: jax.Array
    scatters: jax.Array = eqx.field(metadata=positive)
    df: jax.Array | None = eqx.field(metadata=scales.degrees_of_freedom)
    fixed_df: jax.Array | None = eqx.field(metadata=fixed)

    def __init__(
        self,
        location: Any = None,
        scatters: Any = None,
        df: Any = None,
        *,
        dim: int | None = None,
        fixed_df: Any = None,
    ) -> None:
        if location is None or scatters is None:
            size = need_dim(dim, "DiagonalStudentT")
            location = unset(size) if location is None else location
            scatters = unset(size) if scatters is None else scatters
        self.location = as_parameter(location, "location")
        self.scatters = as_parameter(scatters, "scatters")
        shape = self.location.shape
        self.df, self.fixed_df = scales.df_parameters(df, fixed_df, shape[:-1], "DiagonalStudentT")
        need_shapes("DiagonalStudentT", scatters=(self.scatters.shape, shape))

    @property
    def dim(self) -> int:
        return self.location.shape[-1]

    @property
    def degrees(self) -> jax.Array:
        """The degrees of freedom, learned or fixed."""
        return jnp.asarray(self.fixed_df if self.df is None else self.df)

    def _like(self, location: jax.Array, scatters: jax.Array, df: jax.Array | None) -> Self:
        return type(self)(location, scatters, df, fixed_df=self.fixed_df)

    def _whitened(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The observed entries in their own units, and where they are."""
        gap, seen = observed_part(x - self.location)
        return gap / jnp.sqrt(self.scatters), seen

    def sample(self, key: Key) -> Datum:
        first, second = jax.random.split(key)
        scale = scales.sample(second, self.degrees)
        noise = jax.random.normal(first, self.location.shape, self.location.dtype)
        return self.location + jnp.sqrt(self.scatters / scale) * noise

    def log_prob(self, x: Datum) -> Scalar:
        whitened, seen = self._whitened(x)
        log_det = jnp.sum(seen * jnp.log(self.scatters))
        return scales.log_density(self.degrees, jnp.sum(seen), whitened @ whitened, log_det)

    def prepare(self, form: Form) -> Prepared:
        return self

    def statistics(self, x: Rows, weight: Weights) -> DiagonalStudentTotals:
        whitened, seen = self._whitened(x)
        observed = jnp.sum(seen, axis=-1)
        # What says nothing about x says nothing about its scale either.
        weight = jnp.where(observed > 0, weight, 0.0)
        distance = jnp.sum(whitened**2, axis=-1)
        scale, surprise = scales.scale_moments(self.degrees, observed, distance)
        gap, _ = observed_part(x - self.location)
        heavy = weight * scale
        return DiagonalStudentTotals(
            jnp.sum(weight), weight @ seen, heavy @ seen, heavy @ gap, heavy @ gap**2,
            weight @ surprise,
        )  # fmt: skip

    def maximize(self, statistics: DiagonalStudentTotals, limits: Limits) -> Self:
        mass, seen, scale, first, second, surprise = statistics
        shift = ratio(first, scale, jnp.zeros_like(first))
        left = jnp.maximum(second - first * shift, 0.0)
        scatters = ratio(left, seen, self.scatters - limits.ridge)
        df = None if self.df is None else scales.best_df(ratio(surprise, mass, surprise))
        scatters = jnp.maximum(scatters + limits.ridge, limits.floor)
        return self._like(self.location + shift, scatters, df)

    def restrict(self, limits: Limits) -> Self:
        return self._like(self.location, jnp.maximum(self.scatters, limits.floor), self.df)

    def imagine(self, other: Self, weight: Scalar) -> DiagonalStudentTotals:
        gap = other.location - self.location
        each = jnp.broadcast_to(weight, gap.shape)
        surprise = weight * scales.mean_surprise(other.degrees)
        second = weight * (other.scatters + gap**2)
        return DiagonalStudentTotals(weight, each, each, weight * gap, second, surprise)

    def expected_log_prob(self, other: Self) -> Scalar:
        gap = other.location - self.location
        spread = jnp.sum((other.scatters + gap**2) / self.scatters + jnp.log(self.scatters))
        return scales.expected_log_prob(self.degrees, other.degrees) - 0.5 * spread

    def guess(self, x: Rows, weight: Weights) -> Self:
        location, variances = column_moments(x, weight)
        return self._like(location, variances, scales.first_df(self.df))

    def embed(self, x: Rows) -> Rows:
        return x

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        return centre, spread

    def affine(self, centre: Datum, scale: Datum) -> Self:
        return self._like(centre + scale * self.location, self.scatters * scale**2, self.df)

    def degenerate(self, limits: Limits) -> jax.Array:
        on = limits.floor > 0
        return jnp.any(on & (self.scatters < 1.01 * limits.floor), axis=-1)

    def degrees_of_freedom(self, states: int) -> int:
        return states * (2 * self.dim + (0 if self.df is None else 1))
