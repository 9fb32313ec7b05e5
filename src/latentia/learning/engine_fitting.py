"""Fitting data that are given by a path, or under an engine of the user's choice."""

from contextlib import closing
from typing import Any

from latentia.data.covariates import require_covariates
from latentia.data.engines import engine_of
from latentia.data.file_rows import AbstractRows
from latentia.data.interface import Source
from latentia.data.sequence_rows import SequenceRows, sequences_in_memory
from latentia.data.sequences import read_sequences, read_step_labels
from latentia.data.sources import is_stream, source_of
from latentia.data.table import Table, read_weights, require_observed
from latentia.distributions.given import drivers
from latentia.inference.sequences import is_sequential
from latentia.latents import AbstractLabelledPrior

from .fit_result import Fit
from .gradient import Gradient
from .streaming import fit_partitioned, glance


def fit_under(
    engine: Any, model: Any, data: Any, weights: Any, labels: Any, learner: Any, seed: int
) -> Fit:
    """Maximum likelihood under an engine; see ``latentia.fit``.

    Args:
        engine: an engine or its name; None is "stream".
        data: a stream, a path, or a table.
        learner: EM, or ``Gradient``.

    Raises:
        ValueError: if something does not fit.
        FitInterrupted: at Ctrl-C; its ``fit`` holds the last completed iteration.
    """
    chosen = engine_of("stream" if engine is None else engine)
    source = _source(model, data, weights, labels)
    with closing(chosen.open(source)) as opened:
        found = fit_partitioned(model, opened, learner.em, seed)
        if not isinstance(learner, Gradient):
            return found
        return learner.refine_under(found, opened, glance(model, opened, seed))


def _source(model: Any, data: Any, weights: Any, labels: Any) -> Source:
    if is_sequential(model) and not is_stream(data):
        read = read_sequences(data)
        require_observed(Table(read.values, read.columns))
        weight = read_weights(weights, len(read.lengths))
        codes = read_step_labels(labels, read.lengths, model.likelihood.states)
        return sequences_in_memory(read, weight, codes)
    source = source_of(data, weights, labels)
    if is_sequential(model) != isinstance(source, SequenceRows):
        kinds = ("sequences", "rows") if is_sequential(model) else ("rows", "sequences")
        raise ValueError(
            f"data should be {kinds[0]}, as the model is of {kinds[0]}, but are {kinds[1]}: open "
            "files with latentia.data.parquet_sequences(path, 'id') for sequences, and with "
            "latentia.data.parquet(path) for rows."
        )
    require_covariates(model, source)
    if source.labelled and not isinstance(model.prior, AbstractLabelledPrior):
        raise ValueError(
            "labels should be None where the stream is opened, since this model has no states: use "
            "a Discrete or a Branching prior."
        )
    if drivers(model.likelihood) and isinstance(source, AbstractRows | SequenceRows):
        return source.driven()
    return source
