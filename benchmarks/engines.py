"""The same EM iteration on every engine: seconds per pass, and rows per second.

    python benchmarks/engines.py                       # a million rows
    python benchmarks/engines.py --rows 4000000        # 1 GB in Parquet
    python benchmarks/engines.py --engine stream mesh  # only these, beside memory

Every engine runs in a process of its own on the same cores; the mesh has one device for each of two
halves of the CPU. A pass is timed from the end of the one before, and the median is told. The last
row is what a pass over almost nothing costs Dask, with one partition for each of 64 files.
"""

import argparse
import json
import logging
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

COLUMNS, STATES, FILES, GROUP = 32, 16, 16, 8192
ENGINES = ("memory", "stream", "processes", "dask", "mesh")
WORKERS = 2


def write(folder: pathlib.Path, rows: int, files: int) -> None:
    """Draws of a mixture."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    means = 3 * rng.normal(size=(STATES, COLUMNS))
    for number, part in enumerate(np.array_split(np.arange(rows), files)):
        values = means[rng.integers(STATES, size=len(part))] + rng.normal(size=(len(part), COLUMNS))
        table = pa.table({f"x{i}": column for i, column in enumerate(values.T)})
        pq.write_table(table, folder / f"{number:03d}.parquet", row_group_size=GROUP)


class Clock(logging.Handler):
    """Notes when each pass was done."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("pass "):
            self.times.append(time.perf_counter())


def fit(folder: str, engine: str, passes: int, partitions: int) -> None:
    """The process that is measured; prints its numbers as JSON."""
    import latentia as lt

    clock = Clock()
    logger = logging.getLogger("latentia")
    logger.addHandler(clock)
    logger.setLevel(logging.INFO)
    chosen = {
        "memory": lambda: lt.data.Memory(),
        "stream": lambda: lt.data.Stream(),
        "processes": lambda: lt.data.Processes(WORKERS, partitions),
        "dask": lambda: lt.data.Dask(workers=WORKERS, partitions=partitions),
        "mesh": lambda: lt.data.Mesh(),
    }[engine]()
    model = lt.LatentVariableModel(lt.Discrete(STATES), lt.Switch(lt.Gaussian(dim=COLUMNS), STATES))
    model = started(model, folder)
    learner = lt.EM(start="given", max_iter=passes, tol=1e-14, memory=0)
    found = lt.fit(model, folder, learner=learner, engine=chosen)
    taken = [b - a for a, b in zip(clock.times, clock.times[1:], strict=False)]
    print(json.dumps({"seconds": statistics.median(taken), "objective": found.trace[-1]}))


def started(model: object, folder: str) -> object:
    """The model after two passes over a few rows: a start that is the same for all engines."""
    import latentia as lt

    first, _ = next(lt.data.parquet(folder).batches())
    return lt.fit(model, first[:2000], learner=lt.EM(max_iter=2, n_init=1)).model


def measured(folder: pathlib.Path, engine: str, passes: int, partitions: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--fit", str(folder), "--engine", engine]
    command += ["--passes", str(passes), "--partitions", str(partitions)]
    environment = dict(os.environ)
    if engine == "mesh":
        environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={WORKERS}"
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def row(engine: str, rows: int, found: dict[str, float], base: dict[str, float]) -> dict[str, str]:
    return {
        "engine": engine,
        "seconds per pass": f"{found['seconds']:.3f}",
        "rows per second": f"{rows / found['seconds']:,.0f}",
        "time of memory's": f"{found['seconds'] / base['seconds']:.2f}",
        "objective minus memory's": f"{found['objective'] - base['objective']:.1e}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--passes", type=int, default=6)
    parser.add_argument("--partitions", type=int, default=FILES)
    parser.add_argument("--engine", nargs="*", choices=ENGINES, default=ENGINES)
    parser.add_argument("--fit", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit:
        fit(options.fit, options.engine[0], options.passes, options.partitions)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write(folder, options.rows, FILES)
        several = {
            engine: measured(folder, engine, options.passes, options.partitions)
            for engine in dict.fromkeys(("memory", *options.engine))
        }
    rows = [row(engine, options.rows, each, several["memory"]) for engine, each in several.items()]
    if "dask" in options.engine:
        with tempfile.TemporaryDirectory() as name:
            few = 64 * 80
            write(pathlib.Path(name), few, 64)
            found = measured(pathlib.Path(name), "dask", 12, 64)
            rows.append(row("dask, 64 tiny files", few, found, found))
    title = f"A pass of EM over {options.rows:,} rows of {COLUMNS} columns, {STATES} states"
    print(json.dumps({"title": title, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
