"""Mixtures of Student t distributions from which importance sampling draws, without chance."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import chdtri, gammaln, logsumexp, ndtri
from scipy.stats import qmc

# Of the proposals: heavy enough to cover a posterior, with a variance of its own.
DEGREES = 5.0
# Draws come in so many independent randomisations, which tell the error of the whole.
BLOCKS = 8
# Beyond so many dimensions Sobol points are no better than chance.
_MOST_SOBOL = 400


class Proposal(NamedTuple):
    """A mixture of C Student t distributions with five degrees of freedom.

    ``shares [C]``, ``means [C, n]``, and ``roots [C, n, n]``, lower triangular, of their scales.
    """

    shares: np.ndarray
    means: np.ndarray
    roots: np.ndarray

    @classmethod
    def single(cls, mean: np.ndarray, covariance: np.ndarray) -> "Proposal":
        """One Student t, with this mean and this scale matrix."""
        return cls(np.ones(1), mean[None], np.linalg.cholesky(covariance)[None])

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean ``[n]`` of the mixture, and its covariance ``[n, n]`` if components were normal."""
        mean = self.shares @ self.means
        gaps = self.means - mean
        inner = np.einsum("c,cij,ckj->ik", self.shares, self.roots, self.roots)
        return mean, inner + np.einsum("c,ci,ck->ik", self.shares, gaps, gaps)

    def draw(self, count: int, seed: int) -> np.ndarray:
        """Draws ``[count, n]`` in ``BLOCKS`` independent blocks of equal size."""
        dim = self.means.shape[1]
        noise = student_noise(dim, count // BLOCKS, seed)
        blocks = []
        for block in noise:
            # Components take turns by their shares, so that every block is like the whole.
            which = np.searchsorted(np.cumsum(self.shares), _turns(len(block)) * (1 - 1e-12))
            which = np.minimum(which, len(self.shares) - 1)
            drawn = np.empty_like(block)
            for component in range(len(self.shares)):
                chosen = which == component
                drawn[chosen] = self.means[component] + block[chosen] @ self.roots[component].T
            blocks.append(drawn)
        return np.concatenate(blocks)

    def log_prob(self, points: np.ndarray) -> np.ndarray:
        """``[G]``, of points ``[G, n]``."""
        dim = points.shape[1]
        constant = gammaln((DEGREES + dim) / 2) - gammaln(DEGREES / 2)
        constant -= 0.5 * dim * np.log(DEGREES * np.pi)
        each = []
        for share, mean, root in zip(self.shares, self.means, self.roots, strict=True):
            inverse = np.linalg.inv(root)
            square = np.sum(((points - mean) @ inverse.T) ** 2, axis=1)
            volume = np.sum(np.log(np.diagonal(root)))
            spread = 0.5 * (DEGREES + dim) * np.log1p(square / DEGREES)
            each.append(np.log(share) + constant - volume - spread)
        return each[0] if len(each) == 1 else np.asarray(logsumexp(each, axis=0))


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
        chi_square = chdtri(DEGREES, even[:, -1])
        blocks.append(ndtri(even[:, :-1]) * np.sqrt(DEGREES / chi_square)[:, None])
    noise = np.stack(blocks)
    noise.setflags(write=False)
    return noise


@lru_cache(maxsize=8)
def whitened_normals(dim: int, count: int, seed: int) -> np.ndarray:
    """Normal vectors ``[count, dim]`` with mean 0 and covariance I exactly, and opposite pairs.

    Needs count / 2 > dim.
    """
    half = ndtri(_uniform(dim, count // 2, np.random.default_rng([seed, dim])))
    noise = np.concatenate([half, -half])
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
    logs = -0.5 * np.sum(noise**2, axis=1) + 0.5 * (DEGREES + dim) * np.log1p(
        np.sum(noise**2, axis=1) / DEGREES
    )
    weights = np.exp(logs - logs.max())
    return float(np.sum(weights) ** 2 / np.sum(weights**2) / len(logs))
