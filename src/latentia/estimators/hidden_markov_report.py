"""What the summary of a hidden Markov model says of its states."""

from typing import Any

import numpy as np

from .summary import Report
from .validation import column_names


def report_of(estimator: Any, shares: np.ndarray) -> Report:
    """A row for each state: its share, start, moves, and what it says of each column.

    Args:
        estimator: a fitted hidden Markov model.
        shares: ``[K]``, how much of a long sequence each state takes.
    """
    states = estimator.n_components
    kind = "a stationary" if estimator.stationary else "a free"
    names, levels = _levels(estimator)
    rows = [
        [
            k,
            float(shares[k]),
            float(estimator.startprob_[k]),
            *map(float, estimator.transmat_[k]),
            *map(float, levels[k]),
        ]
        for k in range(states)
    ]
    return Report(
        f"{states} states, {kind} start; share is of a long sequence",
        ["state", "share", "start", *(f"to {j}" for j in range(states)), *names],
        rows,
    )


def _levels(estimator: Any) -> tuple[list[str], np.ndarray]:
    """What each state says of each column ``[K, Q]``, where that is one number, and its name."""
    held = vars(estimator)
    if "emissionprob_" in held:
        found = held["emissionprob_"]
        return [f"category {j}" for j in range(found.shape[1])], found
    for name in ("means_", "lambdas_"):
        if np.ndim(held.get(name)) == 2:
            return [f"mean of {column}" for column in column_names(estimator)], held[name]
    return [], np.empty((estimator.n_components, 0))
