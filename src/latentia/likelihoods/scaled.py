"""A likelihood whose noise is divided by a latent scale, which makes its tails heavy."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.distributions import Limits
from latentia.numerics import LOG_2PI
from latentia.potentials import GaussianPotential, ScaledPotential
from latentia.typing import Datum, Form, Key, Rows, Scalar, Weights

from .interface import AbstractLearnableLikelihood, Prepared
from .linear_gaussian import LinearGaussian, reduced
from .regression import RegressionTotals, VectorMoments

# No scale is so small that it could not be divided by.
_TINY = 1e-30


class Scaled(AbstractLearnableLikelihood):
    """x = loadings vector + bias + noise / sqrt(scale), where z = (vector, scale).

    Under the prior ``StudentTLatent`` x is a Student t with scatter loadings loadingsᵀ + noise: far
    data have a small scale, and so little say in the loadings.

    Args:
        inner: the likelihood at scale 1.
    """

    inner: LinearGaussian

    def __init__(self, inner: LinearGaussian) -> None:
        if not isinstance(inner, LinearGaussian):
            raise TypeError(
                f"inner of Scaled should be a LinearGaussian, but is {inner!r}: write "
                "Scaled(LinearGaussian(dim=9, latent_dim=2)), for instance."
            )
        self.inner = inner

    def _at(self, scale: jax.Array) -> LinearGaussian:
        return eqx.tree_at(lambda part: part.noise, self.inner, self.inner.noise / scale)

    @property
    def dim(self) -> int:
        return self.inner.dim

    @property
    def shape(self) -> tuple[int, ...]:
        return self.inner.shape

    @property
    def states(self) -> int:
        return 1

    @property
    def quadratic(self) -> bool:
        return False

    def sample(self, key: Key, z: Any) -> Datum:
        vector, scale = z
        return self._at(scale).sample(key, vector)

    def log_prob(self, x: Datum, z: Any) -> Scalar:
        vector, scale = z
        return self._at(scale).log_prob(x, vector)

    def potential(self, x: Datum) -> ScaledPotential:
        observed = jnp.sum(~jnp.isnan(x)).astype(x.dtype)
        return ScaledPotential(self.inner.potential(x), observed)

    def prepare(self, form: Form) -> Prepared:
        return _Incomplete(self) if form is Form.MISSING else _Complete(self, *reduced(self.inner))

    def safe_products(self, radius: Scalar, missing: bool) -> jax.Array:
        return jnp.array(False)

    def statistics(self, x: Rows, moments: Any, weight: Weights) -> RegressionTotals:
        return _statistics(self.inner, x, moments, weight)

    def maximize(self, statistics: RegressionTotals, limits: Limits) -> Self:
        return type(self)(self.inner.maximize(statistics, limits))

    def restrict(self, limits: Limits) -> Self:
        return type(self)(self.inner.restrict(limits))

    def imagine(self, other: Self, weight: Scalar, shares: jax.Array) -> RegressionTotals:
        # The mean scale is 1, and so are the second moments of the vector times the scale.
        return self.inner.imagine(other.inner, weight, shares)

    def expected_log_prob(self, other: Self, shares: jax.Array) -> Scalar:
        return self.inner.expected_log_prob(other.inner, shares)

    def begin(
        self,
        x: Rows,
        assignment: jax.Array,
        weight: Weights,
        limits: Limits,
        key: Key,
        form: Form = Form.MISSING,
    ) -> Self:
        return type(self)(self.inner.begin(x, assignment, weight, limits, key, form))

    def possible(self, x: Rows, weight: Weights) -> jax.Array:
        return self.inner.possible(x, weight)

    def embed(self, x: Rows) -> Rows:
        return self.inner.embed(x)

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        return self.inner.units(centre, spread)

    def affine(self, centre: Datum, scale: Datum) -> Self:
        return type(self)(self.inner.affine(centre, scale))

    def degenerate(self, limits: Limits) -> jax.Array:
        return self.inner.degenerate(limits)

    def order_keys(self) -> jax.Array:
        return self.inner.order_keys()

    def reorder(self, order: jax.Array) -> Self:
        return self

    def canonical(self) -> Self:
        return type(self)(self.inner.canonical())

    def degrees_of_freedom(self, states: int) -> int:
        return self.inner.degrees_of_freedom(states)

    def describe(self) -> str:
        return f"Scaled {self.inner.describe()}, divided by the scale"


class _Complete(eqx.Module):
    """A scaled likelihood whose design is rotated to L rows, for data without missing entries."""

    likelihood: Scaled
    orthogonal: jax.Array
    design: jax.Array

    def potential(self, x: Datum) -> ScaledPotential:
        inner = self.likelihood.inner
        scale = 1 / jnp.sqrt(inner.noise)
        whitened = (x - inner.bias) * scale
        target = self.orthogonal.T @ whitened
        rest = whitened - self.orthogonal @ target
        constant = jnp.sum(jnp.log(scale)) - 0.5 * x.size * LOG_2PI
        # What no vector explains is an observation too, since it speaks of the scale.
        design = jnp.concatenate([self.design, jnp.zeros_like(self.design[:1])])
        target = jnp.append(target, jnp.sqrt(rest @ rest))
        observed = jnp.array(x.size, x.dtype)
        return ScaledPotential(GaussianPotential(design, target, constant), observed)

    def statistics(self, x: Rows, moments: Any, weight: Weights) -> RegressionTotals:
        prepared = self.likelihood.inner.prepare(Form.COMPLETE)
        return _statistics(prepared, x, moments, weight)

    def finish(self, totals: RegressionTotals) -> RegressionTotals:
        return totals


class _Incomplete(eqx.Module):
    """A scaled likelihood for data with missing entries, where nothing can be made ready."""

    likelihood: Scaled

    def potential(self, x: Datum) -> ScaledPotential:
        return self.likelihood.potential(x)

    def statistics(self, x: Rows, moments: Any, weight: Weights) -> RegressionTotals:
        return self.likelihood.statistics(x, moments, weight)

    def finish(self, totals: RegressionTotals) -> RegressionTotals:
        return totals


def _statistics(inner: Any, x: Rows, moments: Any, weight: Weights) -> RegressionTotals:
    """Totals in which every row counts by its scale, but for the mass that variances divide by."""
    scale = jnp.maximum(moments.scale, _TINY)
    given = VectorMoments(moments.mean, moments.covariance / scale[:, None, None])
    totals = inner.statistics(x, given, weight * scale)
    return totals._replace(mass=weight @ (~jnp.isnan(x)).astype(x.dtype))
