"""Fitting sequences: the same steps as for rows, where a datum is a whole sequence."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from latentia.data.sequences import (
    Sequences,
    block_steps,
    read_sequences,
    read_step_labels,
    sequence_form,
    sequence_groups,
)
from latentia.data.table import Table, read_weights, require_observed
from latentia.distributions.given import inputs
from latentia.inference.sequences import require_columns
from latentia.precision import on_host, precision_of
from latentia.typing import Form

from .em import EM
from .fit_result import Fit
from .fitting import sample_of
from .planning import Plan, Sample, plan_fit, safe_products
from .scaling import column_summary

# Up to this many steps every start sees all sequences; beyond, they see some of them.
SMALL = 8192
SAMPLE = 4096


def fit_any_sequences(
    model: Any, data: Any, *, weights: Any, labels: Any, learner: EM, seed: int
) -> Fit:
    """Read sequences of any make, and fit; see ``latentia.fit``."""
    read = read_sequences(data)
    require_observed(Table(read.values, read.columns))
    require_columns(model, read, "data")
    weight = read_weights(weights, len(read.lengths))
    codes = read_step_labels(labels, read.lengths, model.likelihood.states)
    with precision_of(model, read.values):
        wide = np.result_type(read.values, *(leaf.dtype for leaf in jax.tree.leaves(model)))
        read = read._replace(values=read.values.astype(wide, copy=False))
        weight = np.ones(len(read.lengths)) if weight is None else weight
        found = fit_sequences(model, read, weight, codes, learner, seed)
        return replace(found, model=on_host(found.model), columns=read.columns)


def fit_sequences(
    model: Any,
    data: Sequences,
    weight: np.ndarray,
    labels: np.ndarray | None,
    learner: EM,
    seed: int,
    *,
    watch: Callable[[float, Any], bool] | None = None,
) -> Fit:
    """Maximum likelihood from sequences in memory; see ``latentia.fit``.

    The objective is per observed step. Runs in the caller's precision.

    Args:
        data: the sequences, NaN where an entry is missing.
        weight: ``[N]``.
        labels: ``[R]``, the known states of all steps, or None.
        watch: called after each iteration of the best start with its objective; true stops the fit.
    """
    rows, each = data.values, np.repeat(weight, data.lengths)
    centre, spread = column_summary(rows, each)
    described = rows.shape[1] - inputs(model.likelihood)
    seen = ~np.isnan(rows[:, :described])
    some: np.ndarray = seen.any(axis=1)  # pyright: ignore[reportAssignmentType]
    total = float(each[some].sum())
    sample = _sample(data, each, some, labels, seed)
    plan, models = plan_fit(model, sample, centre, spread, total, learner, seed, rows.dtype)
    offset = float((each @ seen) @ np.log(plan.units.scale[:described]))
    form = sequence_form(data)
    starts, count = None, jax.tree.leaves(models)[0].shape[0]
    if count > 1 and len(rows) > SMALL:
        chosen, lengths = drawn_sequences(data.lengths, weight, seed)
        rows = np.concatenate(
            [np.arange(s, s + n) for s, n in zip(data.starts[chosen], lengths, strict=True)]
        )
        some_data = Sequences(data.values[rows], lengths, data.columns)
        some_weight = weight[chosen]
        some_labels = None if labels is None else labels[rows]
        blocks = blocks_in(plan, some_data, some_weight, some_labels)
        heavy = float(np.repeat(some_weight, some_data.lengths).sum())
        starts, models = plan.on_sample(models, blocks, heavy, sequence_form(some_data))
    blocks = blocks_in(plan, data, weight, labels)
    radius = max(float(np.sqrt(np.nanmax(np.nansum(part.x**2, axis=-1)))) for part in blocks)
    if starts is not None or count == 1:
        narrow = np.asarray(radius, rows.dtype)
        safe = safe_products(models.likelihood, narrow, form is Form.MISSING)
        form = Form.PRODUCTS if bool(safe.all()) else form
    return plan.climb(models, blocks, form, radius, starts, total, offset, watch)


def _sample(
    data: Sequences, each: np.ndarray, some: np.ndarray, labels: np.ndarray | None, seed: int
) -> Sample:
    """Distinct steps, each with the mean of its surroundings as context."""
    known = None if labels is None else labels[some]
    sample = sample_of(with_surroundings(data)[some], each[some], known, seed)
    return in_context(sample, data.values.shape[1])


def in_context(sample: Sample, columns: int) -> Sample:
    """A sample of what ``with_surroundings`` returns: values, and apart from them their context."""
    values, context = sample.values[:, :columns], sample.values[:, columns:]
    return sample._replace(values=values, context=context)


def with_surroundings(data: Sequences) -> np.ndarray:
    """``[R, 2D]``: the steps, each beside the mean of its surroundings."""
    return np.concatenate([data.values, _surroundings(data)], axis=1)


def _surroundings(data: Sequences, reach: int = 2) -> np.ndarray:
    """``[R, D]``: the mean of the steps up to ``reach`` before and after, in the same sequence."""
    values = np.nan_to_num(data.values)
    seen = (~np.isnan(data.values)).astype(values.dtype)
    number = np.repeat(np.arange(len(data.lengths)), data.lengths)
    total, count = np.zeros_like(values), np.zeros_like(values)
    for lag in [*range(-reach, 0), *range(1, reach + 1)]:
        here = slice(max(0, -lag), len(values) - max(0, lag))
        there = slice(max(0, lag), len(values) - max(0, -lag))
        same = (number[here] == number[there])[:, None]
        total[here] += same * values[there]
        count[here] += same * seen[there]
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / count, np.nan)


def blocks_in(plan: Plan, data: Sequences, weight: np.ndarray, labels: Any) -> Any:
    """Sequences as blocks in the units of the plan."""
    groups = sequence_groups(
        data, weight, labels, centre=plan.units.centre, scale=plan.units.scale, dtype=plan.dtype,
        exact=True, steps=block_steps(data, plan.given.likelihood),
    )  # fmt: skip
    return tuple(group.blocks for group in groups)


def drawn_sequences(
    lengths: np.ndarray, weight: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sequences drawn at random until there are ``SAMPLE`` steps, and how many steps of each.

    The last one is cut short.
    """
    order = np.random.default_rng([seed, 3]).permutation(np.flatnonzero(weight > 0))
    chosen = order[: int(np.searchsorted(np.cumsum(lengths[order]), SAMPLE)) + 1]
    kept = lengths[chosen].copy()
    kept[-1] -= max(0, int(kept.sum()) - SAMPLE)
    return chosen, kept
