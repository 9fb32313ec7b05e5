"""A linear map of a latent vector and of covariates that are given, with Gaussian noise."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.constraints import positive
from latentia.distributions import Limits
from latentia.distributions.covariates import need_covariates, split, units_beside
from latentia.distributions.given import at, inputs
from latentia.distributions.parameters import as_parameter
from latentia.numerics import damped
from latentia.potentials import GaussianPotential
from latentia.typing import Datum, Form, Key, LatentVector, Rows, Scalar, Weights

from .interface import AbstractLearnableLikelihood, Prepared
from .linear_gaussian import LinearGaussian
from .regression import (
    RegressionTotals,
    VectorMoments,
    complete_totals,
    incomplete_totals,
    regressed,
)


class LinearGaussianRegression(AbstractLearnableLikelihood):
    """x = loadings z + coefficients u + bias + noise, with a noise variance for each column.

    A datum has D + P columns: x, and after it the covariates u, which are given and not described.
    Under ``GaussianLatent`` it is factor analysis with covariates; with ``PerStep`` and a
    ``GaussianChain`` it is a state space model with regression effects (Durbin and Koopman 2012,
    section 6.2; by EM, Shumway and Stoffer 1982). The M-step is the regression of x on (z, u, 1).

    Args:
        loadings: ``[D, L]``.
        coefficients: ``[D, P]``.
        bias: ``[D]``.
        noise: ``[D]``, the variances of the noise.
        dim: D, in place of all four, if they are to be learned.
        latent_dim: L, with ``dim``.
        covariates: P, if the coefficients are to be learned.
        isotropic: whether all columns have the same noise.
    """

    loadings: jax.Array
    coefficients: jax.Array
    bias: jax.Array
    noise: jax.Array = eqx.field(metadata=positive)
    isotropic: bool = eqx.field(static=True)

    def __init__(
        self,
        loadings: Any = None,
        coefficients: Any = None,
        bias: Any = None,
        noise: Any = None,
        *,
        dim: int | None = None,
        latent_dim: int | None = None,
        covariates: int | None = None,
        isotropic: bool = False,
    ) -> None:
        plain = LinearGaussian(
            loadings, bias, noise, dim=dim, latent_dim=latent_dim, isotropic=isotropic
        )
        self.loadings, self.bias, self.noise = plain.loadings, plain.bias, plain.noise
        self.isotropic = isotropic
        shape = np.shape(plain.bias)
        if coefficients is None:
            count = need_covariates(covariates, "LinearGaussianRegression")
            coefficients = np.full((*shape, count), np.nan)
        self.coefficients = as_parameter(coefficients, "coefficients")
        if self.coefficients.shape[:-1] != shape or self.coefficients.shape[-1:] in ((), (0,)):
            raise ValueError(
                f"coefficients of LinearGaussianRegression should have shape {(*shape, 'P')}, a "
                "row for each row of the loadings and a column for each covariate, but has "
                f"{self.coefficients.shape}: transpose or reshape them."
            )

    @property
    def _plain(self) -> LinearGaussian:
        """What it is at covariates of 0."""
        return LinearGaussian(self.loadings, self.bias, self.noise, isotropic=self.isotropic)

    @property
    def _wide(self) -> LinearGaussian:
        """The same with the covariates as L + 1 up to L + P of the latent dimensions."""
        both = jnp.concatenate([self.loadings, self.coefficients], axis=-1)
        return LinearGaussian(both, self.bias, self.noise, isotropic=self.isotropic)

    def _like(self, plain: LinearGaussian, coefficients: jax.Array) -> Self:
        return type(self)(
            plain.loadings, coefficients, plain.bias, plain.noise, isotropic=self.isotropic
        )

    @property
    def _columns(self) -> int:
        return self.loadings.shape[-2]

    @property
    def dim(self) -> int:
        return self._columns + self.covariates

    @property
    def latent_dim(self) -> int:
        """L."""
        return self.loadings.shape[-1]

    @property
    def covariates(self) -> int:
        """P."""
        return self.coefficients.shape[-1]

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.dim,)

    @property
    def states(self) -> int:
        return 1

    @property
    def quadratic(self) -> bool:
        # In x and the covariates together.
        return True

    def without_effects(self, x: jax.Array) -> jax.Array:
        """``[..., D]``: x less the effects of the covariates behind it."""
        described, given = split(x, self._columns)
        return described - given @ self.coefficients.T

    def _within(self, limits: Limits) -> Limits:
        columns = self._columns
        return Limits(limits.floor[..., :columns], limits.ridge[..., :columns])

    def sample(self, key: Key, z: LatentVector) -> Datum:
        raise ValueError(
            "given should be the covariates, since this likelihood describes x for given ones "
            "only: write sample(model, key, given=u)."
        )

    def log_prob(self, x: Datum, z: LatentVector) -> Scalar:
        return self.potential(x)(z)

    def potential(self, x: Datum) -> GaussianPotential:
        return self._plain.potential(self.without_effects(x))

    def prepare(self, form: Form) -> Prepared:
        return _Prepared(self, self._plain.prepare(form), form is Form.MISSING)

    def safe_products(self, radius: Scalar, missing: bool) -> jax.Array:
        return jnp.array(False)

    def statistics(self, x: Rows, moments: Any, weight: Weights) -> RegressionTotals:
        return self.totals(x, moments, weight, missing=True)

    def totals(self, x: Rows, moments: Any, weight: Weights, *, missing: bool) -> RegressionTotals:
        """Totals of the regression on (z, u, 1), where z has these moments."""
        described, given = split(x, self._columns)
        mean = jnp.concatenate([moments.mean, given], axis=-1)
        more = ((0, 0), (0, self.covariates), (0, self.covariates))
        both: Any = VectorMoments(mean, jnp.pad(moments.covariance, more))
        wide = self._wide
        add = incomplete_totals if missing else complete_totals
        return add(wide.loadings, wide.bias, described, both, weight)

    def maximize(self, statistics: RegressionTotals, limits: Limits) -> Self:
        # Covariates may repeat each other, or the bias.
        free = jnp.arange(statistics.design.shape[-1]) >= self.latent_dim
        solvable = statistics._replace(design=damped(statistics.design, free))
        found = self._wide.maximize(solvable, self._within(limits))
        size = self.latent_dim
        plain = LinearGaussian(
            found.loadings[..., :size], found.bias, found.noise, isotropic=self.isotropic
        )
        return self._like(plain, found.loadings[..., size:])

    def restrict(self, limits: Limits) -> Self:
        return self._like(self._plain.restrict(self._within(limits)), self.coefficients)

    def imagine(self, other: Self, weight: Scalar, shares: jax.Array) -> RegressionTotals:
        """As if the covariates were independent, with mean 0 and variance 1."""
        return self._wide.imagine(other._wide, weight, shares)

    def expected_log_prob(self, other: Self, shares: jax.Array) -> Scalar:
        return self._wide.expected_log_prob(other._wide, shares)

    def begin(
        self,
        x: Rows,
        assignment: jax.Array,
        weight: Weights,
        limits: Limits,
        key: Key,
        form: Form = Form.MISSING,
    ) -> Self:
        """Least squares on the covariates, and the principal axes of what is left."""
        described, given = split(x, self._columns)
        nothing = jnp.zeros((self._columns, self.covariates), x.dtype)
        flat: Any = VectorMoments(
            given, jnp.zeros((given.shape[0], self.covariates, self.covariates), x.dtype)
        )
        heavy = weight * assignment[:, 0]
        totals = incomplete_totals(nothing, nothing[:, 0], described, flat, heavy)
        every = jnp.ones(self.covariates + 1, bool)
        change, _ = regressed(totals._replace(design=damped(totals.design, every)))
        coefficients = change[..., :-1]
        left = described - given @ coefficients.T
        plain = self._plain.begin(left, assignment, weight, self._within(limits), key, form)
        return self._like(plain, coefficients)

    def possible(self, x: Rows, weight: Weights) -> jax.Array:
        return jnp.ones(x.shape[0], bool)

    def embed(self, x: Rows) -> Rows:
        return x

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        columns = self._columns
        mine = self._plain.units(centre[:columns], spread[:columns])
        return units_beside(mine, self.covariates)

    def affine(self, centre: Datum, scale: Datum) -> Self:
        columns = self._columns
        coefficients = self.coefficients * scale[:columns, None] / scale[columns:]
        plain = self._plain.affine(centre[:columns], scale[:columns])
        moved = eqx.tree_at(lambda p: p.bias, plain, plain.bias - coefficients @ centre[columns:])
        return self._like(moved, coefficients)

    def degenerate(self, limits: Limits) -> jax.Array:
        return self._plain.degenerate(self._within(limits))

    def order_keys(self) -> jax.Array:
        return self.bias[None]

    def reorder(self, order: jax.Array) -> Self:
        return self

    def canonical(self) -> Self:
        """Rotated as a ``LinearGaussian`` is."""
        return self._like(self._plain.canonical(), self.coefficients)

    def degrees_of_freedom(self, states: int) -> int:
        own = states * self._columns * self.covariates
        return self._plain.degrees_of_freedom(states) + own

    def describe(self) -> str:
        plural = "s" if self.covariates > 1 else ""
        return f"{self._plain.describe()}, and effects of {self.covariates} covariate{plural}"


class _Prepared(eqx.Module):
    """A prepared likelihood, whose design is factored once if nothing is missing."""

    likelihood: LinearGaussianRegression
    plain: Any
    missing: bool = eqx.field(static=True)

    def potential(self, x: Datum) -> GaussianPotential:
        return self.plain.potential(self.likelihood.without_effects(x))

    def statistics(self, x: Rows, moments: Any, weight: Weights) -> RegressionTotals:
        return self.likelihood.totals(x, moments, weight, missing=self.missing)

    def finish(self, totals: RegressionTotals) -> RegressionTotals:
        return totals


@inputs.register
def _(part: LinearGaussianRegression) -> int:
    return part.covariates


@at.register
def _(part: LinearGaussianRegression, given: jax.Array) -> LinearGaussian:
    bias = part.bias + part.coefficients @ given
    return LinearGaussian(part.loadings, bias, part.noise, isotropic=part.isotropic)
