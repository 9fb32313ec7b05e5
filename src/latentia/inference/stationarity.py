"""Do draws stay where they are, if moves that keep the posterior are applied to them?

Weights of importance sampling cannot tell of what no draw came near, such as the far ends of a
curved ridge. Points that follow the density find their way there (the idea of Gelman and Rubin
1992, and of Cowles and Carlin 1996, that a sample of the right distribution does not drift).
"""

import time
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy.special import ndtri

from .hamiltonian import Moved, Mover
from .importance import Weighted, block_errors
from .proposals import Proposal
from .target import MOST_AVERAGED, Surface

_POINTS, _ADAPTING, _ROUNDS, _FEWEST = 2048, 5, 40, 8
# Numbers of the data that the moves may touch, about ten seconds of one core: models of many data
# have fewer moves, or none.
_WORK = 2e10
# The chance of a false alarm over all free numbers, and the drift in standard deviations that is
# let pass.
_ALARM, _SMALL = 1e-3, 0.08


# Draws that remember more than this of where they were, as a correlation, tell little by staying.
SLOW = 0.7
# A point that accepts less than this share of its moves is stuck in a place that is too thin for
# their steps, from which and to which there is no way; a sample may have so many of them.
_STUCK, _FEW = 0.3, 0.005


class Drift(NamedTuple):
    """How far draws drift: the largest change ``size`` that is no chance, 0 if there is none, the
    free number ``name`` that changes, and ``what`` of it. ``memory`` is the largest correlation of
    a free number after the moves with that before, and ``slow`` its name; ``stuck`` the share of
    points that hardly moved at all."""

    size: float
    name: str
    what: str
    memory: float
    slow: str
    stuck: float

    @property
    def rests(self) -> bool:
        """Whether the draws are calm, and none of them are stuck."""
        return self.calm and self.stuck < _FEW

    @property
    def calm(self) -> bool:
        """Whether the draws moved enough for a drift to show, and did not drift."""
        return self.size == 0 and self.memory < SLOW

    def __str__(self) -> str:
        if self.calm:
            return f"{self.stuck:.1%} of the draws are stuck where it is too thin to move"
        if self.size == 0:
            return f"{self.slow} hardly moves (correlation {self.memory:.2f} with where it was)"
        unit = "standard deviations" if self.what == "mean" else "of itself"
        return f"the {self.what} of {self.name} changes by {self.size:.2f} {unit}"


def drift(
    surface: Surface, weighted: Weighted, seed: int, seconds: float
) -> tuple[Drift, np.ndarray]:
    """Move draws from a weighted sample, and compare their moments with those of the sample.

    How many moves there are follows from the size of the model, so that it is the same on every
    machine; the clock has a say only where they would take more than half of the ``seconds`` left.

    Returns the drift, and where the draws have come to, ``[G, n]``, in the order of the blocks that
    they come from. Where there are not enough moves no drift is found, and G is 0.
    """
    none = Drift(0.0, "", "", 0.0, "", 0.0)
    chosen = resample(weighted.weights, _POINTS, np.random.default_rng([seed, 11]))
    before = weighted.points[chosen]
    rounds, room = min(_ROUNDS, int(_WORK / _work(surface)) - _ADAPTING), seconds / 2
    # Few draws in many dimensions do not tell the scales in which to move.
    if surface.dim > MOST_AVERAGED or rounds < _FEWEST:
        return none, before[:0]
    if _ADAPTING * _leap_seconds(surface, before) > room:
        return none, before[:0]
    mover = Mover(surface, Proposal.single(*weighted.moments()), seed)
    moved = mover.adapted(before, 1.0, _ADAPTING - 1)
    # The first may compile, and the last tells how long one takes.
    began = time.monotonic()
    moved = mover.adapted(moved.points, 1.0, 1)
    each = time.monotonic() - began
    rounds = int(min(rounds, room / each))
    if rounds < _FEWEST:
        return none, before[:0]
    moved = mover.move(moved.points, 1.0, rounds)
    return compare(surface, weighted, before, moved), moved.points


def _work(surface: Surface) -> float:
    """Numbers that a trajectory of a few leaps touches: the slope costs as much as three values."""
    numbers = sum(np.size(leaf) for leaf in jax.tree.leaves(surface.target))
    return 3.0 * 4 * _POINTS * (numbers + surface.dim)


def _leap_seconds(surface: Surface, points: np.ndarray) -> float:
    """What a trajectory of a few leaps may cost, judged by the density alone, which costs a third
    of its slope."""
    # The first call may compile.
    surface.evaluate(points)
    began = time.monotonic()
    surface.evaluate(points)
    return 3 * 4 * (time.monotonic() - began)


def compare(surface: Surface, weighted: Weighted, before: np.ndarray, moved: Moved) -> Drift:
    """The largest change of a mean or a spread from weighted draws to points that have moved, and
    were at ``before [G, n]``."""
    after = moved.points
    mean, covariance = weighted.moments()
    sd = np.sqrt(np.maximum(np.diagonal(covariance), 1e-300))
    # Draws that were chosen several times are not independent yet.
    count = min(len(after), weighted.size)
    gaps = (after - mean) / sd
    errors = block_errors(weighted.weights, (weighted.points - mean) / sd)
    changes = np.stack([gaps.mean(axis=0), 0.5 * (np.mean(gaps**2, axis=0) - 1)])
    chance = np.stack([gaps.std(axis=0), 0.5 * (gaps**2).std(axis=0)]) / np.sqrt(count)
    chance = np.hypot(chance, np.stack(errors))
    limit = -float(ndtri(_ALARM / 2 / changes.size))
    real = (np.abs(changes) > limit * chance) & (np.abs(changes) > _SMALL)
    sizes = np.where(real, np.abs(changes), 0.0)
    kind, place = np.unravel_index(int(np.argmax(sizes)), sizes.shape)
    what = ("mean", "spread")[kind]
    memory = np.mean((before - before.mean(axis=0)) * (after - after.mean(axis=0)), axis=0)
    memory = memory / np.maximum(before.std(axis=0) * after.std(axis=0), 1e-300)
    slow = int(np.argmax(memory))
    names = surface.names
    return Drift(
        size=float(sizes[kind, place]),
        name=names[int(place)],
        what=what,
        memory=float(memory[slow]),
        slow=names[slow],
        stuck=float(np.mean(moved.rates < _STUCK)),
    )


def resample(weights: Any, count: int, rng: np.random.Generator) -> np.ndarray:
    """Places ``[count]``, each as often as its weight asks for, to within one (systematic)."""
    total = np.cumsum(np.asarray(weights, float))
    spots = (np.arange(count) + rng.uniform()) / count * total[-1]
    return np.minimum(np.searchsorted(total, spots), len(total) - 1)
