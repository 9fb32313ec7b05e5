"""A Gaussian vector."""

from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.constraints import fixed
from latentia.distributions.parameters import as_parameter
from latentia.numerics import LOG_2PI, square_root
from latentia.potentials import AbstractPotential, GaussianPotential
from latentia.stacks import cholesky, solve_triangular, triangular_inverse
from latentia.typing import Key, LatentMatrix, LatentVector, Scalar, Weights
from latentia.verdict import Exactness

from .frame import GaussianFrame
from .interface import (
    AbstractConjugatePrior,
    AbstractPosterior,
    AbstractSmoothPrior,
    AbstractVectorPrior,
)

_ALGEBRA = "Gaussian algebra"


class GaussianMoments(NamedTuple):
    """``mean [L]`` and ``covariance [L, L]`` of z."""

    mean: jax.Array
    covariance: jax.Array


class GaussianPosterior(AbstractPosterior):
    """A Gaussian ``mean + root u`` with ``root [L, L]`` upper triangular and u standard normal."""

    mean: LatentVector
    root: LatentMatrix
    log_evidence: jax.Array

    @property
    def exactness(self) -> Exactness:
        return Exactness.EXACT

    @property
    def method(self) -> str:
        return _ALGEBRA

    @property
    def covariance(self) -> LatentMatrix:
        """``[L, L]``."""
        return self.root @ jnp.swapaxes(self.root, -1, -2)

    @property
    def moments(self) -> GaussianMoments:
        return GaussianMoments(self.mean, self.covariance)

    def mode(self) -> LatentVector:
        return self.mean

    def sample(self, key: Key) -> LatentVector:
        return self.mean + self.root @ jax.random.normal(key, self.mean.shape, self.mean.dtype)

    def log_prob(self, z: LatentVector) -> Scalar:
        return log_density(z - self.mean, self.root)


class GaussianLatent(AbstractConjugatePrior, AbstractSmoothPrior, AbstractVectorPrior):
    """A Gaussian vector in L dimensions, standard normal unless said otherwise.

    It is not learned: a likelihood's loadings absorb any mean and covariance.

    Args:
        dim: L, for a standard normal vector.
        mean: ``[L]``.
        covariance: ``[L, L]``, symmetric and positive semidefinite; it may be singular.
    """

    mean: LatentVector = eqx.field(metadata=fixed)
    covariance: LatentMatrix = eqx.field(metadata=fixed)

    def __init__(self, dim: int | None = None, *, mean: Any = None, covariance: Any = None) -> None:
        if mean is not None:
            dim = np.shape(mean)[-1]
        elif covariance is not None:
            dim = np.shape(covariance)[-1]
        if dim is None or dim < 1:
            raise ValueError(
                f"dim of GaussianLatent should be a whole number of at least 1, but is {dim}: "
                "write GaussianLatent(dim=2), for instance, or give a mean."
            )
        self.mean = as_parameter(np.zeros(dim) if mean is None else mean, "mean")
        self.covariance = as_parameter(
            np.eye(dim) if covariance is None else covariance, "covariance"
        )
        if self.covariance.shape != (*self.mean.shape, dim):
            raise ValueError(
                f"covariance of GaussianLatent should have shape {(dim, dim)}, but has "
                f"{self.covariance.shape}: give it a row and a column for each number in mean."
            )

    @property
    def dim(self) -> int:
        """L."""
        return self.mean.shape[-1]

    @property
    def algorithm(self) -> str:
        return _ALGEBRA

    def sample(self, key: Key) -> LatentVector:
        noise = jax.random.normal(key, self.mean.shape, self.mean.dtype)
        return self.mean + square_root(self.covariance) @ noise

    def log_prob(self, z: LatentVector) -> Scalar:
        return log_density(z - self.mean, cholesky(self.covariance))

    @property
    def whitened(self) -> bool:
        return True

    @property
    def affine(self) -> bool:
        return True

    @property
    def alone(self) -> bool:
        return True

    def prepare(self, propose: Any = None) -> GaussianFrame:
        return GaussianFrame(self.mean, square_root(self.covariance))

    def started(self, rows: Any, rng: Any) -> Self:
        return self

    def settled(self, propose: Any) -> Self:
        return self

    def place(self, u: LatentVector) -> LatentVector:
        return self.prepare().place(u)

    def lift(self, z: LatentVector) -> LatentVector:
        return self.prepare().lift(z)

    def log_prob_at(self, u: LatentVector) -> Scalar:
        return self.prepare().log_prob_at(u)

    def accepts(self, potential: AbstractPotential) -> bool:
        return (
            isinstance(potential, GaussianPotential)
            and potential.design.shape[-1] == self.mean.shape[-1]
        )

    def condition(self, potential: GaussianPotential) -> GaussianPosterior:
        # With z = mean + root u the prior is |u|²: one least-squares problem with the rows of the
        # design and of the identity. Its QR factor never squares the condition number.
        root = square_root(self.covariance)
        design = potential.design @ root
        target = potential.target - potential.design @ self.mean
        best, inverse, square, log_det = least_squares(design, target)
        log_evidence = potential.constant - 0.5 * square - log_det
        return GaussianPosterior(self.mean + root @ best, root @ inverse, log_evidence)

    def uninformed(self, moments: GaussianMoments) -> jax.Array:
        return jnp.zeros(moments.mean.shape[:-1], moments.mean.dtype)

    def statistics(self, moments: GaussianMoments, weight: Weights) -> tuple[()]:
        return ()

    def maximize(self, statistics: tuple[()]) -> Self:
        return self

    def imagine(self, other: Self, weight: Scalar) -> tuple[()]:
        return ()

    def expected_log_prob(self, other: Self) -> Scalar:
        return jnp.zeros(())

    def begin(self, assignment: jax.Array, weight: Weights) -> Self:
        return self

    def reorder(self, order: jax.Array) -> Self:
        return self

    def shares(self) -> jax.Array:
        return jnp.ones(1, self.mean.dtype)

    def degrees_of_freedom(self) -> int:
        return 0

    @property
    def free_dim(self) -> int:
        return self.dim

    @property
    def free_names(self) -> tuple[str, ...]:
        return tuple(f"z[{place}]" for place in range(self.dim))

    @property
    def part_names(self) -> tuple[str, ...]:
        return ()

    @property
    def proper(self) -> bool:
        return True

    def bind(self, free: jax.Array) -> tuple[LatentVector, Scalar]:
        return free, jnp.zeros((), free.dtype)

    def free(self, z: LatentVector) -> jax.Array:
        return z

    def describe(self) -> str:
        plural = "s" if self.dim > 1 else ""
        return f"GaussianLatent: a Gaussian vector in {self.dim} dimension{plural}"


class LeastSquares(NamedTuple):
    """A standard normal vector given an observation of it: Gaussian with ``mean [L]`` and
    covariance ``root @ root.T``; ``square ()`` is ``|target - design mean|² + |mean|²``, and
    ``log_det ()`` minus the log determinant of the root."""

    mean: jax.Array
    root: jax.Array
    square: jax.Array
    log_det: jax.Array


def least_squares(design: jax.Array, target: jax.Array) -> LeastSquares:
    """The posterior of a standard normal vector, of which ``design [R, L]`` times it was observed
    as ``target [R]`` with standard normal noise."""
    eye = jnp.eye(design.shape[-1], dtype=design.dtype)
    orthogonal, upper = jnp.linalg.qr(jnp.concatenate([design, eye]))
    inverse = triangular_inverse(upper, lower=False)
    mean = inverse @ (orthogonal[: target.size].T @ target)
    gap = target - design @ mean
    log_det = jnp.sum(jnp.log(jnp.abs(jnp.diagonal(upper))))
    return LeastSquares(mean, inverse, gap @ gap + mean @ mean, log_det)


def log_density(gap: jax.Array, root: jax.Array) -> jax.Array:
    """Of a Gaussian with covariance ``root @ root.T``, ``gap [L]`` from its mean."""
    # A QR factor, since a root of a covariance need not be triangular.
    lower = jnp.linalg.qr(root.T, mode="r").T
    whitened = solve_triangular(lower, gap[:, None], True)[:, 0]
    log_det = jnp.sum(jnp.log(jnp.abs(jnp.diagonal(lower))))
    return -0.5 * whitened @ whitened - log_det - 0.5 * gap.size * LOG_2PI
