"""A Gaussian prior with the root of its covariance at hand, for many z."""

from typing import Any, Self

import jax

from latentia.numerics import LOG_2PI
from latentia.typing import Key, LatentMatrix, LatentVector, Scalar

from .interface import AbstractVectorPrior


class GaussianFrame(AbstractVectorPrior):
    """``z = mean + root u`` with u standard normal."""

    mean: LatentVector
    root: LatentMatrix

    @property
    def dim(self) -> int:
        return self.mean.shape[-1]

    @property
    def whitened(self) -> bool:
        return True

    @property
    def affine(self) -> bool:
        return True

    @property
    def alone(self) -> bool:
        return True

    def prepare(self, propose: Any = None) -> "GaussianFrame":
        return self

    def started(self, rows: Any, rng: Any) -> Self:
        return self

    def settled(self, propose: Any) -> Self:
        return self

    def place(self, u: LatentVector) -> LatentVector:
        return self.mean + self.root @ u

    def lift(self, z: LatentVector) -> LatentVector:
        return jax.numpy.linalg.solve(self.root, z - self.mean)

    def log_prob_at(self, u: LatentVector) -> Scalar:
        return -0.5 * u @ u - 0.5 * u.size * LOG_2PI

    def sample(self, key: Key) -> LatentVector:
        return self.place(jax.random.normal(key, self.mean.shape, self.mean.dtype))

    def log_prob(self, z: LatentVector) -> Scalar:
        return self.log_prob_at(self.lift(z)) - jax.numpy.linalg.slogdet(self.root)[1]

    def describe(self) -> str:
        return f"a Gaussian vector in {self.dim} dimensions"
