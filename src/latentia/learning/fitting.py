"""Fitting in memory: distinct rows, units, starts, the loop, and the report."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from latentia.inference import AbstractRefinable, Exact, choose_for_fit
from latentia.inference.batches import largest_error, precise_enough
from latentia.verdict import Exactness

from .condensing import condense
from .em import EM
from .fit_result import Fit
from .moment_rows import second_moment_rows
from .planning import Sample, plan_fit
from .scaling import column_summary
from .status import Status

# Up to this many distinct rows every start sees all the data; beyond, they see a sample of it.
SMALL = 4096
SAMPLE = 2000


def fit_rows(
    model: Any,
    values: np.ndarray,
    weight: np.ndarray,
    labels: np.ndarray | None,
    learner: EM,
    seed: int,
    *,
    watch: Callable[[float, Any], bool] | None = None,
) -> Fit:
    """Maximum likelihood from rows in memory; see ``latentia.fit``. Runs in the caller's precision.

    Args:
        values: ``[N, D]``, NaN where missing.
        weight: ``[N]``.
        labels: ``[N]`` or None.
        watch: called after each iteration of the best start with its objective; true stops the fit.
    """
    inference = choose_for_fit(model) if learner.inference is None else learner.inference
    if isinstance(inference, Exact):
        return _fit_rows(model, values, weight, labels, learner, seed, watch=watch)
    learner = replace(learner, inference=inference)
    fit = _fit_rows(model, values, weight, labels, learner, seed, watch=watch)
    if not isinstance(inference, AbstractRefinable) or not np.isfinite(fit.objective):
        # A bound is computed as exactly as an evidence is.
        error = 0.0 if inference.exactness is Exactness.LOWER_BOUND else float("nan")
        return replace(fit, method=inference.describe(fit.model), error=error)
    starts = {"starts": fit.starts, "start_status": fit.start_status}
    # At the bound of the slopes a curve is a step, for which no grid is fine enough.
    while fit.status is not Status.DEGENERATE:
        finer = precise_enough(fit.model, values, inference)
        if finer == inference:
            break
        inference = finer
        learner = replace(learner, inference=finer, start="given")
        fit = _fit_rows(fit.model, values, weight, labels, learner, seed, watch=watch)
        fit = replace(fit, **starts)
    error = largest_error(fit.model, values, inference)
    return replace(fit, method=inference.describe(fit.model), error=error)


def _fit_rows(
    model: Any,
    values: np.ndarray,
    weight: np.ndarray,
    labels: np.ndarray | None,
    learner: EM,
    seed: int,
    *,
    watch: Callable[[float, Any], bool] | None = None,
) -> Fit:
    """One fit, with one method of inference; for the arguments see ``fit_rows``."""
    dtype = values.dtype
    sample = None
    if len(values) <= SMALL:
        # First of all, so that no sum below can tell a repeated row from its weight.
        sample = sample_of(values, weight, labels, seed)
        values, weight, labels = sample.values, sample.mass, sample.labels
    centre, spread = column_summary(values, weight)
    seen = ~np.isnan(values)
    total = float(weight[seen.any(axis=1)].sum())
    complete = bool(seen.all())
    enough = len(values) > 4 * values.shape[1]
    if complete and enough and labels is None and model.likelihood.quadratic:
        values, weight = second_moment_rows(values, weight, centre, spread)
        seen = np.ones(values.shape, bool)
        sample = None
    if sample is None:
        sample = sample_of(values, weight, labels, seed)
    plan, models = plan_fit(model, sample, centre, spread, total, learner, seed, dtype)
    # How often each column was observed, in units of weight.
    counts = np.full(values.shape[1], weight.sum()) if complete else weight @ seen
    offset = float(counts @ np.log(plan.units.scale))
    return plan.fit(models, values, weight, labels, sample, total, offset, watch)


def sample_of(
    values: np.ndarray, weight: np.ndarray, labels: np.ndarray | None, seed: int
) -> Sample:
    """Distinct rows in a canonical order, so that neither order nor repetition matters."""
    table = values if labels is None else np.column_stack([values, labels])
    few = len(values) <= SMALL
    unique, mass, _ = condense(table, weight, limit=SMALL if few else SAMPLE, seed=seed)
    if labels is None:
        return Sample(unique, mass, None, few)
    return Sample(unique[:, :-1], mass, unique[:, -1].astype(np.int32), few)
