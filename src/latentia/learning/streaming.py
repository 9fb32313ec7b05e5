"""Fitting partitioned data: the same steps as in memory, with every total summed by an engine.

Two passes give the units and the sample that all starts see; then every step of EM is one pass. A
model whose likelihood is quadratic needs one more pass in all, for its second moments.
"""

import logging
from contextlib import closing
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from latentia.data.interface import AbstractPartitions, Source
from latentia.data.reading import ahead, weighted_batches, whole
from latentia.data.sequence_rows import SequenceRows
from latentia.data.table import Table, read_labels, require_observed
from latentia.inference import Exact, choose_for_fit
from latentia.precision import precision_of

from .em import EM
from .fit_result import Fit, FitInterrupted
from .fitting import SMALL, fit_rows, sample_of
from .moment_rows import SecondMoments
from .overview import Overview, overview
from .passes import Passes, signature
from .planning import Plan, Sample, plan_fit
from .streamed_sequences import fit_sequence_partitions, sequence_overview
from .table_fitting import on_host_fit
from .truncation import require_truncatable

logger = logging.getLogger("latentia")


def fit_partitioned(model: Any, data: AbstractPartitions, learner: EM, seed: int) -> Fit:
    """Maximum likelihood from data under some engine; see ``latentia.fit``.

    It is what rows in memory give, up to rounding. Each pass over the data is logged, at level INFO
    of the logger "latentia".

    Raises:
        ValueError: if the columns do not fit the model.
        CheckpointError: if the learner names a checkpoint of another fit.
        FitInterrupted: at Ctrl-C; its ``fit`` holds the last completed iteration, and NaN as the
            entropy, which takes a pass of its own.
    """
    if data.source.width != model.likelihood.dim:
        raise ValueError(
            f"data should have {model.likelihood.dim} columns, as the model has, but has "
            f"{data.source.width}: choose them by columns=[...] where they are opened."
        )
    if learner.truncation > 0:
        require_truncatable(model, None, engine=True)
    columns = data.source.columns
    with precision_of(model, np.empty(0)):
        try:
            fitted = fit_sequence_partitions if isinstance(data.source, SequenceRows) else _fit
            return on_host_fit(fitted(model, data, learner, seed), columns)
        except FitInterrupted as stop:
            raise FitInterrupted(on_host_fit(stop.fit, columns)) from None


def glance(model: Any, data: AbstractPartitions, seed: int) -> Overview:
    """The overview of rows or sequences under an engine."""
    if isinstance(data.source, SequenceRows):
        return sequence_overview(data, model, seed)[0]
    return overview(data, seed, model.likelihood.states)


def _fit(model: Any, data: AbstractPartitions, learner: EM, seed: int) -> Fit:
    rows = data.source
    if rows.rows <= SMALL:
        values, weight, label = whole(rows)
        require_observed(Table(values, rows.columns))
        codes = read_labels(label, len(values), model.likelihood.states)
        return fit_rows(model, values, weight, codes, learner, seed)
    seen = overview(data, seed, model.likelihood.states)
    require_observed(Table(np.where(seen.observed > 0, 0.0, np.nan)[None], rows.columns))
    enough = not seen.missing and not rows.labelled and rows.rows > 4 * rows.width
    if model.likelihood.quadratic and enough:
        return _fit_moments(model, data, seen, learner, seed)
    plan, models = _planned(model, seen.sample, seen, learner, seed)
    starts = None
    if jax.tree.leaves(models)[0].shape[0] > 1:
        starts, models = plan.on_rows(models, seen.sample)
        logger.info("the best of %d starts goes on, with all rows", len(starts[0]))
    fit = Passes(plan, data, seen, starts, signature(model, learner, seed)).run(models)
    inference = choose_for_fit(model) if learner.inference is None else learner.inference
    if isinstance(inference, Exact):
        return fit
    return replace(fit, method=inference.describe(fit.model), error=float("nan"))


def _planned(
    model: Any, sample: Sample, seen: Overview, learner: EM, seed: int
) -> tuple[Plan, Any]:
    summary = seen.centre, seen.spread, seen.total
    return plan_fit(model, sample, *summary, learner, seed, np.dtype(float))


def _fit_moments(
    model: Any, data: AbstractPartitions, seen: Overview, learner: EM, seed: int
) -> Fit:
    """The fit of a quadratic model, which needs the data once more."""
    moments, *others = data.gather(_moments, [(seen.centre, seen.spread)] * data.count)
    for other in others:
        moments.join(other)
    values, mass = moments.rows()
    sample = sample_of(values, mass, None, seed)
    plan, models = _planned(model, sample, seen, learner, seed)
    offset = float(seen.observed @ np.log(plan.units.scale))
    return plan.fit(models, values, mass, None, sample, seen.total, offset, None)


def _moments(part: Source, scaling: tuple[np.ndarray, np.ndarray]) -> SecondMoments:
    moments = SecondMoments(*scaling)
    with closing(ahead(weighted_batches(part))) as batches:
        for values, weight, _ in batches:
            moments.add(values, weight)
    return moments
