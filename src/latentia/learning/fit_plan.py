"""Before long work: how many bytes, passes and seconds a fit will take, and on which engine.

A pilot on some of the rows is fitted and timed. What a pass costs is then a line in the number of
rows: the M-step and what else is done once, and for each row its share of the E-step and of
reading.
"""

import os
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from latentia.data.dask_rows import DaskRows
from latentia.data.interface import Source
from latentia.data.parquet_files import found as files_of
from latentia.data.partitioning import partitioned
from latentia.data.sequence_rows import SequenceRows
from latentia.data.sources import is_path, source_of
from latentia.data.table import Table, require_observed
from latentia.data.table_rows import TableRows

from .em import EM
from .fitting import SMALL
from .pilot import read_some, timed
from .truncation import require_truncatable

# Rows that are held at once in a pass: a batch that is read, one that is worked on, and copies.
_BATCHES = 4
# What Python, JAX and compiled programs take.
_BASE = 400e6
# Copies of the data while they are brought into blocks.
_COPIES = 3
# Seconds to ask workers and to add up, in each pass (docs/benchmarks.md).
_ASKING = {"processes": 0.05, "dask": 0.2}


class Cost(NamedTuple):
    """What an engine would take: seconds for a pass, bytes of memory for each worker, how many
    workers, and whether that memory is there."""

    seconds: float
    memory: float
    workers: int
    fits: bool


@dataclass(frozen=True, repr=False)
class FitPlan:
    """What a fit will take, as far as a pilot can tell.

    Attributes:
        rows: N.
        columns: D.
        parameters: how many free ones the model has.
        passes: how many passes over the data the pilot's fit took, and two that come before.
        bytes: how many bytes of numbers one pass reads.
        stored: how many bytes the files have, 0 for a table in memory.
        engine: the engine to choose.
        reason: why, in a sentence.
        costs: of each engine that could be used here its ``Cost``.
        pilot: how many rows the pilot had.
        certain: whether the pilot's fit converged, so that ``passes`` means something.
    """

    rows: int
    columns: int
    parameters: int
    passes: int
    bytes: int
    stored: int
    engine: str
    reason: str
    costs: dict[str, Cost]
    pilot: int
    certain: bool

    @property
    def seconds(self) -> float:
        """The expected seconds of all passes on the engine to choose."""
        return self.passes * self.costs[self.engine].seconds

    @property
    def memory(self) -> float:
        """The bytes of memory for each worker of the engine to choose."""
        return self.costs[self.engine].memory

    def __repr__(self) -> str:
        about = "about" if self.certain else "more than"
        stored = f", {_bytes(self.stored)} in files" if self.stored else ""
        lines = [
            f"A fit of {self.parameters:,} parameters to {self.rows:,} rows of {self.columns} "
            f"columns{stored}",
            f"  passes            {about} {self.passes} (by a pilot on {self.pilot:,} rows)",
            f"  read in a pass    {_bytes(self.bytes)}",
            f"  in all            {about} {_duration(self.seconds)}",
            f"  engine            {self.engine!r}: {self.reason}",
        ]
        for name, cost in self.costs.items():
            count = f" on {cost.workers} workers" if cost.workers > 1 else ""
            room = "" if cost.fits else ", more than there is"
            lines.append(
                f"    {name:<10} {_duration(cost.seconds)} a pass{count}, "
                f"{_bytes(cost.memory)} of memory each{room}"
            )
        return "\n".join(lines)


def plan(
    model: Any,
    data: Any,
    *,
    weights: Any = None,
    learner: EM = EM(),
    workers: int | None = None,
    memory: float | None = None,
    rows: int = 16384,
    key: int = 0,
) -> FitPlan:
    """What a fit will take before it is begun: passes, bytes, memory, time, and the engine.

    Some rows, from all parts of the data, are fitted and timed. The estimate is of the machine that
    it runs on, and is off where the pilot needs fewer passes than all the data will.

    Args:
        model: as for ``fit``; of rows, not of sequences.
        data: as for ``fit``: a table, or the path of files.
        weights: as for ``fit``.
        learner: how to fit.
        workers: how many processes may work; by default one for each core. More than there are
            cores are those of a Dask cluster.
        memory: how many bytes each worker may use; by default what is free here, shared by all.
        rows: how many rows the pilot has.
        key: decides the random choices of the pilot's fit.

    Raises:
        ValueError: if an argument does not fit; the message names it.
    """
    for name, value, least in (("workers", workers, 1), ("rows", rows, 2 * SMALL)):
        if value is not None and (not isinstance(value, int) or value < least):
            raise ValueError(
                f"{name} of plan should be a whole number of at least {least}, but is {value!r}."
            )
    if memory is not None and not memory > 0:
        raise ValueError(f"memory of plan should be a number of bytes, but is {memory!r}.")
    source = source_of(data, weights)
    if not hasattr(model.likelihood, "dim") or len(model.likelihood.shape) != 1:
        raise ValueError("model of plan should be one of rows, but is one of sequences: fit those.")
    if source.width != model.likelihood.dim:
        raise ValueError(
            f"data should have {model.likelihood.dim} columns, as the model has, but has "
            f"{source.width}."
        )
    if isinstance(source, SequenceRows):
        raise ValueError("data of plan should be rows, but are sequences: fit those.")
    if learner.truncation > 0:
        require_truncatable(model, None, engine=not isinstance(source, TableRows))
    values, mass, reading = read_some(source, rows)
    require_observed(Table(values, source.columns))
    found, fixed, each, work = timed(model, values, mass, learner, int(key))
    moments = model.likelihood.quadratic and not np.isnan(values).any()
    if moments:
        # All iterations are on the second moments, which one pass collects.
        fixed, each, work = 0.0, 0.0, 0.0
    passes = 3 if moments else found.iterations + 2
    cores = os.cpu_count() or 1
    count = cores if workers is None else workers
    costs = _costs(source, (fixed, each, work, reading), count, cores, memory)
    if learner.truncation > 0:
        # Which is for tables in memory alone.
        costs = {"memory": costs["memory"]}
    engine, reason = _chosen(costs, count > cores)
    return FitPlan(
        rows=source.rows,
        columns=source.width,
        parameters=found.degrees_of_freedom,
        passes=min(passes, learner.max_iter + 2),
        bytes=source.rows * source.width * 8,
        stored=_stored(data),
        engine=engine,
        reason=reason,
        costs=costs,
        pilot=len(values),
        certain=found.converged,
    )


def _costs(
    source: Source, line: tuple[float, ...], workers: int, cores: int, memory: float | None
) -> dict[str, Cost]:
    fixed, each, work, reading = line
    rows, width = source.rows, (source.width + 2) * 8
    free = _free() if memory is None else memory
    batch = _BATCHES * min(source.batch_rows, rows) * width + _BASE
    held = _COPIES * rows * width + _BASE

    def cost(seconds: float, needed: float, count: int = 1) -> Cost:
        share = free / min(count, cores) if memory is None else free
        return Cost(seconds, needed, count, needed <= share)

    costs = {"memory": cost(fixed + each * rows, held)}
    devices = jax.device_count()
    if devices > 1:
        costs["mesh"] = cost(fixed + work * rows / devices, held)
    costs["stream"] = cost(fixed + max(each, reading) * rows, batch)
    if source.on_disk and workers > 1:
        parts = len(partitioned(source, None))
        able = {"processes": min(workers, cores), "dask": workers}
        if isinstance(source, DaskRows):
            # Of which other processes know nothing.
            del able["processes"]
        for name, most in able.items():
            count = max(1, min(most, parts))
            # A worker keeps its part, if it is below a gigabyte, and reads the others again.
            again = reading if rows * width / count > 1e9 else 0.0
            seconds = fixed + (work + again) * rows / count + _ASKING[name]
            costs[name] = cost(seconds, batch + min(rows * width / count, 1e9), count)
    return costs


def _chosen(costs: dict[str, Cost], cluster: bool) -> tuple[str, str]:
    able = {name: cost for name, cost in costs.items() if cost.fits}
    if not cluster:
        able.pop("dask", None)
    if not able:
        if "stream" not in costs:
            return "memory", "truncation is for tables in memory, which may not be enough"
        return "stream", "it needs the least memory, which may still not be enough"
    best = min(cost.seconds for cost in able.values())
    # The simplest of those that are about as quick.
    name = next(name for name, cost in able.items() if cost.seconds <= 1.2 * best)
    if name == "memory":
        return name, "the data fit in memory"
    if name == "stream":
        return name, "the data do not fit in memory, and reading them is no slower than the work"
    return name, f"its {costs[name].workers} workers share the work"


def _stored(data: Any) -> int:
    if not is_path(data):
        return 0
    paths = [os.fsdecode(p) for p in ([data] if isinstance(data, (str, os.PathLike)) else data)]
    files = [file for p in paths for file in ([p] if os.path.isfile(p) else files_of(p))]
    return sum(os.path.getsize(file) for file in files)


def _free() -> float:
    """The bytes of memory that are free on this machine."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return float(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        # Elsewhere half of all memory is a cautious guess.
        return 0.5 * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _bytes(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
