"""Fitting a stream: the same steps as in memory, with every total summed batch by batch.

Two passes give the units and the sample that all starts see; then every step of EM is one pass, in
which a thread reads the next batch while the device works on the last. A model whose likelihood is
quadratic needs one more pass in all, for its second moments.
"""

import logging
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from latentia.data.blocks import Blocks, into_blocks
from latentia.data.parquet import ParquetRows
from latentia.data.table import Table, require_observed
from latentia.precision import on_host, precision_of
from latentia.typing import Form

from .em import EM
from .expectation import Totals, expectations
from .fit_result import Fit, FitInterrupted
from .fitting import SMALL, fit_rows, sample_of
from .moment_rows import SecondMoments
from .overview import Overview, overview
from .planning import Plan, Sample, plan_fit, safe_products
from .reporting import entropy
from .running import start
from .status import Status
from .units import Units

logger = logging.getLogger("latentia")

Batch = tuple[np.ndarray, np.ndarray]
T = TypeVar("T")


def fit_stream(
    model: Any, rows: ParquetRows, *, weights: Any, labels: Any, learner: EM, seed: int
) -> Fit:
    """Maximum likelihood from rows that need not fit in memory; see ``latentia.fit``.

    It is what rows in memory give, up to rounding. Each pass over the data is logged, at level INFO
    of the logger "latentia".

    Raises:
        ValueError: if weights or labels are given, or the columns do not fit the model.
        FitInterrupted: at Ctrl-C; its ``fit`` holds the last completed iteration, and NaN as the
            entropy, which takes a pass of its own.
    """
    _require_fitting(model, rows, weights, labels)
    with precision_of(model, np.empty(0)):
        try:
            return _reported(_fit(model, rows, learner, seed), rows)
        except FitInterrupted as stop:
            raise FitInterrupted(_reported(stop.fit, rows)) from None


def _fit(model: Any, rows: ParquetRows, learner: EM, seed: int) -> Fit:
    if rows.rows <= SMALL:
        values, weight = map(np.concatenate, zip(*_batches(rows), strict=True))
        require_observed(Table(values, rows.columns))
        return fit_rows(model, values, weight, None, learner, seed)
    seen = overview(len(rows.columns), lambda: ahead(_batches(rows)), seed)
    require_observed(Table(np.where(seen.observed > 0, 0.0, np.nan)[None], rows.columns))
    if model.likelihood.quadratic and not seen.missing and rows.rows > 4 * len(rows.columns):
        return _fit_moments(model, rows, seen, learner, seed)
    plan, models = _planned(model, seen.sample, seen, learner, seed)
    starts = None
    if jax.tree.leaves(models)[0].shape[0] > 1:
        starts, models = plan.on_rows(models, seen.sample)
        logger.info("the best of %d starts goes on, with all rows", len(starts[0]))
    offset = float(seen.observed @ np.log(plan.units.scale))
    return _climb(plan, models, rows, seen, starts, offset)


def _planned(
    model: Any, sample: Sample, seen: Overview, learner: EM, seed: int
) -> tuple[Plan, Any]:
    summary = seen.centre, seen.spread, seen.total
    return plan_fit(model, sample, *summary, learner, seed, np.dtype(float))


def _fit_moments(model: Any, rows: ParquetRows, seen: Overview, learner: EM, seed: int) -> Fit:
    """The fit of a quadratic model, which needs the data once more."""
    moments = SecondMoments(seen.centre, seen.spread)
    with closing(ahead(_batches(rows))) as batches:
        for values, weight in batches:
            moments.add(values, weight)
    values, mass = moments.rows()
    sample = sample_of(values, mass, None, seed)
    plan, models = _planned(model, sample, seen, learner, seed)
    offset = float(seen.observed @ np.log(plan.units.scale))
    return plan.fit(models, values, mass, None, sample, seen.total, offset, None)


def _climb(
    plan: Plan, models: Any, rows: ParquetRows, seen: Overview, starts: Any, offset: float
) -> Fit:
    """Run the one model that is left on all the data, and report."""
    begun = _begin(plan, models, seen)
    stand, interrupted = begun, False
    objectives: list[float] = []
    try:
        for stand in _steps(plan, begun, rows):
            objectives.append(float(stand.state.objective))
            value = objectives[-1] - offset / seen.total
            logger.info("pass %d: log-likelihood per row %.8g", len(objectives), value)
    except KeyboardInterrupt:
        interrupted = True
    states = jax.tree.map(lambda leaf: leaf[None], stand.state)
    trace = np.full((1, int(stand.state.steps)), float(stand.state.objective))
    trace[0, : len(objectives)] = objectives

    def finish(interrupted: bool) -> Fit:
        def loss(inner: Any) -> float:
            return np.nan if interrupted else _entropy(inner, rows, plan.units, stand.form)

        return plan.finish(
            states,
            trace,
            starts,
            seen.total,
            offset,
            loss,
            Status.INTERRUPTED if interrupted else None,
        )

    try:
        return finish(interrupted)
    except FitInterrupted:
        raise
    except KeyboardInterrupt:
        # It came while the entropy was summed.
        return finish(True)


class _Stand(NamedTuple):
    """The state after a pass, the form in which the data are evaluated, and how far they reach."""

    state: Any
    form: Form
    radius: np.ndarray


def _begin(plan: Plan, models: Any, seen: Overview) -> _Stand:
    radius = np.asarray(seen.radius(plan.units.centre, plan.units.scale))
    form = Form.MISSING if seen.missing else Form.COMPLETE
    if bool(safe_products(models.likelihood, radius, seen.missing).all()):
        form = Form.PRODUCTS
    states = start(plan.kernel, models, plan.problem)
    return _Stand(jax.tree.map(lambda leaf: leaf[0], states), form, radius)


def _steps(plan: Plan, begun: _Stand, rows: ParquetRows) -> Iterator[_Stand]:
    """Where the fit stands after each pass, until the end."""
    state, form, radius = begun
    for _ in range(plan.learner.max_iter):
        if form is Form.PRODUCTS and not _safe(state.candidate.likelihood, radius):
            form = Form.COMPLETE
        totals = _totals(state.candidate, rows, plan.units, form)
        state = _step(plan.kernel, state, totals, plan.problem)
        yield _Stand(state, form, radius)
        if int(state.status) != Status.RUNNING:
            return


def _totals(model: Any, rows: ParquetRows, units: Units, form: Form) -> Totals:
    totals = None
    with closing(_blocks(rows, units)) as batches:
        for data in batches:
            part = _expectations(model, data, form=form)
            totals = part if totals is None else jax.tree.map(jnp.add, totals, part)
            # Batches that wait for the device would fill the memory.
            jax.block_until_ready(totals)
    assert totals is not None
    return totals


@partial(jax.jit, static_argnames=("form",))
def _expectations(model: Any, data: Blocks, *, form: Form) -> Totals:
    return expectations(model, data, form=form, labelled=False)


@partial(jax.jit, static_argnames=("kernel",))
def _step(kernel: EM, state: Any, totals: Totals, problem: Any) -> Any:
    return kernel.step(state, totals, problem)


@jax.jit
def _safe(likelihood: Any, radius: Any) -> Any:
    return likelihood.safe_products(radius, missing=False)


def _entropy(model: Any, rows: ParquetRows, units: Units, form: Form) -> float:
    with closing(_blocks(rows, units)) as batches:
        return sum(float(entropy(model, data, form=form, labelled=False)) for data in batches)


def _batches(rows: ParquetRows) -> Iterator[Batch]:
    for values, weight in rows.batches():
        yield values, np.ones(len(values)) if weight is None else weight


def _blocks(rows: ParquetRows, units: Units) -> Generator[Blocks]:
    """The batches in the units of the fit, all in one shape."""
    size = min(rows.batch_rows, rows.rows)
    return ahead(_block(*batch, units, size) for batch in _batches(rows))


def _block(values: np.ndarray, weight: np.ndarray, units: Units, size: int) -> Blocks:
    count = len(values)
    if count < size:
        # Filled up with the centre, which becomes zero.
        values = np.concatenate([values, np.tile(units.centre, (size - count, 1))])
        weight = np.append(weight, np.zeros(size - count))
    # What fills up has to stay last, where it is not looked at.
    whole = count == size
    data = into_blocks(values, weight, centre=units.centre, scale=units.scale, regroup=whole)
    return data._replace(used=np.int32(-(-count // data.x.shape[1])))


def ahead(items: Iterator[T]) -> Generator[T]:
    """The same items; a thread makes the next one while the caller works with the last."""
    with ThreadPoolExecutor(1, "latentia-reader") as reader:
        coming = reader.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = reader.submit(next, items, None)
            yield item


def _reported(fit: Fit, rows: ParquetRows) -> Fit:
    return replace(fit, model=on_host(fit.model), columns=rows.columns)


def _require_fitting(model: Any, rows: ParquetRows, weights: Any, labels: Any) -> None:
    if weights is not None:
        raise ValueError(
            "weights should be None for a stream, whose weights are one of its columns: name it, "
            "as in latentia.data.parquet(path, weights='w')."
        )
    if labels is not None:
        raise ValueError(
            "labels should be None for a stream, which has no labels in this version: pass the "
            "data as a table, or leave the labels out."
        )
    if len(rows.columns) != model.likelihood.dim:
        raise ValueError(
            f"data should have {model.likelihood.dim} columns, as the model has, but has "
            f"{len(rows.columns)}: choose them by latentia.data.parquet(path, columns=[...])."
        )
