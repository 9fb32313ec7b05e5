"""Gaussians with independent columns: a variance for each, or one for all."""

from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.constraints import positive
from latentia.numerics import LOG_2PI
from latentia.typing import Datum, Form, Key, Rows, Scalar, Weights

from .discrete_terms import observed_part, ratio
from .gaussian_terms import PRODUCT_ERROR
from .interface import AbstractExponentialFamily, Limits, Prepared
from .parameters import as_parameter, need_dim, need_shapes, unset


class ColumnTotals(NamedTuple):
    """Weighted moments ``[D]`` of the observed entries about the mean of the collecting family."""

    mass: jax.Array
    first: jax.Array
    second: jax.Array


def column_moments(x: Rows, weight: Weights) -> tuple[jax.Array, jax.Array]:
    """Mean and variance of the observed entries of each column; 0 and 1 where there are none."""
    value, seen = observed_part(x)
    count = weight @ seen
    mean = ratio(weight @ value, count, jnp.zeros_like(count))
    gap = jnp.where(seen > 0, x - mean, 0.0)
    variance = ratio(weight @ gap**2, count, jnp.ones_like(count))
    return mean, jnp.where(variance > 0, variance, 1.0)


def _totals(x: Rows, weight: Weights, mean: jax.Array) -> ColumnTotals:
    gap, seen = observed_part(x - mean)
    return ColumnTotals(weight @ seen, weight @ gap, weight @ gap**2)


def _imagined(mean: jax.Array, other: Any, variances: jax.Array, weight: Scalar) -> ColumnTotals:
    gap = other.mean - mean
    return ColumnTotals(
        jnp.broadcast_to(weight, gap.shape), weight * gap, weight * (variances + gap**2)
    )


def _log_density(gap: jax.Array, variances: jax.Array) -> jax.Array:
    gap, seen = observed_part(gap)
    # Divided before it is squared, so that no unit of measurement overflows.
    whitened = gap / jnp.sqrt(variances)
    return -0.5 * jnp.sum(seen * (whitened**2 + jnp.log(variances) + LOG_2PI))


def _recentred(mean: jax.Array, totals: ColumnTotals) -> tuple[jax.Array, jax.Array]:
    """The new mean, where any entry was seen, and the scatter about it."""
    shift = ratio(totals.first, totals.mass, jnp.zeros_like(totals.first))
    return mean + shift, jnp.maximum(totals.second - totals.first * shift, 0.0)


def _features(x: Datum, centre: Datum) -> jax.Array:
    gap, seen = observed_part(x - centre)
    return jnp.concatenate([gap**2, gap, seen])


def _natural(gap: jax.Array, variances: jax.Array) -> jax.Array:
    constant = -0.5 * (gap**2 / variances + jnp.log(variances) + LOG_2PI)
    return jnp.concatenate([-0.5 / variances, gap / variances, constant])


def _totals_of(totals: jax.Array, gap: jax.Array) -> ColumnTotals:
    square, first, count = jnp.split(totals, 3)
    return ColumnTotals(count, first - count * gap, square - 2 * gap * first + count * gap**2)


def _safe(radius: jax.Array, gap: jax.Array, variances: jax.Array) -> jax.Array:
    reach = (radius**2 + jnp.sum(gap**2, axis=-1)) * jnp.sum(1 / variances, axis=-1)
    return reach * jnp.finfo(variances.dtype).eps < PRODUCT_ERROR


class DiagonalGaussian(AbstractExponentialFamily):
    """Independent Gaussian columns.

    Args:
        mean: ``[D]``.
        variances: ``[D]``, positive.
        dim: D, in place of both, if they are to be learned.
    """

    mean: jax.Array
    variances: jax.Array = eqx.field(metadata=positive)

    def __init__(self, mean: Any = None, variances: Any = None, *, dim: int | None = None) -> None:
        if mean is None or variances is None:
            size = need_dim(dim, "DiagonalGaussian")
            mean = unset(size) if mean is None else mean
            variances = unset(size) if variances is None else variances
        self.mean = as_parameter(mean, "mean")
        self.variances = as_parameter(variances, "variances")
        need_shapes("DiagonalGaussian", variances=(self.variances.shape, self.mean.shape))

    @property
    def dim(self) -> int:
        return self.mean.shape[-1]

    def sample(self, key: Key) -> Datum:
        noise = jax.random.normal(key, self.mean.shape, self.mean.dtype)
        return self.mean + jnp.sqrt(self.variances) * noise

    def log_prob(self, x: Datum) -> Scalar:
        return _log_density(x - self.mean, self.variances)

    def prepare(self, form: Form) -> Prepared:
        return self

    def statistics(self, x: Rows, weight: Weights) -> ColumnTotals:
        return _totals(x, weight, self.mean)

    def maximize(self, statistics: ColumnTotals, limits: Limits) -> Self:
        mean, scatter = _recentred(self.mean, statistics)
        variances = ratio(scatter, statistics.mass, self.variances - limits.ridge)
        return type(self)(mean, jnp.maximum(variances + limits.ridge, limits.floor))

    def restrict(self, limits: Limits) -> Self:
        return type(self)(self.mean, jnp.maximum(self.variances, limits.floor))

    def imagine(self, other: Self, weight: Scalar) -> ColumnTotals:
        return _imagined(self.mean, other, other.variances, weight)

    def expected_log_prob(self, other: Self) -> Scalar:
        lost = jnp.sum(other.variances / self.variances)
        return self.log_prob(other.mean) - 0.5 * lost

    def guess(self, x: Rows, weight: Weights) -> Self:
        return type(self)(*column_moments(x, weight))

    def embed(self, x: Rows) -> Rows:
        return x

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        return centre, spread

    def affine(self, centre: Datum, scale: Datum) -> Self:
        return type(self)(centre + scale * self.mean, self.variances * scale**2)

    def degenerate(self, limits: Limits) -> jax.Array:
        on = limits.floor > 0
        return jnp.any(on & (self.variances < 1.01 * limits.floor), axis=-1)

    def degrees_of_freedom(self, states: int) -> int:
        return states * 2 * self.dim

    def features(self, x: Datum, centre: Datum) -> jax.Array:
        return _features(x, centre)

    def base(self, x: Datum) -> Scalar:
        return jnp.zeros((), x.dtype)

    def natural(self, centre: Datum) -> jax.Array:
        return _natural(self.mean - centre, self.variances)

    def from_natural(self, natural: jax.Array, centre: Datum) -> Self:
        quadratic, linear, _ = jnp.split(natural, 3)
        variances = -0.5 / quadratic
        return type(self)(centre + variances * linear, variances)

    def statistics_of(self, totals: jax.Array, centre: Datum) -> ColumnTotals:
        return _totals_of(totals, self.mean - centre)

    def safe_products(self, radius: Scalar, missing: bool) -> jax.Array:
        return _safe(radius, self.mean, self.variances)


class SphericalGaussian(AbstractExponentialFamily):
    """Independent Gaussian columns with the same variance.

    Args:
        mean: ``[D]``.
        variance: a positive number.
        dim: D, in place of both, if they are to be learned.
    """

    mean: jax.Array
    variance: jax.Array = eqx.field(metadata=positive)

    def __init__(self, mean: Any = None, variance: Any = None, *, dim: int | None = None) -> None:
        if mean is None or variance is None:
            size = need_dim(dim, "SphericalGaussian")
            mean = unset(size) if mean is None else mean
            variance = unset() if variance is None else variance
        self.mean = as_parameter(mean, "mean")
        self.variance = as_parameter(variance, "variance")
        need_shapes("SphericalGaussian", variance=(self.variance.shape, self.mean.shape[:-1]))

    @property
    def dim(self) -> int:
        return self.mean.shape[-1]

    def _variances(self) -> jax.Array:
        return jnp.broadcast_to(jnp.asarray(self.variance)[..., None], self.mean.shape)

    def sample(self, key: Key) -> Datum:
        noise = jax.random.normal(key, self.mean.shape, self.mean.dtype)
        return self.mean + jnp.sqrt(self.variance) * noise

    def log_prob(self, x: Datum) -> Scalar:
        return _log_density(x - self.mean, self._variances())

    def prepare(self, form: Form) -> Prepared:
        return self

    def statistics(self, x: Rows, weight: Weights) -> ColumnTotals:
        return _totals(x, weight, self.mean)

    def maximize(self, statistics: ColumnTotals, limits: Limits) -> Self:
        mean, scatter = _recentred(self.mean, statistics)
        count = jnp.sum(statistics.mass, axis=-1)
        variance = ratio(jnp.sum(scatter, axis=-1), count, self.variance)
        variance = variance + jnp.mean(limits.ridge)
        return type(self)(mean, jnp.maximum(variance, jnp.max(limits.floor)))

    def restrict(self, limits: Limits) -> Self:
        return type(self)(self.mean, jnp.maximum(self.variance, jnp.max(limits.floor)))

    def imagine(self, other: Self, weight: Scalar) -> ColumnTotals:
        return _imagined(self.mean, other, other._variances(), weight)

    def expected_log_prob(self, other: Self) -> Scalar:
        return self.log_prob(other.mean) - 0.5 * self.dim * other.variance / self.variance

    def guess(self, x: Rows, weight: Weights) -> Self:
        mean, variances = column_moments(x, weight)
        return type(self)(mean, jnp.mean(variances))

    def embed(self, x: Rows) -> Rows:
        return x

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        # One unit for all columns; by the largest, so that nothing overflows.
        return centre, jnp.full_like(spread, jnp.max(spread))

    def affine(self, centre: Datum, scale: Datum) -> Self:
        return type(self)(centre + scale * self.mean, self.variance * scale[0] ** 2)

    def degenerate(self, limits: Limits) -> jax.Array:
        floor = jnp.max(limits.floor)
        return (floor > 0) & (self.variance < 1.01 * floor)

    def degrees_of_freedom(self, states: int) -> int:
        return states * (self.dim + 1)

    def features(self, x: Datum, centre: Datum) -> jax.Array:
        return _features(x, centre)

    def base(self, x: Datum) -> Scalar:
        return jnp.zeros((), x.dtype)

    def natural(self, centre: Datum) -> jax.Array:
        return _natural(self.mean - centre, self._variances())

    def from_natural(self, natural: jax.Array, centre: Datum) -> Self:
        quadratic, linear, _ = jnp.split(natural, 3)
        variance = -0.5 / jnp.mean(quadratic)
        return type(self)(centre + variance * linear, variance)

    def statistics_of(self, totals: jax.Array, centre: Datum) -> ColumnTotals:
        return _totals_of(totals, self.mean - centre)

    def safe_products(self, radius: Scalar, missing: bool) -> jax.Array:
        return _safe(radius, self.mean, self._variances())
