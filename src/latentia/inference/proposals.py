"""Mixtures of Student t distributions from which importance sampling draws, without chance."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import chdtri, gammaln, logsumexp, ndtri
from scipy.stats import qmc

# Degrees of freedom: few enough to cover a posterior, and at least one to ten dimensions, since
# the common scale of many coordinates is known to one part in the root of their number.
_DEGREES, _PER_DIMENSION = 5.0, 0.1
# Draws come in so many independent randomisations, which tell the error of the whole.
BLOCKS = 8
# Beyond so many dimensions Sobol points are no better than chance.
_MOST_SOBOL = 400


class AbstractProposal(ABC):
    """A mixture of C images of the standard Student t distribution.

    ``shares [C]`` sum to one, and ``means [C, n]`` are where the components lie.
    """

    shares: np.ndarray
    means: np.ndarray

    @abstractmethod
    def spread(self, component: int, noise: np.ndarray) -> np.ndarray:
        """Standard vectors ``[G, n]`` in the scale of a component, still around zero."""

    @abstractmethod
    def whiten(self, component: int, gaps: np.ndarray) -> tuple[np.ndarray, Any]:
        """The way back from ``spread``, and the log volume by which that stretches there.

        The volume is one number, or ``[G]``.
        """

    @abstractmethod
    def moments_of(self, component: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean ``[n]`` and covariance ``[n, n]`` of a component, as if the noise were normal."""

    def draw(self, count: int, seed: int) -> np.ndarray:
        """Draws ``[count, n]`` in ``BLOCKS`` independent blocks of equal size."""
        noise = student_noise(self.means.shape[1], count // BLOCKS, seed)
        blocks = []
        for block in noise:
            # Components take turns by their shares, so that every block is like the whole.
            which = np.searchsorted(np.cumsum(self.shares), _turns(len(block)) * (1 - 1e-12))
            which = np.minimum(which, len(self.shares) - 1)
            drawn = np.empty_like(block)
            for component in range(len(self.shares)):
                chosen = which == component
                drawn[chosen] = self.means[component] + self.spread(component, block[chosen])
            blocks.append(drawn)
        return np.concatenate(blocks)

    def log_prob(self, points: np.ndarray) -> np.ndarray:
        """``[G]``, of points ``[G, n]``."""
        each = []
        for component, share in enumerate(self.shares):
            white, volume = self.whiten(component, points - self.means[component])
            each.append(np.log(share) + student_log_prob(white) - volume)
        return each[0] if len(each) == 1 else np.asarray(logsumexp(each, axis=0))

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean ``[n]`` of the mixture, and its covariance ``[n, n]`` if the noise were normal."""
        means, inner = zip(*(self.moments_of(c) for c in range(len(self.shares))), strict=True)
        mean = self.shares @ np.stack(means)
        gaps = np.stack(means) - mean
        covariance = sum(share * each for share, each in zip(self.shares, inner, strict=True))
        return mean, covariance + np.einsum("c,ci,ck->ik", self.shares, gaps, gaps)


@dataclass(frozen=True)
class Proposal(AbstractProposal):
    """A mixture whose scales have roots ``roots [C, n, n]``, lower triangular."""

    shares: np.ndarray
    means: np.ndarray
    roots: np.ndarray

    @classmethod
    def single(cls, mean: np.ndarray, covariance: np.ndarray) -> "Proposal":
        """One Student t, with this mean and this scale matrix."""
        return cls(np.ones(1), mean[None], np.linalg.cholesky(covariance)[None])

    def spread(self, component: int, noise: np.ndarray) -> np.ndarray:
        return noise @ self.roots[component].T

    def whiten(self, component: int, gaps: np.ndarray) -> tuple[np.ndarray, float]:
        root = self.roots[component]
        return gaps @ np.linalg.inv(root).T, float(np.sum(np.log(np.diagonal(root))))

    def moments_of(self, component: int) -> tuple[np.ndarray, np.ndarray]:
        root = self.roots[component]
        return self.means[component], root @ root.T


def degrees(dim: int) -> float:
    """Of freedom, of the Student t distributions in so many dimensions."""
    return max(_DEGREES, _PER_DIMENSION * dim)


def student_log_prob(white: np.ndarray) -> np.ndarray:
    """``[G]``, of standard Student t vectors ``[G, n]``."""
    dim = white.shape[1]
    freedom = degrees(dim)
    constant = gammaln((freedom + dim) / 2) - gammaln(freedom / 2)
    constant -= 0.5 * dim * np.log(freedom * np.pi)
    square = np.sum(white**2, axis=1)
    return constant - 0.5 * (freedom + dim) * np.log1p(square / freedom)


def _turns(count: int) -> np.ndarray:
    """Evenly spread numbers in an order that has nothing to do with that of Sobol points."""
    return (np.arange(count) * 0.6180339887498949 + 0.5) % 1.0


@lru_cache(maxsize=8)
def student_noise(dim: int, count: int, seed: int) -> np.ndarray:
    """Standard Student t vectors ``[BLOCKS, count, dim]``, independent between blocks."""
    blocks = []
    for block in range(BLOCKS):
        rng = np.random.default_rng([seed, block, dim])
        even = _uniform(dim + 1, count, rng)
        chi_square = chdtri(degrees(dim), even[:, -1])
        blocks.append(ndtri(even[:, :-1]) * np.sqrt(degrees(dim) / chi_square)[:, None])
    noise = np.stack(blocks)
    noise.setflags(write=False)
    return noise


@lru_cache(maxsize=8)
def whitened_normals(dim: int, count: int, seed: int) -> np.ndarray:
    """Normal vectors ``[count, dim]`` with mean 0 and covariance I exactly, and opposite pairs.

    Where count / 2 is at most dim the covariance has the diagonal of I, and no more.
    """
    half = ndtri(_uniform(dim, count // 2, np.random.default_rng([seed, dim])))
    noise = np.concatenate([half, -half])
    if count // 2 <= dim:
        white = noise / np.sqrt(np.mean(noise**2, axis=0))
        white.setflags(write=False)
        return white
    root = np.linalg.cholesky(noise.T @ noise / count)
    white = np.linalg.solve(root, noise.T).T
    white.setflags(write=False)
    return white


def _uniform(dim: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Points ``[count, dim]`` spread over the unit cube, away from its faces."""
    sobol = dim <= _MOST_SOBOL
    # Sobol points come in powers of two.
    full = 2 ** math.ceil(math.log2(count))
    even = qmc.Sobol(dim, rng=rng).random(full)[:count] if sobol else rng.random((count, dim))
    return np.clip(even, 1e-12, 1 - 1e-12)


@lru_cache(maxsize=64)
def share_of_normal(dim: int) -> float:
    """The effective share of draws from a Student t that are weighted by the normal density of its
    scale: what a perfect approximation of a normal posterior comes to."""
    noise = student_noise(dim, 512, 0).reshape(-1, dim)
    logs = -0.5 * np.sum(noise**2, axis=1) - student_log_prob(noise)
    weights = np.exp(logs - logs.max())
    return float(np.sum(weights) ** 2 / np.sum(weights**2) / len(logs))
