"""Seeded kills in the middle of fits, and a tally of what came of them: the same bits, or not.

    python benchmarks/faults.py                        # 50 trials
    python benchmarks/faults.py --trials 4 --engine processes --seed 7

Each trial fits a small mixture over Parquet files with two workers, and after a pass drawn by lot,
at a moment drawn by lot, kills with SIGKILL one worker, both, or the driver, which then resumes
from its checkpoint. The trace of objectives and the model are compared bit by bit with a fit that
nothing happened to. The command ends with 1 if a result is wrong or lost.
"""

import argparse
import logging
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from measure import tell

import latentia as lt

ROWS, COLUMNS, FILES, PASSES, STATES = 20_000, 3, 4, 8, 3
FAULTS = ("one worker", "both workers", "driver")
ENGINES = ("processes", "dask")
logger = logging.getLogger("latentia")


def write(folder: pathlib.Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(FILES):
        values = rng.normal(size=(ROWS // FILES, COLUMNS))
        values += 3 * rng.integers(STATES, size=(len(values), 1))
        table = pa.table({f"x{i}": column for i, column in enumerate(values.T)})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=1000)


def fit(folder: str, engine: object, checkpoint: str | None = None) -> list[np.ndarray]:
    """All that must come out the same."""
    means = np.arange(STATES)[:, None] * np.full(COLUMNS, 2.5)
    parts = lt.DiagonalGaussian(means, np.ones((STATES, COLUMNS)))
    model = lt.LatentVariableModel(lt.Discrete(np.full(STATES, 1 / STATES)), lt.Switch(parts))
    learner = lt.EM(start="given", max_iter=PASSES, tol=1e-14, checkpoint=checkpoint)
    found = lt.fit(model, folder, learner=learner, engine=engine)
    inner = found.model
    parts = inner.likelihood.parts
    return [found.trace, inner.prior.weights, parts.mean, parts.variances]


class AtPass(logging.Handler):
    """Acts once, some time after a pass."""

    def __init__(self, number: int, delay: float, action) -> None:
        super().__init__()
        self._words, self._timer = f"pass {number}:", threading.Timer(delay, action)

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith(self._words):
            self._timer.start()

    def __enter__(self) -> None:
        logger.addHandler(self)

    def __exit__(self, *_: object) -> None:
        logger.removeHandler(self)
        if self._timer.ident is not None:
            self._timer.join()


def workers() -> list[psutil.Process]:
    """The processes that compute, of this process alone."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            words = " ".join(child.cmdline())
        except psutil.Error:
            continue
        if "spawn_main" in words or "popen_loky_posix" in words:
            found.append(child)
    return found


def engine_of(name: str, keep: int) -> object:
    """An engine that starts workers of its own, and replaces them where they are killed."""
    kinds = {"processes": lt.data.Processes, "dask": lt.data.Dask}
    return kinds[name](workers=2, partitions=FILES, keep=keep)


def killed_workers(folder: str, engine: object, lot: random.Random, every: bool) -> list:
    def kill() -> None:
        chosen = workers()
        for worker in chosen if every else lot.sample(chosen, min(1, len(chosen))):
            try:
                worker.kill()
            except psutil.NoSuchProcess:
                continue

    with AtPass(lot.randint(1, PASSES - 1), lot.uniform(0, 0.03), kill):
        return fit(folder, engine)


def killed_driver(folder: str, name: str, engine: object, lot: random.Random) -> list:
    number = lot.randint(1, PASSES - 1)
    with tempfile.TemporaryDirectory() as place:
        checkpoint = os.path.join(place, "fit.safetensors")
        command = [sys.executable, __file__, "--drive", folder, "--engine", name]
        command += ["--checkpoint", checkpoint]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as driver:
            for line in driver.stderr or ():
                if line.startswith(f"pass {number}:"):
                    time.sleep(lot.uniform(0, 0.03))
                    orphans = psutil.Process(driver.pid).children(recursive=True)
                    driver.kill()
                    for orphan in orphans:
                        try:
                            orphan.kill()
                        except psutil.NoSuchProcess:
                            continue
                    break
            driver.wait()
        if driver.returncode != -signal.SIGKILL:
            raise RuntimeError(f"the driver ended with {driver.returncode} before it was killed")
        return fit(folder, engine, checkpoint)


def trial(folder: str, name: str, fault: str, lot: random.Random) -> list:
    engine = engine_of(name, lot.choice([0, 10**9]))
    if fault == "driver":
        return killed_driver(folder, name, engine, lot)
    return killed_workers(folder, engine, lot, fault == "both workers")


def tally(folder: str, options: argparse.Namespace) -> Counter:
    lot = random.Random(options.seed)
    truth = fit(folder, lt.data.Stream(FILES))
    counts = Counter()
    for number in range(options.trials):
        name, fault = lot.choice(options.engine), lot.choices(FAULTS, (2, 2, 1))[0]
        began = time.perf_counter()
        try:
            found = trial(folder, name, fault, lot)
            same = all(np.array_equal(a, b) for a, b in zip(found, truth, strict=True))
            what = "the same bits" if same else "wrong"
        except Exception as error:
            what = "lost"
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        counts[name, fault, what] += 1
        taken = time.perf_counter() - began
        told = f"{number + 1:3d} {name}, {fault}: {what} ({taken:.1f} s)"
        print(told, file=sys.stderr, flush=True)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", nargs="*", choices=ENGINES, default=ENGINES)
    parser.add_argument("--drive", help=argparse.SUPPRESS)
    parser.add_argument("--checkpoint", help=argparse.SUPPRESS)
    options = parser.parse_args()
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if options.drive:
        logger.addHandler(logging.StreamHandler())
        fit(options.drive, engine_of(options.engine[0], 10**9), options.checkpoint)
        return
    with tempfile.TemporaryDirectory() as name:
        write(pathlib.Path(name))
        counts = tally(name, options)
    kinds = sorted({key[:2] for key in counts})
    ends = ("the same bits", "wrong", "lost")
    rows = [
        {"engine": engine, "killed": fault, **{end: counts[engine, fault, end] for end in ends}}
        for engine, fault in kinds
    ]
    tell(f"{options.trials} seeded kills in the middle of fits", rows)
    bad = sum(count for key, count in counts.items() if key[2] != "the same bits")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
