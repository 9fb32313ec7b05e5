"""A pilot: some rows of all data, fitted and timed, from which the cost of a fit is estimated."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from latentia.data.interface import Source
from latentia.data.partitioning import partitioned
from latentia.data.table_rows import TableRows
from latentia.precision import precision_of

from .em import EM
from .fitting import SMALL, fit_rows
from .table_fitting import on_host_fit

# So short a time cannot be told from the clock's own.
_QUICKEST = 0.05
_PARTS = 8


def read_some(source: Source, rows: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Rows from all parts of a source with their weights, and the seconds to read one."""
    parts = partitioned(source, _PARTS)
    share, taken, began, count = -(-rows // len(parts)), [], time.perf_counter(), 0
    for part in parts:
        values, mass = next(iter(part.batches()))[:2]
        count += len(values)
        mass = np.ones(len(values)) if mass is None else mass
        # Every so many rows, as a table may be sorted.
        step = max(1, len(values) // share)
        taken.append((values[::step][:share], mass[::step][:share]))
    reading = (time.perf_counter() - began) / count
    values, mass = (np.concatenate(each) for each in zip(*taken, strict=True))
    return values, mass, 0.0 if isinstance(source, TableRows) else reading


def timed(
    model: Any, values: np.ndarray, mass: np.ndarray, learner: EM, seed: int
) -> tuple[Any, float, float, float]:
    """The pilot's fit; seconds for each pass, and for each row of it by the clock and of work."""
    # A row of weight zero costs as much as others.
    mass = np.where(mass.any(), mass, 1.0)
    learner = replace(learner, checkpoint=None)

    def fit(count: int, begin: Any, passes: int, **options: Any) -> Any:
        chosen = replace(learner, **options) if passes == 0 else replace(
            learner, max_iter=passes, tol=0.0, start="given", memory=0, truncation=0.0
        )  # fmt: skip
        with precision_of(begin, np.empty(0)):
            found = fit_rows(begin, values[:count], mass[:count], None, chosen, seed)
            return on_host_fit(found, None)

    found = fit(len(values), model, 0)
    wall, work = _of_a_pass(lambda passes: fit(len(values), found.model, passes))
    whole, half = len(values), len(values) // 2
    if half <= SMALL:
        return found, 0.0, wall / whole, work / whole
    fewer, _ = _of_a_pass(lambda passes: fit(half, found.model, passes))
    # Noise must not make the rows free.
    slope = min(max((wall - fewer) / (whole - half), 0.25 * wall / whole), wall / whole)
    return found, wall - slope * whole, slope, slope * max(work / wall, 1.0)


def _of_a_pass(fit: Callable[[int], Any]) -> tuple[float, float]:
    """Seconds of a pass, by the clock and of work, by fits that differ in their passes."""
    fit(2)
    more = 4
    while True:
        marks = [(time.perf_counter(), time.process_time())]
        for count in (2, 2 + more):
            fit(count)
            marks.append((time.perf_counter(), time.process_time()))
        few, many = np.diff(np.array(marks), axis=0)
        wall, work = (many - few) / more
        if wall * more > _QUICKEST or more >= 64:
            return max(float(wall), 1e-6), max(float(work), 1e-6)
        more *= 4
