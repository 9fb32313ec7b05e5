"""What a rung of the ladder has to offer: an attempt at the posterior, and its verdict."""

import time
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import NamedTuple

import equinox as eqx
import numpy as np

from latentia.inference.bridge import between
from latentia.inference.importance import (
    LowerBound,
    Weighted,
    correct,
    judge,
    largest_error,
    log_ratios,
    lower_bound,
)
from latentia.inference.modes import Search, find_modes, starting_points
from latentia.inference.proposals import AbstractProposal, share_of_normal
from latentia.inference.stationarity import drift
from latentia.inference.target import Surface
from latentia.verdict import Verdict

# A mode with less than this share of the posterior is no mode to speak of.
_SMALL = 1e-3
# Above this error, in standard deviations, a good proposal is asked for so many times the draws.
_ROUGH, _MORE = 0.02, 4
# Above this one it does not pass.
_TOO_ROUGH = 0.06
# Draws that count so well, against those for a normal density, leave no room for another shape.
_NORMAL = 0.8


class Attempt(NamedTuple):
    """What a rung came to: weighted draws, unless it failed before there were any.

    ``settled`` says that no higher rung can do better. ``bound`` is that of the proposal as a
    Gaussian.
    """

    name: str
    verdict: Verdict
    weighted: Weighted | None = None
    proposal: AbstractProposal | None = None
    settled: bool = False
    bound: LowerBound | None = None


@dataclass
class Climb:
    """What the rungs share: the density, the modes (sought once) and the attempts so far."""

    surface: Surface
    draws: int
    seed: int
    deadline: float
    drawn: int = 0
    attempts: list[Attempt] = field(default_factory=list)
    _search: Search | None = None

    @property
    def search(self) -> Search:
        """The modes of the density."""
        if self._search is None:
            self._search = find_modes(self.surface, starting_points(self.surface, self.seed))
        return self._search

    @property
    def best(self) -> Attempt | None:
        """The attempt with weighted draws that is to be trusted most."""
        drawn = [attempt for attempt in self.attempts if attempt.weighted is not None]
        return max(drawn, key=trust, default=None)

    def seconds_left(self) -> float:
        """Of the budget."""
        return self.deadline - time.monotonic()

    def corrected(self, name: str, proposal: AbstractProposal) -> Attempt:
        """The attempt that corrects a proposal by importance sampling, told of other modes."""
        return self.with_modes(self.weighed(name, proposal))

    def improper(self, name: str) -> Attempt | None:
        """The failed attempt of a rung, if the density does not change in some direction."""
        if not (self.surface.curved and self.search.improper):
            return None
        return Attempt(name, Verdict("fail", self.search.trouble), settled=True)

    def weighed(self, name: str, proposal: AbstractProposal) -> Attempt:
        """The attempt that corrects a proposal by importance sampling."""
        # Every attempt has draws of its own, so that no proposal was fitted to them.
        self.drawn += 1
        seed = self.seed + 1000 * self.drawn
        weighted = correct(self.surface, proposal, self.draws, seed)
        if judge(weighted).level == "pass" and largest_error(weighted) > _ROUGH:
            weighted = correct(self.surface, proposal, _MORE * self.draws, seed)
        verdict, error = judge(weighted), largest_error(weighted)
        if verdict.level == "pass" and error > _TOO_ROUGH:
            reason = f"a mean or standard deviation is only known to {error:.2f} of a deviation"
            verdict = Verdict("suspect", f"{reason}: raise draws")
        bound = lower_bound(self.surface, proposal, seed)
        attempt = Attempt(name, verdict, weighted, proposal, bound=bound)
        return self._unmoved(attempt, proposal)

    def _unmoved(self, attempt: Attempt, proposal: AbstractProposal) -> Attempt:
        """The attempt, which is no better than suspect if its draws drift when they are moved; and
        with an evidence that is bounded from both sides if they do not."""
        weighted, surface = attempt.weighted, self.surface
        if weighted is None or attempt.verdict.level != "pass":
            return attempt
        share = weighted.size / len(weighted.weights)
        if share > _NORMAL * share_of_normal(surface.dim):
            return attempt
        found, moved = drift(surface, weighted, self.seed, self.seconds_left())
        if not found.rests:
            reason = (
                f"a part of the posterior may be missing, since under moves that keep it {found}"
            )
            verdict = Verdict("suspect", reason)
            return attempt._replace(verdict=verdict)
        if len(moved) == 0:
            reason = f"{attempt.verdict.reason}; the draws were not moved, which would take long"
            return attempt._replace(verdict=Verdict("pass", reason))
        evidence = between(
            *(log_ratios(proposal, points, surface.evaluate(points)[0])
              for points in (weighted.points, moved))
        )  # fmt: skip
        better = weighted._replace(log_evidence=evidence.log, evidence_error=evidence.error)
        return attempt._replace(weighted=better)

    def so_far(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of the most trusted approximation; without one those of the largest
        mode, or some of which nothing is known."""
        tried = [attempt for attempt in self.attempts if attempt.proposal is not None]
        if tried:
            proposal = max(tried, key=trust).proposal
            if proposal is not None:
                return proposal.moments()
        if self.search.modes:
            return self.search.modes[0].point, self.search.modes[0].covariance
        return self.search.origin, 0.1 * np.eye(self.surface.dim)

    def with_modes(self, attempt: Attempt) -> Attempt:
        """The attempt, which is no better than suspect if separate starts disagree."""
        return told_of_modes(attempt, self.search) if self.surface.curved else attempt


def told_of_modes(attempt: Attempt, search: Search) -> Attempt:
    """The attempt, which is no better than suspect if a search found several modes, and fails if
    it found that the density does not change in some direction."""
    if search.improper:
        return attempt._replace(verdict=Verdict("fail", search.trouble), settled=True)
    others = int(np.sum(search.shares() > _SMALL)) if search.modes else 1
    if others > 1 and attempt.verdict.level == "pass":
        shares = ", ".join(f"{share:.0%}" for share in search.shares()[:4])
        reason = (
            f"separate starts disagree: they lead to {others} modes, with about {shares} of "
            "the posterior, and there may be more; the draws cover those found"
        )
        return attempt._replace(verdict=Verdict("suspect", reason), settled=True)
    return attempt


def trust(attempt: Attempt) -> tuple[int, float]:
    """What orders attempts: the level of the verdict, then how many draws count."""
    level = {"pass": 2, "suspect": 1, "fail": 0}[attempt.verdict.level]
    return level, attempt.weighted.size if attempt.weighted else 0.0


def nowhere_finite(climb: Climb) -> Verdict:
    """The verdict where no start has a finite density and slope.

    Raises:
        ValueError: with the part of the model that is not finite, if curvatures are few enough to
            be looked at.
    """
    if climb.surface.curved and climb.search.trouble:
        return Verdict("fail", climb.search.trouble)
    return Verdict("fail", "no start leads where the density and its slope are finite")


def too_many(surface: Surface, most: int) -> Verdict:
    """The verdict of a rung that takes no more than so many free numbers."""
    return Verdict("fail", f"not tried with {surface.dim} free numbers, more than {most}")


class AbstractRung(eqx.Module):
    """A method of approximate inference that a ladder can stand on."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The method, in the words of the field."""

    @abstractmethod
    def attempt(self, climb: Climb) -> Attempt:
        """Approximate the posterior, correct it, and judge."""
