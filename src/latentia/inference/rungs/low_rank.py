"""Low-rank variational inference: a Gaussian whose covariance is a diagonal and a few directions.

The family of Ong, Nott and Smith (2018), by the deterministic objective of the other rungs: the
draws are fixed, so that the bound is an ordinary function of n (r + 2) numbers, and a quasi-Newton
method climbs it to the end. It needs slopes of the density and no curvatures.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import numpy as np
from scipy.linalg import eigh

from latentia.inference.factored import FactoredProposal, low_rank
from latentia.inference.proposals import whitened_normals
from latentia.inference.quasi_newton import Climbed, ascend
from latentia.inference.target import Surface
from latentia.verdict import Verdict

from .interface import AbstractRung, Attempt, Climb, nowhere_finite
from .pathfinder import find_gaussians

_STEPS = 400
# With twice as many draws as numbers a quadratic density is averaged exactly; where these are
# many, the climb begins with few of them.
_FEWEST, _FEW, _MOST = 64, 512, 4096
# Of all draws together, so that they fit into memory.
_NUMBERS = 2**23
# A direction may be so many times as wide as the diagonal.
_WIDEST = 1e6
# In units of 1 + |bound|, what five steps together gain at the end.
_ENOUGH = 1e-8


class LowRank(AbstractRung):
    """The Gaussian of highest bound with covariance ``diag(s²) + B Bᵀ``, ``B [n, rank]``.

    Args:
        rank: r, how many directions beside the diagonal; at least 1.
        least: with fewer free numbers than this it is not tried, since a full covariance is cheap.
    """

    rank: int = eqx.field(static=True, default=8)
    least: int = eqx.field(static=True, default=1)

    def __check_init__(self) -> None:
        if not (isinstance(self.rank, int) and self.rank >= 1):
            raise ValueError(f"rank should be a whole number of at least 1, but is {self.rank!r}.")

    @property
    def name(self) -> str:
        return "low-rank variational inference"

    def attempt(self, climb: Climb) -> Attempt:
        surface = climb.surface
        if surface.dim < self.least:
            reason = f"not tried with {surface.dim} free numbers, for which a full rank is cheap"
            return Attempt(self.name, Verdict("fail", reason))
        if failed := climb.improper(self.name):
            return failed
        rank = min(self.rank, surface.dim)
        begin = _begin(climb, rank)
        if begin is None:
            return Attempt(self.name, nowhere_finite(climb))
        found = climb_bound(surface, begin, climb.seed)
        if found is None:
            reason = f"the bound found no maximum in {_STEPS} quasi-Newton steps"
            return Attempt(self.name, Verdict("fail", reason))
        factor = low_rank(np.exp(found.log_sd), found.factor)
        proposal = FactoredProposal(np.ones(1), found.mean[None], (factor,))
        return climb.corrected(self.name, proposal)


class Shape(NamedTuple):
    """A Gaussian: ``mean [n]``, ``log_sd [n]`` of the diagonal, and ``factor [n, r]``."""

    mean: np.ndarray
    log_sd: np.ndarray
    factor: np.ndarray


def _begin(climb: Climb, rank: int) -> Shape | None:
    """The curvature at the mode, or else along the path to it, as a diagonal and a few axes."""
    surface = climb.surface
    if surface.curved and climb.search.modes:
        mode = climb.search.modes[0]
        return _nearest(mode.point, mode.covariance, rank)
    found = find_gaussians(surface, climb.seed, 4)
    if not found:
        return None
    best = max(found, key=lambda each: each.bound)
    # Directions narrower than the diagonal cannot be had by adding to it.
    values, turns = np.linalg.eigh(best.factor.inner @ best.factor.inner.T)
    wide = np.sqrt(np.maximum(values[::-1][:rank] - 1, 0.01))
    factor = np.zeros((surface.dim, rank))
    axes = best.factor.axes @ turns[:, ::-1][:, :rank]
    factor[:, : axes.shape[1]] = best.factor.scale[:, None] * axes * wide[: axes.shape[1]]
    return Shape(best.mean, np.log(best.factor.scale), factor)


def _nearest(mean: np.ndarray, covariance: np.ndarray, rank: int) -> Shape:
    """A covariance as a diagonal and a few axes, by principal factors."""
    dim = len(mean)
    sd = np.sqrt(np.diagonal(covariance))
    correlation = covariance / np.outer(sd, sd)
    own = np.full(dim, 0.5)
    loadings = np.zeros((dim, rank))
    for _ in range(4):
        values, axes = eigh(correlation - np.diag(own), subset_by_index=[dim - rank, dim - 1])
        loadings = axes * np.sqrt(np.maximum(values, 1e-4))
        own = np.clip(1 - np.sum(loadings**2, axis=1), 0.02, 1.0)
    return Shape(mean, np.log(sd) + 0.5 * np.log(own), sd[:, None] * loadings)


def climb_bound(surface: Surface, begin: Shape, seed: int) -> Shape | None:
    """The Gaussian of highest bound over fixed draws, or None if the climb does not end."""
    dim, rank = begin.factor.shape
    count = max(_FEWEST, 2 ** math.ceil(math.log2(2 * (dim + rank) + 2)))
    # In these units all numbers are of size one.
    scale = np.sqrt(np.exp(2 * begin.log_sd) + np.sum(begin.factor**2, axis=1))

    def shape(free: np.ndarray) -> Shape:
        first, second, rest = free[:dim], free[dim : 2 * dim], free[2 * dim :].reshape(dim, rank)
        factor = begin.factor + scale[:, None] * rest
        return Shape(begin.mean + scale * first, begin.log_sd + second, factor)

    at = np.zeros(dim * (rank + 2))
    most = max(_FEW, min(_MOST, _NUMBERS // dim))
    for size in sorted({min(count, _FEW), min(count, most)}):
        noise = whitened_normals(dim + rank, size, seed)
        bound = bound_of(surface, shape, scale, noise)
        path = ascend(bound, at, _STEPS, enough=_ENOUGH, kept=1)
        gained = path.values[-1] - path.values[max(0, len(path.values) - 20)]
        # Nearly there is good enough for a proposal, which is judged anyway.
        if not (path.converged or gained < 0.01 * dim):
            return None
        at = path.points[-1]
    return shape(at)


def bound_of(
    surface: Surface, shape: Callable[[np.ndarray], Shape], scale: np.ndarray, noise: np.ndarray
) -> Climbed:
    """The bound over fixed draws, up to a constant, and its slope."""
    dim = surface.dim
    own, shared = noise[:, :dim], noise[:, dim:]

    def bound(free: np.ndarray) -> tuple[float, np.ndarray]:
        mean, log_sd, factor = shape(free)
        sd = np.exp(np.clip(log_sd, -300, 300))
        # Beyond this the determinant would be rounding.
        if np.abs(log_sd).max() > 300 or not np.abs(factor / sd[:, None]).max() < _WIDEST:
            return -np.inf, free
        steps = sd * own
        values, slopes = surface.slope(mean + steps + shared @ factor.T)
        # The entropy by determinant and inverse of I + (B / s)ᵀ (B / s), which are r by r.
        ratio = factor / sd[:, None]
        core = np.eye(shared.shape[1]) + ratio.T @ ratio
        solved = np.linalg.solve(core, ratio.T)
        entropy = np.sum(log_sd) + 0.5 * np.linalg.slogdet(core)[1]
        to_mean = scale * slopes.mean(axis=0)
        to_sd = (slopes * steps).mean(axis=0) + 1 - np.einsum("ir,ri->i", ratio, solved)
        to_factor = slopes.T @ shared / len(noise) + solved.T / sd[:, None]
        slope = np.concatenate([to_mean, to_sd, (scale[:, None] * to_factor).ravel()])
        return float(values.mean() + entropy), slope

    return bound
