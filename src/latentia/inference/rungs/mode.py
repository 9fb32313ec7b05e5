"""Laplace's method, corrected: Student t distributions at the modes, with the curvature there."""

import numpy as np

from latentia.inference.proposals import Proposal
from latentia.inference.target import MOST_CURVED
from latentia.verdict import Verdict

from .interface import AbstractRung, Attempt, Climb, too_many

# A mode takes part in the proposal from this share on, and has at least the other share of draws.
_SMALL, _LEAST = 1e-4, 0.05


class AtMode(AbstractRung):
    """A Student t at each mode of the density, with its curvature (Tierney and Kadane 1986)."""

    @property
    def name(self) -> str:
        return "Laplace's method"

    def attempt(self, climb: Climb) -> Attempt:
        if not climb.surface.curved:
            return Attempt(self.name, too_many(climb.surface, MOST_CURVED))
        search = climb.search
        if not search.modes:
            return Attempt(self.name, Verdict("fail", search.trouble), settled=search.improper)
        shares = search.shares()
        kept = [mode for mode, share in zip(search.modes, shares, strict=True) if share > _SMALL]
        weights = np.maximum(shares[: len(kept)], _LEAST)
        proposal = Proposal(
            weights / weights.sum(),
            np.stack([mode.point for mode in kept]),
            np.stack([np.linalg.cholesky(mode.covariance) for mode in kept]),
        )
        return climb.corrected(self.name, proposal)
