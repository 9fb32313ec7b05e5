"""The Gaussian with a full covariance, one of its own for each state or one for all."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.constraints import covariance as covariance_constraint
from latentia.numerics import factor_inverse, square_root
from latentia.typing import Datum, Form, Key, Rows, Scalar, Weights

from . import gaussian_terms as terms
from .gaussian_terms import Factors, GaussianTotals
from .independent_gaussian import column_moments
from .interface import AbstractExponentialFamily, Limits, Prepared
from .parameters import as_parameter, need_dim, need_shapes, unset


class Gaussian(AbstractExponentialFamily):
    """A Gaussian in D dimensions.

    Args:
        mean: ``[D]``.
        covariance: ``[D, D]``, symmetric and positive definite.
        dim: D, in place of both, if they are to be learned.
        tied: whether the states of a mixture share one covariance. It is stored once for each.
    """

    mean: jax.Array
    covariance: jax.Array = eqx.field(metadata=covariance_constraint)
    tied: bool = eqx.field(static=True)

    def __init__(
        self,
        mean: Any = None,
        covariance: Any = None,
        *,
        dim: int | None = None,
        tied: bool = False,
    ) -> None:
        if mean is None or covariance is None:
            size = need_dim(dim, "Gaussian")
            mean = unset(size) if mean is None else mean
            covariance = unset(size, size) if covariance is None else covariance
        self.mean = as_parameter(mean, "mean")
        self.covariance = as_parameter(covariance, "covariance")
        self.tied = tied
        shape = self.mean.shape
        need_shapes("Gaussian", covariance=(self.covariance.shape, (*shape, *shape[-1:])))

    @property
    def dim(self) -> int:
        return self.mean.shape[-1]

    def _like(self, mean: jax.Array, covariance: jax.Array) -> Self:
        return type(self)(mean, covariance, tied=self.tied)

    def _factors(self) -> Factors:
        return Factors(*factor_inverse(self.covariance))

    def sample(self, key: Key) -> Datum:
        noise = jax.random.normal(key, self.mean.shape, self.mean.dtype)
        return self.mean + square_root(self.covariance) @ noise

    def log_prob(self, x: Datum) -> Scalar:
        return terms.marginal_log_density(x - self.mean, self._factors())

    def prepare(self, form: Form) -> Prepared:
        return FactoredGaussian(self, self._factors(), form is Form.MISSING)

    def statistics(self, x: Rows, weight: Weights) -> GaussianTotals:
        return terms.expected_moments(x - self.mean, weight, self._factors())

    def maximize(self, statistics: GaussianTotals, limits: Limits) -> Self:
        mean, scatter = terms.mean_and_scatter(self.mean, statistics)
        count = statistics.mass
        if self.tied and count.ndim:
            scatter, total = jnp.sum(scatter, axis=0), jnp.sum(count)
            covariance = scatter / jnp.where(total > 0, total, 1.0)
        else:
            covariance = scatter / jnp.where(count > 0, count, 1.0)[..., None, None]
        covariance = terms.limited(terms.raised(covariance, limits.ridge), limits.floor)
        return self._like(mean, jnp.broadcast_to(covariance, self.covariance.shape))

    def restrict(self, limits: Limits) -> Self:
        return self._like(self.mean, terms.limited(self.covariance, limits.floor))

    def imagine(self, other: Self, weight: Scalar) -> GaussianTotals:
        return terms.imagined(self.mean, other.mean, other.covariance, weight)

    def expected_log_prob(self, other: Self) -> Scalar:
        gap = other.mean - self.mean
        return terms.expected_log_density(gap, other.covariance, self._factors())

    def guess(self, x: Rows, weight: Weights) -> Self:
        mean, variances = column_moments(x, weight)
        return self._like(mean, jnp.diag(variances))

    def embed(self, x: Rows) -> Rows:
        return x

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        return centre, spread

    def affine(self, centre: Datum, scale: Datum) -> Self:
        return self._like(
            centre + scale * self.mean, self.covariance * scale[:, None] * scale[None, :]
        )

    def degenerate(self, limits: Limits) -> jax.Array:
        return terms.at_floor(self.covariance, limits.floor)

    def degrees_of_freedom(self, states: int) -> int:
        shapes = 1 if self.tied else states
        return states * self.dim + shapes * self.dim * (self.dim + 1) // 2

    def features(self, x: Datum, centre: Datum) -> jax.Array:
        return terms.features(x - centre)

    def base(self, x: Datum) -> Scalar:
        return jnp.zeros((), x.dtype)

    def natural(self, centre: Datum) -> jax.Array:
        return terms.natural(self.mean - centre, self._factors())

    def from_natural(self, natural: jax.Array, centre: Datum) -> Self:
        gap, covariance = terms.from_natural(natural, self.dim)
        return self._like(centre + gap, covariance)

    def statistics_of(self, totals: jax.Array, centre: Datum) -> GaussianTotals:
        return terms.totals_of(totals, self.mean - centre)

    def safe_products(self, radius: Scalar, missing: bool) -> jax.Array:
        if missing:
            return jnp.array(False)
        return terms.products_are_safe(radius, self.mean, self._factors().whitener)


class FactoredGaussian(eqx.Module):
    """A Gaussian with its covariance factored: what ``prepare`` returns."""

    gaussian: Gaussian
    factors: Factors
    missing: bool = eqx.field(static=True)

    def log_prob(self, x: Datum) -> Scalar:
        gap = x - self.gaussian.mean
        density = terms.quick_marginal_log_density if self.missing else terms.log_density
        return density(gap, self.factors)

    def statistics(self, x: Rows, weight: Weights) -> GaussianTotals:
        gap = x - self.gaussian.mean
        if self.missing:
            return terms.expected_moments(gap, weight, self.factors)
        return terms.moments(gap, weight)
