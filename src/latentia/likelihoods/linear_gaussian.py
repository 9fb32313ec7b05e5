"""A linear map of a latent vector, with independent Gaussian noise on each column."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.constraints import positive
from latentia.distributions import Limits
from latentia.distributions.parameters import as_parameter
from latentia.numerics import LOG_2PI
from latentia.potentials import GaussianPotential
from latentia.typing import Datum, Form, Key, LatentVector, Rows, Scalar, Weights

from .interface import AbstractLearnableLikelihood, Prepared
from .regression import (
    RegressionTotals,
    complete_totals,
    incomplete_totals,
    principal_axes,
    regressed,
)

# A column whose noise has come this near to the floor is a Heywood case: EM creeps towards zero
# noise and stops short of the floor itself.
_HEYWOOD = 100.0


class LinearGaussian(AbstractLearnableLikelihood):
    """x = loadings z + bias + noise, with independent noise of a variance for each column.

    Args:
        loadings: ``[D, L]``.
        bias: ``[D]``.
        noise: ``[D]``, the variances of the noise.
        dim: D, in place of all three, if they are to be learned.
        latent_dim: L, with ``dim``.
        isotropic: whether all columns have the same noise (probabilistic PCA) or each its own
            (factor analysis).
    """

    loadings: jax.Array
    bias: jax.Array
    noise: jax.Array = eqx.field(metadata=positive)
    isotropic: bool = eqx.field(static=True)

    def __init__(
        self,
        loadings: Any = None,
        bias: Any = None,
        noise: Any = None,
        *,
        dim: int | None = None,
        latent_dim: int | None = None,
        isotropic: bool = False,
    ) -> None:
        if loadings is None:
            if dim is None or latent_dim is None or dim < 1 or latent_dim < 1:
                raise TypeError(
                    "LinearGaussian should be given loadings, bias and noise, or its sizes, but "
                    f"has dim={dim} and latent_dim={latent_dim}: write LinearGaussian(dim=9, "
                    "latent_dim=2), for instance."
                )
            loadings = np.full((dim, latent_dim), np.nan)
        self.loadings = as_parameter(loadings, "loadings")
        shape = self.loadings.shape[:-1]
        self.bias = as_parameter(np.full(shape, np.nan) if bias is None else bias, "bias")
        self.noise = as_parameter(np.full(shape, np.nan) if noise is None else noise, "noise")
        self.isotropic = isotropic
        for name, value in (("bias", self.bias), ("noise", self.noise)):
            if value.shape != shape:
                raise ValueError(
                    f"{name} of LinearGaussian should have shape {shape}, one number for each row "
                    f"of the loadings, but has {value.shape}."
                )

    def _like(self, loadings: jax.Array, bias: jax.Array, noise: jax.Array) -> Self:
        return type(self)(loadings, bias, noise, isotropic=self.isotropic)

    @property
    def dim(self) -> int:
        return self.loadings.shape[-2]

    @property
    def latent_dim(self) -> int:
        """L."""
        return self.loadings.shape[-1]

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.dim,)

    @property
    def states(self) -> int:
        return 1

    @property
    def quadratic(self) -> bool:
        return True

    def sample(self, key: Key, z: LatentVector) -> Datum:
        noise = jax.random.normal(key, self.bias.shape, self.bias.dtype)
        return self.loadings @ z + self.bias + jnp.sqrt(self.noise) * noise

    def log_prob(self, x: Datum, z: LatentVector) -> Scalar:
        return _observe(self, x)(z)

    def potential(self, x: Datum) -> GaussianPotential:
        return _observe(self, x)

    def prepare(self, form: Form) -> Prepared:
        return _Incomplete(self) if form is Form.MISSING else _Complete(self, *reduced(self))

    def safe_products(self, radius: Scalar, missing: bool) -> jax.Array:
        return jnp.array(False)

    def statistics(self, x: Rows, moments: Any, weight: Weights) -> RegressionTotals:
        return incomplete_totals(self.loadings, self.bias, x, moments, weight)

    def maximize(self, statistics: RegressionTotals, limits: Limits) -> Self:
        count = statistics.mass
        some = count > 0
        change, left = regressed(statistics)
        if self.isotropic:
            total = jnp.sum(count, axis=-1, keepdims=True)
            pooled = jnp.sum(left, axis=-1, keepdims=True) / jnp.where(total > 0, total, 1.0)
            noise = jnp.broadcast_to(jnp.where(total > 0, pooled, self.noise), left.shape)
            floor, ridge = jnp.max(limits.floor), jnp.mean(limits.ridge)
        else:
            noise = jnp.where(some, left / jnp.where(some, count, 1.0), self.noise)
            floor, ridge = limits
        change = jnp.where(some[..., None], change, 0.0)
        return self._like(
            self.loadings + change[..., :-1],
            self.bias + change[..., -1],
            jnp.maximum(noise + ridge, floor),
        )

    def restrict(self, limits: Limits) -> Self:
        floor = jnp.max(limits.floor) if self.isotropic else limits.floor
        return self._like(self.loadings, self.bias, jnp.maximum(self.noise, floor))

    def imagine(self, other: Self, weight: Scalar, shares: jax.Array) -> RegressionTotals:
        change = jnp.concatenate(
            [other.loadings - self.loadings, (other.bias - self.bias)[:, None]], axis=-1
        )
        square = weight * (jnp.sum(change**2, axis=-1) + other.noise)
        design = weight * jnp.eye(self.latent_dim + 1, dtype=square.dtype)
        return RegressionTotals(
            jnp.broadcast_to(weight, square.shape), square, weight * change, design[None]
        )

    def expected_log_prob(self, other: Self, shares: jax.Array) -> Scalar:
        totals = self.imagine(other, jnp.ones((), self.noise.dtype), shares)
        return -0.5 * jnp.sum(totals.square / self.noise + jnp.log(self.noise) + LOG_2PI)

    def begin(
        self,
        x: Rows,
        assignment: jax.Array,
        weight: Weights,
        limits: Limits,
        key: Key,
        form: Form = Form.MISSING,
    ) -> Self:
        weight = weight * assignment[:, 0]
        seen = ~jnp.isnan(x)
        heavy = weight[:, None] * seen
        count = jnp.sum(heavy, axis=0)
        some = jnp.where(count > 0, count, 1.0)
        mean = jnp.sum(jnp.where(seen, x, 0.0) * heavy, axis=0) / some
        gap = jnp.where(seen, x - mean, 0.0)
        variances = jnp.sum(heavy * gap**2, axis=0) / some
        variances = jnp.where(variances > 0, variances, jnp.mean(variances) + 1e-300)
        loadings = principal_axes(gap, weight, variances, self.latent_dim, key)
        noise = jnp.maximum(variances - jnp.sum(loadings**2, axis=1), 0.05 * variances)
        if self.isotropic:
            noise = jnp.full_like(noise, jnp.mean(noise))
        return self._like(loadings, mean, jnp.maximum(noise, limits.floor))

    def possible(self, x: Rows, weight: Weights) -> jax.Array:
        return jnp.ones(x.shape[0], bool)

    def embed(self, x: Rows) -> Rows:
        return x

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        return centre, jnp.full_like(spread, jnp.max(spread)) if self.isotropic else spread

    def affine(self, centre: Datum, scale: Datum) -> Self:
        return self._like(
            self.loadings * scale[:, None], centre + scale * self.bias, self.noise * scale**2
        )

    def degenerate(self, limits: Limits) -> jax.Array:
        floor = jnp.max(limits.floor) if self.isotropic else limits.floor
        return jnp.any((floor > 0) & (self.noise < _HEYWOOD * floor), keepdims=True)

    def order_keys(self) -> jax.Array:
        return self.bias[None]

    def reorder(self, order: jax.Array) -> Self:
        return self

    def canonical(self) -> Self:
        """Rotated so that the factors are independent given x, the most telling first.

        Each column of ``noise^-½ loadings`` is orthogonal to the others, and the largest loading of
        each factor is positive (Lawley and Maxwell 1971, the usual constraint of factor analysis).
        """
        scale = jnp.sqrt(self.noise)[:, None]
        left, values, _ = jnp.linalg.svd(self.loadings / scale, full_matrices=False)
        size = min(self.dim, self.latent_dim)
        rotated = scale * left * values
        largest = jnp.take_along_axis(rotated, jnp.argmax(jnp.abs(rotated), axis=0)[None], axis=0)
        rotated = rotated * jnp.where(largest < 0, -1.0, 1.0)
        loadings = jnp.zeros_like(self.loadings).at[:, :size].set(rotated)
        return self._like(loadings, self.bias, self.noise)

    def degrees_of_freedom(self, states: int) -> int:
        rank = min(self.latent_dim, self.dim)
        loadings = self.dim * rank - rank * (rank - 1) // 2
        noise = 1 if self.isotropic else self.dim
        # Never more than the covariance itself has: beyond, parameters stand in for each other.
        shape = min(loadings + noise, self.dim * (self.dim + 1) // 2)
        return states * (self.dim + shape)

    def describe(self) -> str:
        kind = "isotropic noise" if self.isotropic else "a noise variance for each column"
        return f"LinearGaussian: {self.latent_dim} factors to {self.dim} columns, {kind}"


class _Complete(eqx.Module):
    """A linear Gaussian whose design is rotated to L rows, for data without missing entries."""

    likelihood: LinearGaussian
    orthogonal: jax.Array
    design: jax.Array

    def potential(self, x: Datum) -> GaussianPotential:
        scale = 1 / jnp.sqrt(self.likelihood.noise)
        whitened = (x - self.likelihood.bias) * scale
        target = self.orthogonal.T @ whitened
        rest = whitened - self.orthogonal @ target
        constant = jnp.sum(jnp.log(scale)) - 0.5 * (x.size * LOG_2PI + rest @ rest)
        return GaussianPotential(self.design, target, constant)

    def statistics(self, x: Rows, moments: Any, weight: Weights) -> RegressionTotals:
        like = self.likelihood
        return complete_totals(like.loadings, like.bias, x, moments, weight)

    def finish(self, totals: RegressionTotals) -> RegressionTotals:
        return totals


class _Incomplete(eqx.Module):
    """A linear Gaussian for data with missing entries, where nothing can be made ready."""

    likelihood: LinearGaussian

    def potential(self, x: Datum) -> GaussianPotential:
        return self.likelihood.potential(x)

    def statistics(self, x: Rows, moments: Any, weight: Weights) -> RegressionTotals:
        return self.likelihood.statistics(x, moments, weight)

    def finish(self, totals: RegressionTotals) -> RegressionTotals:
        return totals


def _observe(likelihood: LinearGaussian, x: Datum) -> GaussianPotential:
    seen = ~jnp.isnan(x)
    scale = jnp.where(seen, 1 / jnp.sqrt(likelihood.noise), 0.0)
    target = jnp.where(seen, x - likelihood.bias, 0.0) * scale
    log_scale = jnp.where(seen, -0.5 * (jnp.log(likelihood.noise) + LOG_2PI), 0.0)
    return GaussianPotential(likelihood.loadings * scale[:, None], target, jnp.sum(log_scale))


def reduced(likelihood: LinearGaussian) -> tuple[jax.Array, jax.Array]:
    """The whitened design as an orthogonal matrix ``[D, L]`` times what is left, ``[L, L]``."""
    design = likelihood.loadings / jnp.sqrt(likelihood.noise)[:, None]
    if likelihood.dim <= likelihood.latent_dim:
        return jnp.eye(likelihood.dim, dtype=design.dtype), design
    return jnp.linalg.qr(design)
