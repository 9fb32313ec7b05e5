"""Choosing the number of topics: every number is fitted, and the best is kept."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from latentia.selection import Selection
from latentia.selection.selection import best_of

from .counts import read_counts, read_weight

_FOLDS = 5


def choose_topics(
    estimator: Any,
    X: Any,
    components: Sequence[int],
    *,
    criterion: str = "bic",
    sample_weight: Any = None,
    watch: Callable[[int, int], None] | None = None,
) -> tuple[Any, Selection]:
    """Fit a topic model with different numbers of topics, and keep the best.

    Args:
        estimator: it gives all other parameters; it is not changed.
        X: ``[N, V]``, counts, as for its ``fit``.
        components: the numbers of topics.
        criterion: "bic" or "aic", of the lower bound, or "held_out", the log probability of a word
            in documents that were left out, given half of their words.
        sample_weight: ``[N]``, not negative.
        watch: told how many candidates are done, and of how many.

    Returns:
        A fitted estimator, and the ``Selection``.

    Raises:
        ValueError: if the criterion is another, or there are too few documents to leave some out.
    """
    if criterion not in ("bic", "aic", "held_out"):
        raise ValueError(
            f"criterion should be bic, aic or held_out for topics, but is {criterion!r}: a "
            "document has no one cluster."
        )
    counts = read_counts(copy.deepcopy(estimator), X, reset=True)
    weight = read_weight(sample_weight, counts)
    shells, table = [], []
    for done, count in enumerate(components):
        shell = copy.deepcopy(estimator).set_params(n_components=count)
        held = _held_out(shell, counts, weight) if criterion == "held_out" else None
        shells.append(shell.fit(X, sample_weight=weight))
        table.append(_row(count, shell.fit_, held))
        if watch is not None:
            watch(done + 1, len(components))
    index = best_of(table, criterion)
    found = Selection(table, [shell.fit_ for shell in shells], criterion, index)
    return shells[index or 0], found


def _held_out(estimator: Any, counts: Any, weight: np.ndarray) -> float:
    rows = counts.shape[0]
    if rows < 2:
        raise ValueError("X should have at least 2 documents, to leave some out, but has 1.")
    order = np.random.default_rng(0).permutation(rows)
    out = np.zeros(rows, bool)
    out[order[: max(1, rows // _FOLDS)]] = True
    fitted = copy.deepcopy(estimator).fit(counts[~out], sample_weight=weight[~out])
    return -float(np.log(fitted.completion_perplexity(counts[out])))


def _row(count: int, fit: Any, held_out: float | None) -> dict[str, Any]:
    return {
        "components": count,
        "covariance": None,
        "factors": None,
        "status": fit.status.label,
        "log_likelihood": fit.log_likelihood,
        "degrees_of_freedom": fit.degrees_of_freedom,
        "bic": fit.bic,
        "aic": fit.aic,
        "icl": None,
        "held_out": held_out,
    }
