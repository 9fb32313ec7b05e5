"""The regression of columns on covariates that are given, with Gaussian noise."""

from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.constraints import positive
from latentia.numerics import solve_dependent
from latentia.typing import Datum, Form, Key, Rows, Scalar, Weights

from .covariates import extended, need_covariates, split, units_beside
from .discrete_terms import observed_part, ratio
from .given import at, inputs
from .independent_gaussian import DiagonalGaussian, column_moments
from .interface import AbstractFamily, Limits, Prepared
from .parameters import as_parameter, need_dim, need_shapes, unset


class RegressionTotals(NamedTuple):
    """Totals of the regression of residuals, given the parameters, on (u, 1).

    ``mass [D]``; ``square [D]``, of the residuals; ``cross [D, P+1]``, of residuals and (u, 1);
    ``design [D, P+1, P+1]``, of (u, 1) with itself, over the rows in which the column is observed.
    """

    mass: jax.Array
    square: jax.Array
    cross: jax.Array
    design: jax.Array


class GaussianRegression(AbstractFamily):
    """D independent columns, each a linear function of P covariates with Gaussian noise.

    A datum has D + P columns: x, and after it the covariates u, which are given and not described.
    With ``Switch`` it is a mixture of regressions; with ``PerStep`` the regression emission of a
    hidden Markov model, and an autoregression where the covariates are earlier steps.

    Args:
        coefficients: ``[D, P]``.
        intercept: ``[D]``.
        variances: ``[D]``, of the noise.
        dim: D, in place of all three, if they are to be learned.
        covariates: P, with ``dim``.
    """

    coefficients: jax.Array
    intercept: jax.Array
    variances: jax.Array = eqx.field(metadata=positive)

    def __init__(
        self,
        coefficients: Any = None,
        intercept: Any = None,
        variances: Any = None,
        *,
        dim: int | None = None,
        covariates: int | None = None,
    ) -> None:
        if coefficients is None:
            size = need_dim(dim, "GaussianRegression")
            coefficients = unset(size, need_covariates(covariates, "GaussianRegression"))
        self.coefficients = as_parameter(coefficients, "coefficients")
        shape = np.shape(self.coefficients)[:-1]
        self.intercept = as_parameter(
            np.full(shape, np.nan) if intercept is None else intercept, "intercept"
        )
        self.variances = as_parameter(
            np.full(shape, np.nan) if variances is None else variances, "variances"
        )
        need_shapes(
            "GaussianRegression",
            intercept=(self.intercept.shape, shape),
            variances=(self.variances.shape, shape),
        )

    @property
    def dim(self) -> int:
        return self._columns + self.coefficients.shape[-1]

    @property
    def _columns(self) -> int:
        return self.coefficients.shape[-2]

    def _gap(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Residuals ``[..., D]``, NaN where x is missing, and (u, 1), ``[..., P+1]``."""
        described, given = split(x, self._columns)
        mean = given @ self.coefficients.T + self.intercept
        return described - mean, extended(given)

    def sample(self, key: Key) -> Datum:
        raise ValueError(
            "given should be the covariates, since this family describes x for given ones only: "
            "write sample(model, key, given=u)."
        )

    def log_prob(self, x: Datum) -> Scalar:
        gap, _ = self._gap(x)
        return DiagonalGaussian(jnp.zeros_like(self.intercept), self.variances).log_prob(gap)

    def prepare(self, form: Form) -> Prepared:
        return self

    def statistics(self, x: Rows, weight: Weights) -> RegressionTotals:
        gap, inputs = self._gap(x)
        value, seen = observed_part(gap)
        heavy = weight[:, None] * seen
        design = jnp.einsum("nd,ni,nj->dij", heavy, inputs, inputs)
        return RegressionTotals(
            jnp.sum(heavy, axis=0),
            jnp.sum(heavy * value**2, axis=0),
            (heavy * value).T @ inputs,
            design,
        )

    def maximize(self, statistics: RegressionTotals, limits: Limits) -> Self:
        mass, square, cross, design = statistics
        columns = self._columns
        change = solve_dependent(design, cross)
        left = jnp.maximum(square - jnp.sum(change * cross, axis=-1), 0.0)
        variances = ratio(left, mass, self.variances) + limits.ridge[..., :columns]
        return type(self)(
            self.coefficients + change[..., :-1],
            self.intercept + change[..., -1],
            jnp.maximum(variances, limits.floor[..., :columns]),
        )

    def restrict(self, limits: Limits) -> Self:
        floor = limits.floor[..., : self._columns]
        return type(self)(self.coefficients, self.intercept, jnp.maximum(self.variances, floor))

    def imagine(self, other: Self, weight: Scalar) -> RegressionTotals:
        # As if the covariates were independent, with mean 0 and variance 1.
        change = jnp.concatenate(
            [other.coefficients - self.coefficients, (other.intercept - self.intercept)[:, None]],
            axis=-1,
        )
        square = weight * (jnp.sum(change**2, axis=-1) + other.variances)
        eye = jnp.eye(change.shape[-1], dtype=change.dtype)
        design = jnp.broadcast_to(weight * eye, (self._columns, *eye.shape))
        return RegressionTotals(
            jnp.broadcast_to(weight, square.shape), square, weight * change, design
        )

    def expected_log_prob(self, other: Self) -> Scalar:
        totals = self.imagine(other, jnp.ones((), self.variances.dtype))
        log_scale = jnp.log(2 * jnp.pi * self.variances)
        return -0.5 * jnp.sum(totals.square / self.variances + log_scale)

    def guess(self, x: Rows, weight: Weights) -> Self:
        mean, variances = column_moments(x[:, : self._columns], weight)
        return type(self)(jnp.zeros_like(self.coefficients), mean, variances)

    def embed(self, x: Rows) -> Rows:
        return x

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        columns = self._columns
        return units_beside((centre[:columns], spread[:columns]), self.coefficients.shape[-1])

    def affine(self, centre: Datum, scale: Datum) -> Self:
        columns = self._columns
        coefficients = self.coefficients * scale[:columns, None] / scale[columns:]
        intercept = centre[:columns] + scale[:columns] * self.intercept
        return type(self)(
            coefficients,
            intercept - coefficients @ centre[columns:],
            self.variances * scale[:columns] ** 2,
        )

    def degenerate(self, limits: Limits) -> jax.Array:
        floor = limits.floor[..., : self._columns]
        return jnp.any((floor > 0) & (self.variances < 1.01 * floor), axis=-1)

    def degrees_of_freedom(self, states: int) -> int:
        return states * self._columns * (self.coefficients.shape[-1] + 2)


@inputs.register
def _(part: GaussianRegression) -> int:
    return part.coefficients.shape[-1]


@at.register
def _(part: GaussianRegression, given: jax.Array) -> DiagonalGaussian:
    return DiagonalGaussian(part.intercept + part.coefficients @ given, part.variances)
