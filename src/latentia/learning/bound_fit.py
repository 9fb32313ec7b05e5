"""What a fit by stochastic gradient returns."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from latentia.verdict import Verdict


class Ending(IntEnum):
    """How training ended. ``str`` of it is a sentence with the cause and the remedy."""

    RUNNING = 0
    NO_BETTER = 1
    LAST_EPOCH = 2
    NON_FINITE = 3
    INTERRUPTED = 4
    STOPPED = 5

    def __str__(self) -> str:
        return _MESSAGES[self]


_MESSAGES = {
    Ending.RUNNING: "Training has not ended.",
    Ending.NO_BETTER: "Stopped early: the held-out bound did not rise any more.",
    Ending.LAST_EPOCH: "All epochs were run, and the rate of learning had fallen to its end.",
    Ending.NON_FINITE: (
        "Failed: a number became NaN or infinite; the weights are the best ones before. Lower "
        "learning_rate or clip."
    ),
    Ending.INTERRUPTED: "Interrupted: the weights are the best ones of whole epochs.",
    Ending.STOPPED: "Stopped by a callback: the weights are the best ones of whole epochs.",
}


class Epoch(NamedTuple):
    """One pass over the data, in nats for each datum: the ``bound`` on the training data while
    they were seen, its ``distortion`` and ``rate``, the bound on ``held_out`` data (NaN without),
    how many coordinates are ``active`` (a rate above 0.01; -1 if unknown), and ``seconds``."""

    epoch: int
    bound: float
    distortion: float
    rate: float
    held_out: float
    active: int
    seconds: float


@dataclass(frozen=True, repr=False)
class BoundFit:
    """A model fitted through a lower bound of its likelihood, and how far to trust the fit.

    Attributes:
        model: the model with the best weights, its encoder included.
        objective: what was maximised, in words; it says if that is no bound.
        epochs: an ``Epoch`` for each pass over the data.
        best: the number of the epoch whose weights the model has.
        status: how training ended; ``str(status)`` is a sentence.
        where: the step at which a number was not finite, if one was.
        weight: the sum of the weights of the training data.
        is_bound: whether the objective is a lower bound of the log-likelihood.
    """

    model: Any
    objective: str
    epochs: tuple[Epoch, ...]
    best: int
    status: Ending
    where: str
    weight: float
    is_bound: bool

    @property
    def bound(self) -> float:
        """The lower bound of the log-likelihood per datum at the best epoch: held out, if any."""
        if not self.epochs:
            return float("nan")
        row = self.epochs[self.best]
        return row.held_out if np.isfinite(row.held_out) else row.bound

    @property
    def trace(self) -> np.ndarray:
        """The bound on the training data after each epoch."""
        return np.array([row.bound for row in self.epochs])

    @property
    def held_out_trace(self) -> np.ndarray:
        """The bound on the held-out data after each epoch."""
        return np.array([row.held_out for row in self.epochs])

    @property
    def iterations(self) -> int:
        """How many passes over the data were made."""
        return len(self.epochs)

    @property
    def converged(self) -> bool:
        """Whether training ended by itself."""
        return self.status in (Ending.NO_BETTER, Ending.LAST_EPOCH)

    @property
    def verdict(self) -> Verdict:
        """How far to trust the weights; ``latentia.evaluate`` judges the model itself."""
        if self.status is Ending.NON_FINITE:
            return Verdict("fail", f"{self.status} ({self.where})")
        if not self.converged:
            return Verdict("suspect", str(self.status))
        row = self.epochs[self.best]
        if not np.isfinite(row.held_out):
            return Verdict(
                "suspect", "No data were held out, so nothing tells whether the model overfits."
            )
        if row.active == 0:
            return Verdict(
                "suspect",
                "No latent coordinate is used (posterior collapse): raise warm_up or free_bits of "
                "the ELBO, or weaken the decoder.",
            )
        if self.status is Ending.LAST_EPOCH and self.best >= len(self.epochs) - 1 > 0:
            gain = row.held_out - self.epochs[self.best - 1].held_out
            if gain > 1e-3 * abs(row.rate):
                return Verdict("suspect", "The held-out bound was still rising: raise epochs.")
        return Verdict("pass", str(self.status))

    def __repr__(self) -> str:
        told = ""
        if self.epochs:
            row = self.epochs[self.best]
            which = "held out" if np.isfinite(row.held_out) else "training"
            told = (
                f"  bound {self.bound:.6g} per datum ({which}), distortion {row.distortion:.6g}, "
                f"rate {row.rate:.4g}\n"
            )
        return (
            f"BoundFit: {self.objective}, best of {len(self.epochs)} epochs: {self.best + 1}\n"
            f"{told}  {self.verdict}\n{self.model!r}"
        )


class BoundFitInterrupted(KeyboardInterrupt):
    """Ctrl-C came during training. ``fit`` holds the best weights of whole epochs."""

    def __init__(self, fit: BoundFit) -> None:
        super().__init__("Training was interrupted; the best weights so far are in .fit.")
        self.fit = fit
