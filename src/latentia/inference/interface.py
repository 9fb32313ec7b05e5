"""What an inference method has to offer: a posterior for one x."""

from abc import abstractmethod
from typing import Any, Self

import equinox as eqx

from latentia.latents import AbstractPosterior
from latentia.model import LatentVariableModel
from latentia.typing import Datum, Key, Moments, Scalar
from latentia.verdict import Exactness


class AbstractInference(eqx.Module):
    """A method that turns one x into a posterior of z.

    Methods differ in one thing: where the potential comes from that the prior is conditioned on.
    """

    @property
    @abstractmethod
    def exactness(self) -> Exactness:
        """What kind of numbers the method returns."""

    @abstractmethod
    def infer(
        self, model: LatentVariableModel, x: Datum, key: Key | None = None
    ) -> AbstractPosterior:
        """The posterior of z given one x."""

    @abstractmethod
    def condition(self, prior: Any, potential: Any) -> AbstractPosterior:
        """The posterior of z under a prior and the evidence of one x."""

    @abstractmethod
    def expect(self, prior: Any, potential: Any) -> tuple[Moments, Scalar]:
        """What learning needs of the posterior: moments, and the log evidence."""

    @abstractmethod
    def describe(self, model: LatentVariableModel) -> str:
        """What the method does for this model, in the words of the field."""


class AbstractRefinable(AbstractInference):
    """A method with a finer version of itself, whose posteriors estimate their own ``error``."""

    # The largest error in the log evidence of a row that needs no refinement.
    tolerance: eqx.AbstractVar[float]

    @abstractmethod
    def refined(self, dim: int) -> Self | None:
        """The next finer method for L = ``dim``, or None if it would be too large."""
