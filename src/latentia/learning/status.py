"""How a fit ended: a status that is its own message."""

from enum import IntEnum


class Status(IntEnum):
    """How a fit ended. ``str`` of it is a sentence with the cause and the remedy."""

    RUNNING = 0
    CONVERGED = 1
    STEP_LIMIT = 2
    FELL = 3
    DEGENERATE = 4
    NON_FINITE = 5
    INTERRUPTED = 6
    STOPPED = 7

    @property
    def label(self) -> str:
        """One or two words, for a table."""
        return self.name.lower().replace("_", " ")

    def __str__(self) -> str:
        return _MESSAGES[self]


_MESSAGES = {
    Status.RUNNING: "The fit has not ended.",
    Status.CONVERGED: "Converged: the objective is within the tolerance of its limit.",
    Status.STEP_LIMIT: (
        "Not converged: the limit on iterations was reached; raise max_iter, or tol."
    ),
    Status.FELL: (
        "Failed: the objective fell in a step that must not lower it, which points to lost "
        "precision; rescale the data, or use float64."
    ),
    Status.DEGENERATE: (
        "Degenerate: a component has shrunk to the smallest variance allowed (or a slope has grown "
        "to its bound), so its likelihood means nothing; use fewer components or a simpler "
        "covariance, and leave out columns that are constant or repeat others."
    ),
    Status.NON_FINITE: (
        "Failed: the objective or a parameter became NaN or infinite, most likely because a "
        "component lost its variance (set covariance_floor above 0, or use fewer components) or a "
        "value is impossible (a negative count, say)."
    ),
    Status.INTERRUPTED: "Interrupted: the parameters are those of the last completed iteration.",
    Status.STOPPED: "Stopped by a callback: the parameters are those of its last iteration.",
}
