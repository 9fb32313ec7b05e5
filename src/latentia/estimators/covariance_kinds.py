"""scikit-learn's four kinds of covariances, and the core's family for each.

A kind converts between the stack of distributions in a core model and scikit-learn's arrays, whose
shapes differ: ``[K, D, D]`` full, ``[D, D]`` tied, ``[K, D]`` diag, ``[K]`` spherical.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from latentia.distributions import DiagonalGaussian, Gaussian, SphericalGaussian


class CovarianceKind(ABC):
    """One kind of covariances."""

    @abstractmethod
    def family(self, dim: int) -> Any:
        """One distribution whose parameters are not set."""

    @abstractmethod
    def shape(self, states: int, dim: int) -> tuple[int, ...]:
        """The shape of scikit-learn's array."""

    @abstractmethod
    def stack(self, means: np.ndarray, covariances: np.ndarray) -> Any:
        """K distributions, stacked, from scikit-learn's arrays."""

    @abstractmethod
    def covariances(self, parts: Any) -> np.ndarray:
        """scikit-learn's array of K stacked distributions."""

    @abstractmethod
    def expand(self, covariances: np.ndarray, states: int, dim: int) -> np.ndarray:
        """scikit-learn's array as matrices ``[K, D, D]``."""

    @abstractmethod
    def compress(self, matrices: np.ndarray) -> np.ndarray:
        """The way back from ``expand``."""

    @abstractmethod
    def precisions_cholesky(self, covariances: np.ndarray) -> np.ndarray:
        """The upper factor U of each precision U Uᵀ; the standard precisions of single columns."""

    @abstractmethod
    def precisions(self, factors: np.ndarray) -> np.ndarray:
        """The precisions with these factors; covariances are the precisions of precisions."""

    def invert(self, array: np.ndarray) -> np.ndarray:
        """Covariances from precisions, or the other way round."""
        return self.precisions(self.precisions_cholesky(array))


class _Matrices(CovarianceKind):
    """Kinds that store matrices."""

    def precisions_cholesky(self, covariances: np.ndarray) -> np.ndarray:
        return np.swapaxes(np.linalg.inv(np.linalg.cholesky(covariances)), -1, -2)

    def precisions(self, factors: np.ndarray) -> np.ndarray:
        return factors @ np.swapaxes(factors, -1, -2)


class _Numbers(CovarianceKind):
    """Kinds that store variances."""

    def precisions_cholesky(self, covariances: np.ndarray) -> np.ndarray:
        return 1 / np.sqrt(covariances)

    def precisions(self, factors: np.ndarray) -> np.ndarray:
        return factors**2


class Full(_Matrices):
    """A matrix for each component."""

    def family(self, dim: int) -> Any:
        return Gaussian(dim=dim)

    def shape(self, states: int, dim: int) -> tuple[int, ...]:
        return states, dim, dim

    def stack(self, means: np.ndarray, covariances: np.ndarray) -> Any:
        return Gaussian(means, covariances)

    def covariances(self, parts: Any) -> np.ndarray:
        return np.array(parts.covariance)

    def expand(self, covariances: np.ndarray, states: int, dim: int) -> np.ndarray:
        return covariances

    def compress(self, matrices: np.ndarray) -> np.ndarray:
        return matrices


class Tied(_Matrices):
    """One matrix for all components."""

    def family(self, dim: int) -> Any:
        return Gaussian(dim=dim, tied=True)

    def shape(self, states: int, dim: int) -> tuple[int, ...]:
        return dim, dim

    def stack(self, means: np.ndarray, covariances: np.ndarray) -> Any:
        return Gaussian(means, np.stack([covariances] * len(means)), tied=True)

    def covariances(self, parts: Any) -> np.ndarray:
        return np.array(parts.covariance[0])

    def expand(self, covariances: np.ndarray, states: int, dim: int) -> np.ndarray:
        return np.stack([covariances] * states)

    def compress(self, matrices: np.ndarray) -> np.ndarray:
        return matrices[0]


class Diagonal(_Numbers):
    """A variance for each component and column."""

    def family(self, dim: int) -> Any:
        return DiagonalGaussian(dim=dim)

    def shape(self, states: int, dim: int) -> tuple[int, ...]:
        return states, dim

    def stack(self, means: np.ndarray, covariances: np.ndarray) -> Any:
        return DiagonalGaussian(means, covariances)

    def covariances(self, parts: Any) -> np.ndarray:
        return np.array(parts.variances)

    def expand(self, covariances: np.ndarray, states: int, dim: int) -> np.ndarray:
        return covariances[:, :, None] * np.eye(dim)

    def compress(self, matrices: np.ndarray) -> np.ndarray:
        return np.diagonal(matrices, axis1=1, axis2=2).copy()


class Spherical(_Numbers):
    """A variance for each component."""

    def family(self, dim: int) -> Any:
        return SphericalGaussian(dim=dim)

    def shape(self, states: int, dim: int) -> tuple[int, ...]:
        return (states,)

    def stack(self, means: np.ndarray, covariances: np.ndarray) -> Any:
        return SphericalGaussian(means, covariances)

    def covariances(self, parts: Any) -> np.ndarray:
        return np.array(parts.variance)

    def expand(self, covariances: np.ndarray, states: int, dim: int) -> np.ndarray:
        return covariances[:, None, None] * np.eye(dim)

    def compress(self, matrices: np.ndarray) -> np.ndarray:
        return matrices[:, 0, 0].copy()


KINDS: Mapping[str, CovarianceKind] = {
    "full": Full(),
    "tied": Tied(),
    "diag": Diagonal(),
    "spherical": Spherical(),
}
