"""What a learner has to offer: one loop drives them all."""

from abc import abstractmethod
from typing import Any

import equinox as eqx

from latentia.inference import AbstractInference

from .expectation import Totals


class AbstractLearner(eqx.Module):
    """An iteration from a model and totals over data to a better model.

    The loop belongs to the library: it evaluates ``expectations`` of the state's ``candidate``, in
    memory or over a stream, and hands the totals to ``step`` until ``done``. ``inference`` is how
    posteriors are found, None for what the model asks for.
    """

    inference: eqx.AbstractVar[AbstractInference | None]

    @abstractmethod
    def init(self, model: Any, problem: Any) -> Any:
        """The state before the first pass over the data."""

    @abstractmethod
    def step(self, state: Any, totals: Totals, problem: Any) -> Any:
        """The state after one more pass, made with the totals of ``state.candidate``."""

    @abstractmethod
    def done(self, state: Any) -> Any:
        """Whether the iteration has ended, well or badly."""
