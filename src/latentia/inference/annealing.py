"""Annealing from a proposal to the posterior, for draws and for bounds of the evidence.

A path of densities ``q^(1 - share) p^share`` leads from the proposal q to the target p. Forwards,
importance weights that are gathered on the way (Neal 2001) have the evidence as their mean, so that
the expected log of an average of them lies below the log evidence; backwards, from draws of the
posterior, they average to its reciprocal, which gives a bound from above (Grosse, Ghahramani and
Adams 2015). The estimate between both is Bennett's (1976).
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from .bridge import Evidence, between
from .hamiltonian import Mover
from .importance import effective, log_ratios
from .stationarity import resample

# With steps that small, in standard deviations, points come nowhere.
_LEAST_STEP = 0.01
# The effective share of points that one step along the path leaves.
_KEPT = 0.6
_MOST_STEPS, _ROUNDS = 60, 3


class Path(NamedTuple):
    """Shares ``[K]`` from above 0 to 1 and a step size for each, and the points ``[G, n]`` at the
    end; ``arrived`` says whether it has one."""

    shares: np.ndarray
    steps: np.ndarray
    points: np.ndarray
    values: np.ndarray
    arrived: bool


def find_path(mover: Mover, count: int, seed: int, going: Any) -> Path:
    """Sequential Monte Carlo along a path whose steps are as long as the points allow (Del Moral,
    Doucet and Jasra 2006). ``going()`` says whether there is time for another step.
    """
    rng = np.random.default_rng([seed, 17])
    points, values, ratios = _begin(mover, count, seed)
    share, shares, steps = 0.0, [], []
    while share < 1 and len(shares) < _MOST_STEPS and going():
        if mover.step < _LEAST_STEP or not np.isfinite(ratios).any():
            break
        longer = _next(share, ratios)
        logs = (longer - share) * ratios
        share, weights = longer, np.exp(logs - logsumexp(logs))
        chosen = resample(weights, count, rng)
        moved = mover.adapted(points[chosen], share, _ROUNDS)
        points, values = moved.points, moved.values
        ratios = log_ratios(mover.proposal, points, values)
        shares.append(share)
        steps.append(mover.step)
    return Path(np.array(shares), np.array(steps), points, values, share >= 1)


def bound_evidence(mover: Mover, path: Path, drawn: np.ndarray, count: int, seed: int) -> Evidence:
    """Annealing forwards from the proposal, and backwards from ``drawn [G, n]`` of the posterior,
    which come in ``BLOCKS`` independent blocks."""
    points, _, ratios = _begin(mover, count, seed)
    gaps = np.diff(path.shares, prepend=0.0)
    forwards = gaps[0] * ratios
    legs = list(zip(path.shares, path.steps, strict=True))
    for (share, step), gap in zip(legs[:-1], gaps[1:], strict=True):
        moved = mover.move(points, share, _ROUNDS, step)
        points = moved.points
        forwards = forwards + gap * log_ratios(mover.proposal, points, moved.values)
    points, backwards = drawn, np.zeros(len(drawn))
    values, _ = mover.surface.evaluate(points)
    for place in reversed(range(len(legs))):
        backwards = backwards + gaps[place] * log_ratios(mover.proposal, points, values)
        if place:
            share, step = legs[place - 1]
            moved = mover.move(points, share, _ROUNDS, step)
            points, values = moved.points, moved.values
    return between(forwards, backwards)


def _begin(mover: Mover, count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    points = mover.proposal.draw(count, seed)
    values, _ = mover.surface.evaluate(points)
    return points, values, log_ratios(mover.proposal, points, values)


def _next(share: float, ratios: np.ndarray) -> float:
    """The farthest share at which enough of the points still count."""
    low, high = share, 1.0
    if _counting((high - share) * ratios) >= _KEPT:
        return high
    for _ in range(30):
        middle = (low + high) / 2
        enough = _counting((middle - share) * ratios) >= _KEPT
        low, high = (middle, high) if enough else (low, middle)
    return max(low, share + 1e-6)


def _counting(logs: np.ndarray) -> float:
    """The effective share of points with these log weights, among those that have any."""
    some = logs[np.isfinite(logs)]
    return effective(some) / len(some)
