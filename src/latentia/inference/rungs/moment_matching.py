"""Moment matching: a Student t with the mean and covariance that weighted draws have.

Adaptive importance sampling (Cappé et al. 2008) in its simplest form.
"""

import equinox as eqx
import numpy as np

from latentia.inference.proposals import Proposal
from latentia.inference.target import MOST_CURVED
from latentia.verdict import Verdict

from .interface import AbstractRung, Attempt, Climb, too_many, trust

# Of a covariance of n numbers, so many draws each for it to stand by itself.
_DRAWS = 10
# Below so many effective draws a mean says nothing.
_LEAST = 20


class MomentMatching(AbstractRung):
    """Draw anew from a Student t with the moments of the best draws so far, a few times over.

    Where few draws count, the moments are mixed with those of the approximation that they came
    from.
    """

    rounds: int = eqx.field(static=True, default=6)

    @property
    def name(self) -> str:
        return "moment matching"

    def attempt(self, climb: Climb) -> Attempt:
        if not climb.surface.curved:
            return Attempt(self.name, too_many(climb.surface, MOST_CURVED))
        best = before = climb.best
        nothing = Attempt(self.name, Verdict("fail", "there are no draws whose moments to match"))
        if best is None or before is None:
            return nothing
        for _ in range(self.rounds):
            proposal = _matched(before)
            if proposal is None:
                break
            before = climb.corrected(self.name, proposal)
            best = max(best, before, key=trust)
            if before.verdict.level == "pass" or climb.seconds_left() <= 0:
                break
        reason = "no draws of its own are better than those before"
        return best if best.name == self.name else nothing._replace(verdict=Verdict("fail", reason))


def _matched(before: Attempt) -> Proposal | None:
    """A Student t with the moments of an attempt's draws, as far as these can tell them."""
    weighted, proposal = before.weighted, before.proposal
    if weighted is None or proposal is None or weighted.size < _LEAST:
        return None
    mean, covariance = weighted.moments()
    share = min(1.0, weighted.size / (_DRAWS * mean.size))
    old_mean, old_covariance = proposal.moments()
    covariance = share * covariance + (1 - share) * old_covariance
    try:
        return Proposal.single(share * mean + (1 - share) * old_mean, covariance)
    except np.linalg.LinAlgError:
        return None
