"""Deterministic variational inference: independent Gaussians in the free numbers of z.

The draws are fixed, so that the bound is an ordinary function, which Newton's method climbs to the
end (Giordano, Ingram and Broderick 2024). Covariances are those by which the optimum responds to a
tilt of the density (linear response; Giordano, Broderick and Jordan 2018).
"""

from typing import NamedTuple

import numpy as np

from latentia.inference.modes import uphill
from latentia.inference.proposals import Proposal, whitened_normals
from latentia.inference.target import MOST_AVERAGED, Surface
from latentia.verdict import Verdict

from .interface import AbstractRung, Attempt, Climb, too_many

_STEPS = 60
_CONVERGED = 1e-7


class MeanField(AbstractRung):
    """The best Gaussian with independent free numbers, and its linear response as a proposal."""

    @property
    def name(self) -> str:
        return "mean-field variational inference with linear response"

    def attempt(self, climb: Climb) -> Attempt:
        surface = climb.surface
        if surface.dim > MOST_AVERAGED:
            return Attempt(self.name, too_many(surface, MOST_AVERAGED))
        if climb.search.modes:
            mode = climb.search.modes[0]
            begin = mode.point, 0.5 * np.log(np.diagonal(mode.covariance))
        else:
            begin = climb.search.origin, np.full(surface.dim, -1.0)
        bound = climb_bound(surface, *begin, climb.seed)
        if not bound.converged:
            reason = f"the bound found no maximum in {_STEPS} steps of Newton's method"
            return Attempt(self.name, Verdict("fail", reason))
        try:
            proposal = Proposal.single(bound.mean, bound.covariance)
        except np.linalg.LinAlgError:
            reason = "the linear response of the optimum is no covariance"
            return Attempt(self.name, Verdict("fail", reason))
        return climb.corrected(self.name, proposal)


class Bound(NamedTuple):
    """The optimum: ``mean [n]``, log standard deviations ``log_sd [n]``, the linear-response
    ``covariance [n, n]``, and the ``value`` of the bound over the fixed draws."""

    mean: np.ndarray
    log_sd: np.ndarray
    covariance: np.ndarray
    value: float
    converged: bool


def climb_bound(surface: Surface, mean: np.ndarray, log_sd: np.ndarray, seed: int) -> Bound:
    """Maximise the evidence lower bound over fixed draws, by a guarded Newton method."""
    noise = whitened_normals(surface.dim, surface.rows, seed)
    dim, at = surface.dim, np.concatenate([mean, log_sd])
    value, slope, bend = _bound(surface, at, noise)
    # Where the curvature at a mode says nothing, narrower is safer.
    for _ in range(8):
        if np.isfinite(value):
            break
        at[dim:] -= 1.0
        value, slope, bend = _bound(surface, at, noise)
    share, converged = 1.0, False
    for _ in range(_STEPS if np.isfinite(value) else 0):
        way = uphill(slope, bend)
        if way.decrement < _CONVERGED:
            converged = way.least > 0
            break
        there = _bound(surface, at + share * way.move, noise)
        if there[0] > value + 1e-4 * share * way.decrement - 1e-10 * (1 + abs(value)):
            at = at + share * way.move
            value, slope, bend = there
            share = min(1.0, 4 * share)
        else:
            share *= 0.25
            if share < 1e-8:
                break
    covariance = np.full((dim, dim), np.nan)
    if converged:
        covariance = np.linalg.inv(-bend)[:dim, :dim]
        covariance = (covariance + covariance.T) / 2
    return Bound(at[:dim], at[dim:], covariance, float(value), converged)


def _bound(
    surface: Surface, at: np.ndarray, noise: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """The bound up to a constant, its slope ``[2n]`` and curvature ``[2n, 2n]``.

    With z = mean + exp(log_sd) noise both follow from those of the density at the draws.
    """
    dim = surface.dim
    if np.abs(at[dim:]).max() > 300:
        return -np.inf, at, np.eye(2 * dim)
    steps = np.exp(at[dim:]) * noise
    values, slopes, bends = surface.expand(at[:dim] + steps)
    if not (np.isfinite(values).all() and np.isfinite(slopes).all() and np.isfinite(bends).all()):
        return -np.inf, at, np.eye(2 * dim)
    count = len(noise)
    slope = np.concatenate([slopes.mean(axis=0), (slopes * steps).mean(axis=0) + 1.0])
    half = bends * steps[:, None, :]
    cross = half.mean(axis=0)
    inner = np.einsum("gij,gi->ij", half, steps) / count
    inner += np.diag((slopes * steps).mean(axis=0))
    bend = np.block([[bends.mean(axis=0), cross], [cross.T, inner]])
    return float(values.mean() + at[dim:].sum()), slope, bend
