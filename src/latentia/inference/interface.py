"""What an inference method has to offer: a posterior for one x."""

from abc import abstractmethod

import equinox as eqx

from latentia.latents import AbstractPosterior
from latentia.model import LatentVariableModel
from latentia.typing import Datum, Key
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
    def describe(self, model: LatentVariableModel) -> str:
        """What the method does for this model, in the words of the field."""
