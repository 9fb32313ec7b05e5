"""What a fit returns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from latentia.model import Route
from latentia.verdict import Verdict

from .status import Status

# Starts whose objectives differ by no more than this, per row, found the same optimum.
SAME_OPTIMUM = 1e-5
# A larger error in the log-likelihood of a row is worth a warning.
ROUGH = 1e-4


@dataclass(frozen=True, repr=False)
class Fit:
    """A fitted model, and how far to trust the fit.

    Attributes:
        model: the fitted model.
        objective: the maximised objective per unit of weight: the log-likelihood, and the log prior
            if there is one.
        log_likelihood: the log-likelihood of all the data.
        trace: the objective after each pass over the data.
        status: how the fit ended; ``str(status)`` is a sentence.
        starts: the final objective of each start, NaN if it failed.
        start_status: how each start ended.
        weight: the sum of the weights of rows with an observed entry, the n of criteria.
        degrees_of_freedom: how many free parameters the model has.
        uncertainty: the total entropy of the posterior over states, in nats, or what computes it.
        method: how posteriors were found: "exact", or an approximation by name.
        error: the largest estimated error in the log-likelihood of a row, or in its lower bound;
            NaN if unknown.
    """

    model: Any
    objective: float
    log_likelihood: float
    trace: np.ndarray
    status: Status
    starts: np.ndarray
    start_status: tuple[Status, ...]
    weight: float
    degrees_of_freedom: int
    uncertainty: float | Callable[[], float] = 0.0
    columns: tuple[str, ...] | None = field(default=None)
    method: str = "exact"
    error: float = 0.0

    @property
    def entropy(self) -> float:
        """The total entropy of the posterior over states, in nats: 0 if every row is certain."""
        return float(self.uncertainty() if callable(self.uncertainty) else self.uncertainty)

    @property
    def converged(self) -> bool:
        """Whether the objective is within the tolerance of its limit."""
        return self.status is Status.CONVERGED

    @property
    def iterations(self) -> int:
        """How many passes over the data the best start took."""
        return len(self.trace)

    @property
    def measure(self) -> str:
        """What ``log_likelihood`` is: that, or a lower bound of it."""
        bound = self.model.route is Route.BOUND
        return "lower bound of the log-likelihood" if bound else "log-likelihood"

    @property
    def reached(self) -> int:
        """How many starts reached the best objective."""
        return int(np.sum(self._ended >= self._best - SAME_OPTIMUM))

    @property
    def gap(self) -> float | None:
        """By how much the best optimum beats the second, per row; None if there is one only."""
        others = self._ended[self._ended < self._best - SAME_OPTIMUM]
        return float(self._best - others.max()) if others.size else None

    @property
    def _best(self) -> float:
        return float(self._ended.max(initial=-np.inf))

    @property
    def _ended(self) -> np.ndarray:
        return self.starts[np.isfinite(self.starts)]

    @property
    def bic(self) -> float:
        """Bayesian information criterion: lower is better (Schwarz 1978)."""
        return self.degrees_of_freedom * float(np.log(self.weight)) - 2 * self.log_likelihood

    @property
    def aic(self) -> float:
        """Akaike information criterion: lower is better (Akaike 1974)."""
        return 2 * self.degrees_of_freedom - 2 * self.log_likelihood

    @property
    def icl(self) -> float:
        """Integrated completed likelihood: BIC plus twice the entropy of the posterior.

        Lower is better (Biernacki, Celeux and Govaert 2000, with soft assignments).
        """
        return self.bic + 2 * self.entropy

    @property
    def verdict(self) -> Verdict:
        """How far to trust that this is the maximum of the likelihood."""
        if self.status in (Status.FELL, Status.NON_FINITE, Status.DEGENERATE):
            return Verdict("fail", str(self.status))
        if self.status is not Status.CONVERGED:
            return Verdict("suspect", str(self.status))
        if len(self.starts) > 1 and self.reached == 1:
            return Verdict(
                "suspect",
                f"Only 1 of {len(self.starts)} starts reached the best objective, so a better "
                "maximum may exist; raise n_init.",
            )
        if not self.error <= ROUGH:
            return Verdict(
                "suspect",
                f"{self.accuracy} Compare it only with fits by the same method.",
            )
        count = len(self.starts)
        reached = f"{self.reached} of {count} starts" if count > 1 else "One start"
        return Verdict("pass", f"{reached} reached this maximum. {self.status}")

    @property
    def accuracy(self) -> str:
        """How the posteriors were found, and how far the log-likelihood is from the truth."""
        if self.method == "exact":
            return "Exact."
        if self.measure != "log-likelihood":
            # By how much it falls short is not known.
            return f"By {self.method}: the log-likelihood itself is higher."
        if not np.isfinite(self.error):
            return f"Approximate, by {self.method}."
        return (
            f"By {self.method}: the log-likelihood of each row is right to about {self.error:.0e}."
        )

    def __repr__(self) -> str:
        how = "" if self.method == "exact" else f"  {self.accuracy}\n"
        return (
            f"Fit: {self.measure} {self.log_likelihood:.6g} with {self.degrees_of_freedom} "
            f"parameters, BIC {self.bic:.6g}, {self.iterations} iterations\n"
            f"{how}  {self.verdict}\n{self.model!r}"
        )


class FitInterrupted(KeyboardInterrupt):
    """Ctrl-C came during a fit. ``fit`` holds the last completed iteration."""

    def __init__(self, fit: Fit) -> None:
        super().__init__("The fit was interrupted; its last completed iteration is in .fit.")
        self.fit = fit
