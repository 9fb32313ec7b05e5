"""Candidates side by side on data under some engine, one after another."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from latentia.data.engines import engine_of
from latentia.data.interface import AbstractPartitions
from latentia.data.sources import source_of
from latentia.learning import EM
from latentia.learning.streaming import fit_partitioned

from .candidates import Candidate
from .selecting import row_of
from .selection import Selection, best_of

CRITERIA = ("bic", "aic", "icl")


def select_under(
    engine: Any,
    candidates: Callable[[int], Sequence[Candidate]],
    data: Any,
    weights: Any,
    *,
    criterion: str,
    learner: EM,
    key: int,
) -> Selection:
    """Compare candidates for data of so many columns under an engine; see ``latentia.select``."""
    source = source_of(data, weights)
    if learner.checkpoint is not None:
        raise ValueError(
            "checkpoint should be None for a selection, whose candidates would share it: fit them "
            "one by one."
        )
    with closing(engine_of(engine).open(source)) as opened:
        found = candidates(source.width)
        return compare_partitioned(found, opened, criterion=criterion, learner=learner, key=key)


def compare_partitioned(
    candidates: Sequence[Candidate],
    data: AbstractPartitions,
    *,
    criterion: str = "bic",
    learner: EM = EM(),
    key: int = 0,
    watch: Callable[[int, int], None] | None = None,
    checkpoint: Callable[[int], str | None] = lambda number: None,
) -> Selection:
    """Fit candidates to the same data and compare them; see ``latentia.select``.

    Args:
        data: under any engine.
        criterion: "bic", "aic" or "icl".
        watch: told after each candidate how many are done, and of how many.
        checkpoint: the file for the checkpoint of a candidate, by its number from 0.

    Raises:
        ValueError: if the criterion is none of these, or the data cannot be read: what is wrong
            with them is no fault of a candidate.
    """
    if criterion not in CRITERIA:
        raise ValueError(
            f"criterion should be one of {', '.join(CRITERIA)} for data under an engine, but is "
            f"{criterion!r}."
        )
    rows, fits = [], []
    for number, candidate in enumerate(candidates):
        own = replace(learner, checkpoint=checkpoint(number))
        fits.append(fit_partitioned(candidate.model, data, own, key))
        rows.append(row_of(candidate, fits[-1], None))
        if watch is not None:
            watch(number + 1, len(candidates))
    return Selection(rows, fits, criterion, best_of(rows, criterion))
