"""The method that a model's structure asks for. The one place that asks what kind a thing is."""

from latentia.latents import AbstractPosterior
from latentia.model import LatentVariableModel
from latentia.typing import Datum, Key
from latentia.verdict import Exactness

from .exact import Exact
from .interface import AbstractInference


def choose(model: LatentVariableModel) -> AbstractInference:
    """The inference method that ``infer`` and ``score`` will use for a model.

    Raises:
        NotImplementedError: if the model is not conjugate, since no other method is there yet.
    """
    if model.conjugate:
        return Exact()
    raise ValueError(
        "The prior and the likelihood of the model are not conjugate, and this version of latentia "
        "has exact inference only: use a prior that accepts the likelihood's potential."
    )


class Auto(AbstractInference):
    """Choose the method by the structure of the model."""

    @property
    def exactness(self) -> Exactness:
        return Exactness.EXACT

    def infer(
        self, model: LatentVariableModel, x: Datum, key: Key | None = None
    ) -> AbstractPosterior:
        return choose(model).infer(model, x, key)

    def describe(self, model: LatentVariableModel) -> str:
        return choose(model).describe(model)
