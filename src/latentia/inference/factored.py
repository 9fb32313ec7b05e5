"""Student t distributions whose scale is a diagonal with a change in a few directions."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .proposals import AbstractProposal


class Factor(NamedTuple):
    """The root ``diag(scale) (I + axes (inner - I) axesᵀ)`` of a covariance.

    ``scale [n]``, orthonormal ``axes [n, r]``, and ``inner [r, r]``, lower triangular. Its products
    take n r numbers in place of n².
    """

    scale: np.ndarray
    axes: np.ndarray
    inner: np.ndarray

    def apply(self, noise: np.ndarray) -> np.ndarray:
        """The root times each of the vectors ``[G, n]``."""
        along = noise @ self.axes
        return self.scale * (noise + (along @ self.inner.T - along) @ self.axes.T)

    def apply_transposed(self, vectors: np.ndarray) -> np.ndarray:
        """The transposed root times each of the vectors ``[G, n]``."""
        scaled = vectors * self.scale
        along = scaled @ self.axes
        return scaled + (along @ self.inner - along) @ self.axes.T

    def solve(self, gaps: np.ndarray) -> np.ndarray:
        """The inverse of the root times each of the vectors ``[G, n]``."""
        white = gaps / self.scale
        along = white @ self.axes
        return white + (np.linalg.solve(self.inner, along.T).T - along) @ self.axes.T

    @property
    def log_volume(self) -> float:
        """The log of its determinant."""
        return float(np.sum(np.log(self.scale)) + np.sum(np.log(np.diagonal(self.inner))))


def low_rank(scale: np.ndarray, factor: np.ndarray) -> Factor:
    """A root of ``diag(scale)² + factor factorᵀ``, of ``scale [n]`` and ``factor [n, r]``."""
    axes, upper = np.linalg.qr(factor / scale[:, None])
    return Factor(scale, axes, np.linalg.cholesky(np.eye(len(upper)) + upper @ upper.T))


@dataclass(frozen=True)
class FactoredProposal(AbstractProposal):
    """A mixture of C Student t distributions, with a factored root for the scale of each."""

    shares: np.ndarray
    means: np.ndarray
    factors: tuple[Factor, ...]

    def spread(self, component: int, noise: np.ndarray) -> np.ndarray:
        return self.factors[component].apply(noise)

    def whiten(self, component: int, gaps: np.ndarray) -> tuple[np.ndarray, float]:
        factor = self.factors[component]
        return factor.solve(gaps), factor.log_volume

    def moments_of(self, component: int) -> tuple[np.ndarray, np.ndarray]:
        factor = self.factors[component]
        root = factor.apply(np.eye(len(factor.scale)))
        return self.means[component], root.T @ root
