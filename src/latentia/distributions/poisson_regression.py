"""The regression of counts on covariates that are given."""

from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from latentia.numerics import solve_dependent
from latentia.typing import Datum, Form, Key, Rows, Scalar, Weights

from .covariates import extended, need_covariates, split
from .discrete_terms import observed_part, ratio
from .given import at, inputs
from .interface import AbstractFamily, Limits, Prepared
from .parameters import as_parameter, need_dim, need_shapes, unset
from .poisson import Poisson

# The logarithm of the largest rate: its square is still a number in single precision.
_HIGHEST = 40.0


class CountRegressionTotals(NamedTuple):
    """Totals at the parameters, over the rows in which a column is observed.

    ``mass [D]``; ``cross [D, P+1]``, of (u, 1) with what is left of the counts, the slope of the
    log-likelihood; ``design [D, P+1, P+1]``, of (u, 1) with itself and the rates, its curvature;
    ``spread [D, P+1, P+1]``, the same without the rates.
    """

    mass: jax.Array
    cross: jax.Array
    design: jax.Array
    spread: jax.Array


class PoissonRegression(AbstractFamily):
    """D independent columns of counts, the logarithm of each rate a linear function of covariates.

    A datum has D + P columns: x, and after it the covariates u, which are given and not described.
    With ``Switch`` it is a mixture of Poisson regressions; with ``PerStep`` the emission of a
    hidden Markov model for counts with a trend or a season.

    The M-step is one step of Newton's method (Lange 1995, the EM gradient algorithm), shortened
    where it would change rates by more than about a factor of e: the fixed point is the same, and
    the data are visited once in an iteration.

    Args:
        coefficients: ``[D, P]``.
        intercept: ``[D]``.
        dim: D, in place of both, if they are to be learned.
        covariates: P, with ``dim``.
    """

    coefficients: jax.Array
    intercept: jax.Array

    def __init__(
        self,
        coefficients: Any = None,
        intercept: Any = None,
        *,
        dim: int | None = None,
        covariates: int | None = None,
    ) -> None:
        if coefficients is None:
            size = need_dim(dim, "PoissonRegression")
            coefficients = unset(size, need_covariates(covariates, "PoissonRegression"))
        self.coefficients = as_parameter(coefficients, "coefficients")
        shape = np.shape(self.coefficients)[:-1]
        intercept = np.full(shape, np.nan) if intercept is None else intercept
        self.intercept = as_parameter(intercept, "intercept")
        need_shapes("PoissonRegression", intercept=(self.intercept.shape, shape))

    @property
    def dim(self) -> int:
        return self._columns + self.coefficients.shape[-1]

    @property
    def _columns(self) -> int:
        return self.coefficients.shape[-2]

    def _log_rates(self, given: jax.Array) -> jax.Array:
        logs = given @ self.coefficients.T + self.intercept
        return jnp.clip(logs, -_HIGHEST, _HIGHEST)

    def sample(self, key: Key) -> Datum:
        raise ValueError(
            "given should be the covariates, since this family describes x for given ones only: "
            "write sample(model, key, given=u)."
        )

    def log_prob(self, x: Datum) -> Scalar:
        counts, given = split(x, self._columns)
        return Poisson(jnp.exp(self._log_rates(given))).log_prob(counts)

    def prepare(self, form: Form) -> Prepared:
        return self

    def statistics(self, x: Rows, weight: Weights) -> CountRegressionTotals:
        counts, given = split(x, self._columns)
        value, seen = observed_part(counts)
        heavy = weight[:, None] * seen
        rates = jnp.exp(self._log_rates(given))
        inputs = extended(given)
        return CountRegressionTotals(
            jnp.sum(heavy, axis=0),
            (heavy * (value - rates)).T @ inputs,
            jnp.einsum("nd,ni,nj->dij", heavy * rates, inputs, inputs),
            jnp.einsum("nd,ni,nj->dij", heavy, inputs, inputs),
        )

    def maximize(self, statistics: CountRegressionTotals, limits: Limits) -> Self:
        mass, cross, design, spread = statistics
        change = solve_dependent(design, cross)
        # The mean square of the change of the log rates, over all rows and over all counts.
        over_rows = _quadratic(spread, change) / jnp.where(mass > 0, mass, 1.0)
        counts = design[..., -1, -1]
        over_counts = _quadratic(design, change) / jnp.where(counts > 0, counts, 1.0)
        size = jnp.sqrt(jnp.maximum(over_rows, over_counts))
        change = change / jnp.maximum(size, 1.0)[..., None]
        return type(self)(self.coefficients + change[..., :-1], self.intercept + change[..., -1])

    def restrict(self, limits: Limits) -> Self:
        return self

    def imagine(self, other: Self, weight: Scalar) -> CountRegressionTotals:
        # As if the covariates were independent Gaussians, with mean 0 and variance 1.
        mine, theirs = _mean_rates(self), _mean_rates(other)
        slopes = jnp.concatenate([self.coefficients, jnp.ones_like(self.intercept)[:, None]], 1)
        towards = jnp.concatenate([other.coefficients, jnp.ones_like(other.intercept)[:, None]], 1)
        eye = jnp.eye(slopes.shape[-1], dtype=slopes.dtype)
        outer = slopes[:, :, None] * slopes[:, None, :]
        curvature = outer + eye.at[-1, -1].set(0.0)
        return CountRegressionTotals(
            jnp.broadcast_to(weight, mine.shape),
            weight * (theirs[:, None] * towards - mine[:, None] * slopes),
            weight * mine[:, None, None] * curvature,
            jnp.broadcast_to(weight * eye, curvature.shape),
        )

    def expected_log_prob(self, other: Self) -> Scalar:
        logs = self.intercept + jnp.sum(self.coefficients * other.coefficients, axis=-1)
        return jnp.sum(_mean_rates(other) * logs - _mean_rates(self))

    def guess(self, x: Rows, weight: Weights) -> Self:
        # Of the sizes, so that one impossible value leaves the rest as they are.
        value, seen = observed_part(jnp.abs(x[:, : self._columns]))
        mean = ratio(weight @ value, weight @ seen, jnp.ones(self._columns, x.dtype))
        logs = jnp.log(jnp.maximum(mean, 1e-3))
        return type(self)(jnp.zeros_like(self.coefficients), logs)

    def embed(self, x: Rows) -> Rows:
        counts, given = split(x, self._columns)
        return jnp.concatenate([jnp.sqrt(counts), given], axis=-1)

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        return jnp.zeros_like(centre), jnp.ones_like(spread)

    def affine(self, centre: Datum, scale: Datum) -> Self:
        return self

    def degenerate(self, limits: Limits) -> jax.Array:
        return jnp.zeros(self.intercept.shape[:-1], bool)

    def degrees_of_freedom(self, states: int) -> int:
        return states * self._columns * (self.coefficients.shape[-1] + 1)


def _mean_rates(part: PoissonRegression) -> jax.Array:
    """``[D]``: the mean rates if the covariates are independent standard Gaussians."""
    return jnp.exp(part.intercept + 0.5 * jnp.sum(part.coefficients**2, axis=-1))


def _quadratic(matrix: jax.Array, vector: jax.Array) -> jax.Array:
    return jnp.einsum("...i,...ij,...j->...", vector, matrix, vector)


@inputs.register
def _(part: PoissonRegression) -> int:
    return part.coefficients.shape[-1]


@at.register
def _(part: PoissonRegression, given: jax.Array) -> Poisson:
    return Poisson(jnp.exp(part._log_rates(given)))
