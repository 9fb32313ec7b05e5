"""Moment matching: a Student t with the mean and covariance that weighted draws have.

Adaptive importance sampling (Cappé et al. 2008) in its simplest form.
"""

import equinox as eqx
import numpy as np

from latentia.inference.proposals import Proposal
from latentia.verdict import Verdict

from .interface import AbstractRung, Attempt, Climb


class MomentMatching(AbstractRung):
    """Draw anew from a Student t with the moments of the best draws so far, a few times over."""

    rounds: int = eqx.field(static=True, default=3)

    @property
    def name(self) -> str:
        return "moment matching"

    def attempt(self, climb: Climb) -> Attempt:
        best = climb.best
        attempt = Attempt(self.name, Verdict("fail", "there are no draws whose moments to match"))
        if best is None or best.weighted is None:
            return attempt
        weighted = best.weighted
        for _ in range(self.rounds):
            if weighted.size < 3 * climb.surface.dim:
                reason = f"only {weighted.size:.0f} draws count, too few to tell a covariance"
                return attempt if attempt.weighted else Attempt(self.name, Verdict("fail", reason))
            try:
                proposal = Proposal.single(*weighted.moments())
            except np.linalg.LinAlgError:
                return attempt
            attempt = climb.corrected(self.name, proposal)
            climb.seed += 101
            if attempt.verdict.level == "pass" or attempt.weighted is None:
                break
            weighted = attempt.weighted
        return attempt
