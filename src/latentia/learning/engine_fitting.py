"""Fitting data that are given by a path, or under an engine of the user's choice."""

from contextlib import closing
from typing import Any

from latentia.data.engines import engine_of
from latentia.data.sources import source_of
from latentia.inference.sequences import is_sequential

from .em import EM
from .fit_result import Fit
from .streaming import fit_partitioned


def fit_under(
    engine: Any, model: Any, data: Any, weights: Any, labels: Any, learner: EM, seed: int
) -> Fit:
    """Maximum likelihood under an engine; see ``latentia.fit``.

    Args:
        engine: an engine or its name; None is "stream".
        data: a stream, a path, or a table.

    Raises:
        ValueError: if something does not fit.
        FitInterrupted: at Ctrl-C; its ``fit`` holds the last completed iteration.
    """
    chosen = engine_of("stream" if engine is None else engine)
    if is_sequential(model):
        raise ValueError(
            "engine should be None for a model of sequences, which are fitted in memory: leave it "
            "out, and pass a list of tables."
        )
    with closing(chosen.open(source_of(data, weights, labels))) as opened:
        return fit_partitioned(model, opened, learner, seed)
