"""The multivariate Student t: a Gaussian with heavy tails, for data with outliers."""

from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.constraints import covariance as covariance_constraint
from latentia.constraints import fixed
from latentia.numerics import factor_inverse, square_root
from latentia.typing import Datum, Form, Key, Rows, Scalar, Weights

from . import gaussian_terms as terms
from . import scale_terms as scales
from .gaussian_terms import Factors, GaussianTotals
from .independent_gaussian import column_moments
from .interface import AbstractFamily, Limits, Prepared
from .missing_entries import fill_and_spread
from .parameters import as_parameter, need_dim, need_shapes, unset


class StudentTotals(NamedTuple):
    """Weighted totals over data of which something is observed.

    ``mass ()``; ``scale ()``, of E[u]; ``first [D]`` and ``second [D, D]``, of u times the moments
    about the location; ``surprise ()``, of E[u] - 1 - E[log u]: see ``scale_terms``.
    """

    mass: jax.Array
    scale: jax.Array
    first: jax.Array
    second: jax.Array
    surprise: jax.Array


class StudentT(AbstractFamily):
    """A Student t in D dimensions.

    The mean is ``location`` if df > 1, and the covariance is ``scatter * df / (df - 2)`` if df > 2.
    It is a Gaussian whose covariance is divided by a hidden gamma variable; one ``maximize`` is one
    step of EM, and imaginary data (``imagine``) come with their hidden variable.

    Args:
        location: ``[D]``.
        scatter: ``[D, D]``, symmetric and positive definite.
        df: degrees of freedom from 0.5 to 1000, learned: 1 is Cauchy's distribution, and towards
            1000 there is next to no difference from a Gaussian.
        dim: D, in place of what is not given and is to be learned.
        fixed_df: degrees of freedom that are kept as they are, in place of df.
    """

    location: jax.Array
    scatter: jax.Array = eqx.field(metadata=covariance_constraint)
    df: jax.Array | None = eqx.field(metadata=scales.degrees_of_freedom)
    fixed_df: jax.Array | None = eqx.field(metadata=fixed)

    def __init__(
        self,
        location: Any = None,
        scatter: Any = None,
        df: Any = None,
        *,
        dim: int | None = None,
        fixed_df: Any = None,
    ) -> None:
        if location is None or scatter is None:
            size = need_dim(dim, "StudentT")
            location = unset(size) if location is None else location
            scatter = unset(size, size) if scatter is None else scatter
        self.location = as_parameter(location, "location")
        self.scatter = as_parameter(scatter, "scatter")
        shape = self.location.shape
        self.df, self.fixed_df = scales.df_parameters(df, fixed_df, shape[:-1], "StudentT")
        need_shapes("StudentT", scatter=(self.scatter.shape, (*shape, *shape[-1:])))

    @property
    def dim(self) -> int:
        return self.location.shape[-1]

    @property
    def degrees(self) -> jax.Array:
        """The degrees of freedom, learned or fixed."""
        return jnp.asarray(self.fixed_df if self.df is None else self.df)

    def _like(self, location: jax.Array, scatter: jax.Array, df: jax.Array | None) -> Self:
        return type(self)(location, scatter, df, fixed_df=self.fixed_df)

    def _factors(self) -> Factors:
        return Factors(*factor_inverse(self.scatter))

    def sample(self, key: Key) -> Datum:
        first, second = jax.random.split(key)
        scale = scales.sample(second, self.degrees)
        noise = jax.random.normal(first, self.location.shape, self.location.dtype)
        return self.location + square_root(self.scatter) @ noise / jnp.sqrt(scale)

    def log_prob(self, x: Datum) -> Scalar:
        return self._density(terms.marginal_distance(x - self.location, self._factors()))

    def _density(self, at: terms.Distance) -> Scalar:
        return scales.log_density(self.degrees, at.observed, at.square, at.log_det)

    def prepare(self, form: Form) -> Prepared:
        return FactoredStudentT(self, self._factors(), form is Form.MISSING)

    def statistics(self, x: Rows, weight: Weights) -> StudentTotals:
        return _totals(self, self._factors(), x, weight, missing=True)

    def maximize(self, statistics: StudentTotals, limits: Limits) -> Self:
        mass, scale, first, second, surprise = statistics
        location, scatter = terms.mean_and_scatter(
            self.location, GaussianTotals(scale, first, second)
        )
        some = jnp.where(mass > 0, mass, 1.0)
        scatter = terms.raised(scatter / some[..., None, None], limits.ridge)
        df = None if self.df is None else scales.best_df(surprise / some)
        return self._like(location, terms.limited(scatter, limits.floor), df)

    def restrict(self, limits: Limits) -> Self:
        return self._like(self.location, terms.limited(self.scatter, limits.floor), self.df)

    def imagine(self, other: Self, weight: Scalar) -> StudentTotals:
        scale, first, second = terms.imagined(self.location, other.location, other.scatter, weight)
        return StudentTotals(
            weight, scale, first, second, weight * scales.mean_surprise(other.degrees)
        )

    def expected_log_prob(self, other: Self) -> Scalar:
        gap = other.location - self.location
        given_scale = terms.expected_log_density(gap, other.scatter, self._factors())
        return given_scale + scales.expected_log_prob(self.degrees, other.degrees)

    def guess(self, x: Rows, weight: Weights) -> Self:
        location, variances = column_moments(x, weight)
        return self._like(location, jnp.diag(variances), scales.first_df(self.df))

    def embed(self, x: Rows) -> Rows:
        return x

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        return centre, spread

    def affine(self, centre: Datum, scale: Datum) -> Self:
        return self._like(
            centre + scale * self.location,
            self.scatter * scale[:, None] * scale[None, :],
            self.df,
        )

    def degenerate(self, limits: Limits) -> jax.Array:
        return terms.at_floor(self.scatter, limits.floor)

    def degrees_of_freedom(self, states: int) -> int:
        tails = 0 if self.df is None else 1
        return states * (self.dim + self.dim * (self.dim + 1) // 2 + tails)


class FactoredStudentT(eqx.Module):
    """A Student t with its scatter factored: what ``prepare`` returns."""

    student: StudentT
    factors: Factors
    missing: bool = eqx.field(static=True)

    def log_prob(self, x: Datum) -> Scalar:
        gap = x - self.student.location
        if self.missing:
            return self.student._density(terms.quick_marginal_distance(gap, self.factors))
        whitened = self.factors.whitener @ gap
        count = jnp.array(gap.size, gap.dtype)
        return self.student._density(
            terms.Distance(whitened @ whitened, self.factors.log_det, count)
        )

    def statistics(self, x: Rows, weight: Weights) -> StudentTotals:
        return _totals(self.student, self.factors, x, weight, self.missing)


def _totals(
    student: StudentT, factors: Factors, x: Rows, weight: Weights, missing: bool
) -> StudentTotals:
    gap = x - student.location
    if missing:
        seen = jnp.sum(~jnp.isnan(gap), axis=-1)
        # What says nothing about x says nothing about its scale either.
        weight = jnp.where(seen > 0, weight, 0.0)
        precision = factors.whitener.T @ factors.whitener
        gap, spread = fill_and_spread(precision, gap, weight)
    else:
        seen, spread = gap.shape[-1], 0.0
    whitened = gap @ factors.whitener.T
    scale, surprise = scales.scale_moments(student.degrees, seen, jnp.sum(whitened**2, axis=-1))
    heavy, first, second = terms.moments(gap, weight * scale)
    # The covariance of missing entries is divided by the scale, which u times it takes back.
    return StudentTotals(jnp.sum(weight), heavy, first, second + spread, weight @ surprise)
