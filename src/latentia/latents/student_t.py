"""A Student t vector: a Gaussian one whose covariance is divided by a gamma variable."""

from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.constraints import fixed
from latentia.distributions import scale_terms as scales
from latentia.numerics import LOG_2PI
from latentia.potentials import AbstractPotential, ScaledPotential
from latentia.typing import Key, LatentMatrix, LatentVector, Scalar, Weights
from latentia.verdict import Exactness

from .gaussian import least_squares, log_density
from .interface import AbstractConjugatePrior, AbstractPosterior

_ALGEBRA = "Gaussian and gamma algebra"


class ScaledVector(NamedTuple):
    """z: ``vector [L]`` is Gaussian with covariance identity / ``scale ()``."""

    vector: jax.Array
    scale: jax.Array


class ScaledMoments(NamedTuple):
    """``mean [L]`` of the vector; ``covariance [L, L]`` of it times the scale; ``scale ()``, the
    mean u of the scale; and ``surprise ()``, which is u - 1 - E[log scale]."""

    mean: jax.Array
    covariance: jax.Array
    scale: jax.Array
    surprise: jax.Array


class StudentTPosterior(AbstractPosterior):
    """Of the scale a gamma distribution with shape ``df / 2`` and mean ``scale ()``; given it, of
    the vector a Gaussian with ``mean [L]`` and covariance ``root @ root.T / scale``."""

    mean: LatentVector
    root: LatentMatrix
    df: jax.Array
    scale: jax.Array
    surprise: jax.Array
    log_evidence: jax.Array

    @property
    def exactness(self) -> Exactness:
        return Exactness.EXACT

    @property
    def method(self) -> str:
        return _ALGEBRA

    @property
    def moments(self) -> ScaledMoments:
        covariance = self.root @ jnp.swapaxes(self.root, -1, -2)
        return ScaledMoments(self.mean, covariance, self.scale, self.surprise)

    def mode(self) -> ScaledVector:
        """The mode of the joint density; it has none, and this is near 0, if df + L <= 2."""
        shape = jnp.maximum(self.df + self.mean.shape[-1] - 2, 1e-6)
        return ScaledVector(self.mean, self.scale * shape / self.df)

    def sample(self, key: Key) -> ScaledVector:
        first, second = jax.random.split(key)
        scale = self.scale * scales.sample(second, self.df)
        noise = jax.random.normal(first, self.mean.shape, self.mean.dtype)
        return ScaledVector(self.mean + self.root @ noise / jnp.sqrt(scale), scale)

    def log_prob(self, z: ScaledVector) -> Scalar:
        vector, scale = z
        of_scale = scales.scale_log_prob(self.df, scale / self.scale) - jnp.log(self.scale)
        return of_scale + log_density(vector - self.mean, self.root / jnp.sqrt(scale))


class StudentTLatent(AbstractConjugatePrior):
    """A Student t vector in L dimensions, together with the scale that gives it heavy tails.

    z = (vector, scale): the scale is gamma with shape and rate df / 2, and the vector given it is
    Gaussian with covariance identity / scale. With the likelihood ``Scaled(LinearGaussian(...))``
    it is robust factor analysis (McLachlan, Bean and Ben-Tovim Jones 2007, "Extension of the
    mixture of factor analyzers model to incorporate the multivariate t-distribution"): factors and
    noise share the scale, so that x is a Student t.

    Args:
        dim: L.
        df: degrees of freedom from 0.5 to 1000, learned.
        fixed_df: degrees of freedom that are kept as they are, in place of df.
    """

    dim: int = eqx.field(static=True)
    df: jax.Array | None = eqx.field(metadata=scales.degrees_of_freedom)
    fixed_df: jax.Array | None = eqx.field(metadata=fixed)

    def __init__(self, dim: int, df: Any = None, *, fixed_df: Any = None) -> None:
        if dim < 1:
            raise ValueError(
                f"dim of StudentTLatent should be a whole number of at least 1, but is {dim}: "
                "write StudentTLatent(dim=2), for instance."
            )
        self.dim = dim
        given = df if fixed_df is None else fixed_df
        shape = () if given is None else jnp.shape(given)
        self.df, self.fixed_df = scales.df_parameters(df, fixed_df, shape, "StudentTLatent")

    @property
    def degrees(self) -> jax.Array:
        """The degrees of freedom, learned or fixed."""
        return jnp.asarray(self.fixed_df if self.df is None else self.df)

    def _like(self, df: Any) -> Self:
        return type(self)(self.dim, df, fixed_df=self.fixed_df)

    @property
    def algorithm(self) -> str:
        return _ALGEBRA

    def sample(self, key: Key) -> ScaledVector:
        first, second = jax.random.split(key)
        scale = scales.sample(second, self.degrees)
        noise = jax.random.normal(first, (self.dim,), scale.dtype)
        return ScaledVector(noise / jnp.sqrt(scale), scale)

    def log_prob(self, z: ScaledVector) -> Scalar:
        vector, scale = z
        given = 0.5 * self.dim * (jnp.log(scale) - LOG_2PI) - 0.5 * scale * vector @ vector
        return scales.scale_log_prob(self.degrees, scale) + given

    def accepts(self, potential: AbstractPotential) -> bool:
        return (
            isinstance(potential, ScaledPotential)
            and potential.gaussian.design.shape[-1] == self.dim
        )

    def condition(self, potential: ScaledPotential) -> StudentTPosterior:
        observed, gaussian = potential.observed, potential.gaussian
        mean, root, square, log_det = least_squares(gaussian.design, gaussian.target)
        scale, surprise = scales.scale_moments(self.degrees, observed, square)
        # The potential's constant has the 2 pi of its observations, and so has the density.
        density = scales.log_density(self.degrees, observed, square, 2 * log_det)
        log_evidence = gaussian.constant + density + 0.5 * observed * LOG_2PI
        df = self.degrees + observed
        return StudentTPosterior(mean, root, df, scale, surprise, log_evidence)

    def uninformed(self, moments: ScaledMoments) -> jax.Array:
        return jnp.zeros_like(moments.scale)

    def statistics(self, moments: ScaledMoments, weight: Weights) -> tuple[jax.Array, jax.Array]:
        return jnp.sum(weight), weight @ moments.surprise

    def maximize(self, statistics: tuple[jax.Array, jax.Array]) -> Self:
        if self.df is None:
            return self
        mass, surprise = statistics
        some = mass > 0
        found = scales.best_df(surprise / jnp.where(some, mass, 1.0))
        return self._like(jnp.where(some, found, self.df))

    def imagine(self, other: Self, weight: Scalar) -> tuple[jax.Array, jax.Array]:
        return weight, weight * scales.mean_surprise(other.degrees)

    def expected_log_prob(self, other: Self) -> Scalar:
        return scales.expected_log_prob(self.degrees, other.degrees)

    def begin(self, assignment: jax.Array, weight: Weights) -> Self:
        return self._like(scales.first_df(self.df))

    def reorder(self, order: jax.Array) -> Self:
        return self

    def shares(self) -> jax.Array:
        return jnp.ones(1, self.degrees.dtype)

    def degrees_of_freedom(self) -> int:
        return 0 if self.df is None else 1

    def describe(self) -> str:
        plural = "s" if self.dim > 1 else ""
        return f"StudentTLatent: a Student t vector in {self.dim} dimension{plural}"
