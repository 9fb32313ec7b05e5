"""How the cost of a pass of EM grows with N, D, K, workers and devices, and a model of it.

    python benchmarks/scale.py          # by the clock, on a machine that does nothing else
    python benchmarks/scale.py --cpu    # by CPU time where that is possible, on one that does

For a mixture of Gaussians with full covariances a row has F = D (D + 1) / 2 + D + 1 features, and
a pass takes, in one process,

    N (a F K + b K + c F + d)        seconds:

two products of F by K, an exponential for each state, the features, and the rest of a row. The four
numbers are found from six small cases, all other rows of the table are predicted. A stream
takes the longer of this and of reading; W workers take 1 / W of the work of one (in CPU time), the
bytes of the parameters and totals, and the asking. The last rows are extrapolated to machines that
nobody measured.
"""

import argparse
import logging
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial

import jax
import numpy as np
from measure import tell
from scipy.optimize import nnls

import latentia as lt
from latentia.data.blocks import into_blocks
from latentia.learning.expectation import expectations
from latentia.typing import Form

KNOWN = [(40_000, 4, 64), (40_000, 8, 8), (40_000, 16, 16), (40_000, 16, 64), (40_000, 32, 16)]
KNOWN += [(40_000, 48, 8)]  # beyond the cache, where features cost more
ASKED = [
    (160_000, 16, 16), (10_000, 16, 16), (40_000, 8, 32), (40_000, 24, 32), (40_000, 32, 32),
    (40_000, 48, 16), (40_000, 16, 128),
]  # fmt: skip
ROWS, COLUMNS, STATES, FILES, PASSES = 400_000, 16, 32, 8, 7
# Of the machines that are only thought of: bytes per second of the driver's link (10 Gbit/s), and
# seconds of the scheduler for a task (Dask's own documentation says about a millisecond).
LINK, TASK = 1.25e9, 1e-3


def features(columns: int) -> int:
    return columns * (columns + 1) // 2 + columns + 1


def terms(rows: int, columns: int, states: int) -> np.ndarray:
    many = features(columns)
    return rows * np.array([many * states, states, many, 1.0])


def model_of(columns: int, states: int) -> lt.LatentVariableModel:
    means = np.random.default_rng(1).normal(size=(states, columns))
    parts = lt.Gaussian(means, np.stack([np.eye(columns)] * states))
    return lt.LatentVariableModel(lt.Discrete(np.full(states, 1 / states)), lt.Switch(parts))


def least(call, clock) -> float:
    """The least seconds of some calls."""
    call()
    taken, began = [], time.perf_counter()
    while len(taken) < 3 or time.perf_counter() - began < 0.8:
        start = clock()
        call()
        taken.append(clock() - start)
    return min(taken)


def e_step(rows: int, columns: int, states: int, clock) -> float:
    values = np.random.default_rng(0).normal(size=(rows, columns))
    with jax.enable_x64(True):
        data = jax.device_put(into_blocks(values))
        program = jax.jit(partial(expectations, form=Form.PRODUCTS, labelled=False))
        model = model_of(columns, states)
        return least(lambda: jax.block_until_ready(program(model, data)), clock)


class Clock(logging.Handler):
    """Notes when each pass was done."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("pass "):
            self.times.append(time.perf_counter())


def write(folder: pathlib.Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    for number in range(FILES):
        values = rng.normal(size=(ROWS // FILES, COLUMNS))
        table = pa.table({f"x{i}": column for i, column in enumerate(values.T)})
        pq.write_table(table, folder / f"{number}.parquet")


def passes(folder: str, engine: object) -> float:
    """The median seconds of a pass over the files."""
    clock = Clock()
    logger = logging.getLogger("latentia")
    logger.addHandler(clock)
    logger.setLevel(logging.INFO)
    learner = lt.EM(start="given", max_iter=PASSES, tol=1e-14, memory=0)
    lt.fit(model_of(COLUMNS, STATES), folder, learner=learner, engine=engine)
    logger.removeHandler(clock)
    return statistics.median(np.diff(clock.times[1:]))


def on_devices(folder: str, count: int) -> float:
    """The same on a mesh of so many devices, in a process of its own with as many cores."""
    flags = f"--xla_force_host_platform_device_count={count}"
    command = [sys.executable, __file__, "--mesh", folder, "--cores", str(count)]
    done = subprocess.run(
        command, env={**os.environ, "XLA_FLAGS": flags}, check=True, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    return float(done.stdout.splitlines()[-1])


def reading(folder: str) -> float:
    """Seconds to read all the files once, from the cache."""
    source = lt.data.parquet(folder)
    return least(lambda: sum(1 for _ in source.batches()), time.perf_counter)


def row(what: str, measured: float | None, said: float) -> dict[str, str]:
    off = "-" if measured is None else f"{100 * (said / measured - 1):+.0f} %"
    told = "not measured" if measured is None else f"{1e3 * measured:,.1f}"
    return {
        "a pass over": what,
        "measured, ms": told,
        "model, ms": f"{1e3 * said:,.1f}",
        "off": off,
    }


def cluster(costs: np.ndarray, rows: int, columns: int, states: int, machines: int) -> float:
    """Machines of one core like these: the work, the parameters there and totals back, tasks."""
    work = terms(rows, columns, states) @ costs / machines
    size = 8 * states * features(columns)
    return work + 2 * machines * size / LINK + 4 * machines * TASK


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--mesh", help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.mesh:
        # Before JAX has started its threads.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
        print(passes(options.mesh, lt.data.Mesh()))
        return
    clock = time.process_time if options.cpu else time.perf_counter
    # Relative errors count, so that small cases say as much as large ones.
    seconds = np.array([[e_step(*case, which) for which in (clock, time.process_time)]
                        for case in KNOWN])  # fmt: skip
    lines = np.array([terms(*case) for case in KNOWN])
    by_clock, by_work = (nnls(lines / each[:, None], np.ones(len(each)))[0] for each in seconds.T)
    rows = [
        row(f"{case[0]:,} rows, D = {case[1]}, K = {case[2]}", e_step(*case, clock),
            terms(*case) @ by_clock) for case in ASKED
    ]  # fmt: skip
    whole, work = (terms(ROWS, COLUMNS, STATES) @ each for each in (by_clock, by_work))
    with tempfile.TemporaryDirectory() as name:
        write(pathlib.Path(name))
        read = reading(name)
        size = f"{ROWS:,} rows of files, D = {COLUMNS}, K = {STATES}"
        rows.append(row(f"{size}: memory", passes(name, lt.data.Memory()), whole))
        rows.append(row(f"{size}: stream", passes(name, lt.data.Stream()), max(whole, read)))
        asked = passes_of_nothing()
        for count in (1, 2):
            engine = lt.data.Processes(count, FILES)
            # One worker is this process, which uses all cores.
            said = whole if count == 1 else work / count + asked
            rows.append(row(f"{size}: {count} workers", passes(name, engine), said))
        for count in (1, 2):
            rows.append(row(f"{size}: {count} devices", on_devices(name, count), work / count))
    for machines in (1, 10, 100):
        said = cluster(by_work, 10**9, 32, 64, machines)
        rows.append(row(f"10^9 rows, D = 32, K = 64: {machines} cores on 10 Gbit/s", None, said))
    said = cluster(by_work, 10**9, 32, 64, 1600)
    rows.append(row("the same on 100 machines of 16 cores", None, said))
    how = "CPU time" if options.cpu else "the clock"
    a, b, c, d = 1e12 * by_clock
    title = (
        f"How the cost of a pass grows, by {how}; in picoseconds a = {a:.0f}, b = {b:,.0f}, "
        f"c = {c:,.0f}, d = {d:,.0f}"
    )
    tell(title, rows)


def passes_of_nothing() -> float:
    """What it takes to ask two workers, by a pass over next to nothing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.TemporaryDirectory() as name:
        rng = np.random.default_rng(0)
        for number in range(FILES):
            values = rng.normal(size=(800, COLUMNS))
            table = pa.table({f"x{i}": column for i, column in enumerate(values.T)})
            pq.write_table(table, pathlib.Path(name) / f"{number}.parquet")
        return passes(name, lt.data.Processes(2, FILES))


if __name__ == "__main__":
    main()
