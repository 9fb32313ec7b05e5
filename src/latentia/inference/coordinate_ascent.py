"""Coordinate ascent on the evidence lower bound, for priors that have no exact algorithm."""

from typing import Any

from latentia.latents import AbstractPosterior
from latentia.model import LatentVariableModel
from latentia.typing import Datum, Key, Moments, Scalar
from latentia.verdict import Exactness

from .interface import AbstractInference


class CoordinateAscent(AbstractInference):
    """Condition the prior on the likelihood's own potential, by the fixed point that it climbs to.

    The evidence is a lower bound of log p(x).
    """

    @property
    def exactness(self) -> Exactness:
        return Exactness.LOWER_BOUND

    def infer(
        self, model: LatentVariableModel, x: Datum, key: Key | None = None
    ) -> AbstractPosterior:
        parts: Any = model
        return self.condition(parts.prior, parts.likelihood.potential(x))

    def condition(self, prior: Any, potential: Any) -> AbstractPosterior:
        return prior.condition(potential)

    def expect(self, prior: Any, potential: Any) -> tuple[Moments, Scalar]:
        posterior = prior.condition(potential)
        return posterior.moments, posterior.log_evidence

    def describe(self, model: LatentVariableModel) -> str:
        parts: Any = model
        return f"{parts.prior.algorithm} ({self.exactness})"
