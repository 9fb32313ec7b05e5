"""Annealing: points that follow a path of densities from an approximation to the posterior.

Sequential Monte Carlo (Del Moral, Doucet and Jasra 2006) with Hamiltonian moves, then moves under
the posterior itself until the points drift no more. It reaches the far ends of curved ridges, which
no draw from a Gaussian comes near.
"""

from contextlib import suppress

import equinox as eqx
import numpy as np

from latentia.inference.annealing import Path, bound_evidence, find_path
from latentia.inference.bridge import Evidence
from latentia.inference.hamiltonian import Mover
from latentia.inference.importance import Weighted, even
from latentia.inference.proposals import BLOCKS, Proposal
from latentia.inference.stationarity import SLOW, Drift, compare
from latentia.inference.target import MOST_AVERAGED
from latentia.verdict import Verdict

from .interface import AbstractRung, Attempt, Climb, too_many

# Rounds of moves in the first stretch, and in all; and those that find the step size, which may
# be halved so often.
_ROUNDS, _MOST, _ADAPTING, _HALVED = 24, 1000, 12, 2
# In nats: if forward and backward annealing differ by more, the path was too steep.
_AGREED = 0.25
_LEAST_RATE = 0.3


class Annealed(AbstractRung):
    """Points annealed from the most trusted approximation to the posterior.

    Args:
        points: how many, a multiple of 8.
    """

    points: int = eqx.field(static=True, default=2048)

    def __check_init__(self) -> None:
        if self.points < 32 * BLOCKS or self.points % BLOCKS:
            raise ValueError(
                f"points should be a multiple of {BLOCKS} and at least {32 * BLOCKS}, but is "
                f"{self.points}: 2048 is usual."
            )

    @property
    def name(self) -> str:
        return "annealing"

    def attempt(self, climb: Climb) -> Attempt:
        if climb.surface.dim > MOST_AVERAGED:
            return Attempt(self.name, too_many(climb.surface, MOST_AVERAGED))
        mover = Mover(climb.surface, Proposal.single(*climb.so_far()), climb.seed)
        path = find_path(mover, self.points, climb.seed + 5, lambda: climb.seconds_left() > 0)
        if not path.arrived:
            reason = f"the path of densities was not at its end after {len(path.shares)} steps"
            return Attempt(self.name, Verdict("fail", reason))
        settled, drift, rate = _settle(mover, path, climb)
        evidence = bound_evidence(mover, path, settled, self.points, climb.seed + 6)
        weighted = _even(climb, settled)._replace(
            log_evidence=evidence.log, evidence_error=evidence.error
        )
        verdict = _judge(drift, rate, evidence)
        return climb.with_modes(Attempt(self.name, verdict, weighted))


def _settle(mover: Mover, path: Path, climb: Climb) -> tuple[np.ndarray, Drift, float]:
    """Points after moves under the posterior, whether they drift still, and how many moves were
    accepted."""
    # By chance in which block each begins, so that the blocks are alike.
    order = np.random.default_rng([climb.seed, 19]).permutation(len(path.points))
    points = path.points[order]
    with suppress(np.linalg.LinAlgError):
        # In units of the posterior itself, as far as it is known now.
        mover = Mover(climb.surface, Proposal.single(*_even(climb, points).moments()), climb.seed)
    points = mover.adapted(points, 1.0, _ADAPTING).points
    rounds, spent, halved = _ROUNDS, 0, 0
    while True:
        before = points
        moved = mover.move(points, 1.0, rounds)
        points, spent = moved.points, spent + rounds
        found = compare(climb.surface, _even(climb, before), before, moved)
        left = spent < _MOST and climb.seconds_left() > 0
        if found.rests or not left or (found.calm and halved == _HALVED):
            return points, found, moved.rate
        if found.calm:
            # There are thin places, for which the steps are too long.
            mover.step, halved = mover.step / 2, halved + 1
        # Longer stretches, where points are too slow for a drift to show.
        rounds *= 2 if found.memory >= SLOW else 1


def _even(climb: Climb, points: np.ndarray) -> Weighted:
    """Points that all count alike."""
    _, z = climb.surface.evaluate(points)
    return even(points, z, float(len(points)))


def _judge(drift: Drift, rate: float, evidence: Evidence) -> Verdict:
    gap = evidence.high - evidence.low
    facts = f"annealed bounds {evidence.low:.3f} to {evidence.high:.3f}, {rate:.0%} accepted"
    if rate < _LEAST_RATE:
        return Verdict("fail", f"the points hardly move ({facts})")
    if not drift.rests:
        return Verdict("suspect", f"the points do not come to rest: {drift} ({facts})")
    if not gap < _AGREED:
        return Verdict("suspect", f"forward and backward annealing do not agree ({facts})")
    return Verdict("pass", f"the points are at rest ({facts})")
