"""Exact inference: the potential is the likelihood's own."""

from typing import Any

from latentia.latents import AbstractPosterior
from latentia.latents.expected import expected
from latentia.model import LatentVariableModel
from latentia.typing import Datum, Key, Moments, Scalar
from latentia.verdict import Exactness

from .interface import AbstractInference


class Exact(AbstractInference):
    """Condition the prior on the likelihood's own potential, where the two are conjugate."""

    @property
    def exactness(self) -> Exactness:
        return Exactness.EXACT

    def infer(
        self, model: LatentVariableModel, x: Datum, key: Key | None = None
    ) -> AbstractPosterior:
        parts: Any = model
        return self.condition(parts.prior, parts.likelihood.potential(x))

    def condition(self, prior: Any, potential: Any) -> AbstractPosterior:
        return prior.condition(potential)

    def expect(self, prior: Any, potential: Any) -> tuple[Moments, Scalar]:
        return expected(prior, potential)

    def describe(self, model: LatentVariableModel) -> str:
        parts: Any = model
        return f"{parts.prior.algorithm} ({self.exactness})"
