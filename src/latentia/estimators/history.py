"""A callback that keeps the course of a fit."""

from typing import Any


class History:
    """The objective after each iteration, as a callback in scikit-learn's shape.

    ``estimator.set_callbacks(History())`` before ``fit``. Any callback with these four methods may
    stand beside it; one whose ``on_fit_task_end`` returns True stops the fit.

    Args:
        patience: if given, stop once so many iterations in a row gained less than ``least``.
        least: a gain in log-likelihood per row.

    Attributes:
        objectives: the log-likelihood per row after each iteration of the last fit.
    """

    def __init__(self, patience: int | None = None, least: float = 0.0) -> None:
        self.patience = patience
        self.least = least
        self.objectives: list[float] = []

    def setup(self, estimator: Any, context: Any) -> None:
        """Forget the fit before."""
        self.objectives = []

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Nothing to keep yet."""

    def on_fit_task_end(self, estimator: Any, context: Any, *, metadata: Any = None) -> bool:
        """Keep the objective, and say whether to stop."""
        if metadata is None or "objective" not in metadata:
            return False
        self.objectives.append(metadata["objective"])
        recent = self.objectives[-1 - self.patience :] if self.patience else []
        return (
            self.patience is not None
            and len(recent) > self.patience
            and (recent[-1] - recent[0] < self.least)
        )

    def teardown(self, estimator: Any, context: Any) -> None:
        """Keep what there is."""
