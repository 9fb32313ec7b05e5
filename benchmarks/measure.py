"""Timing that is fair on a machine that also does other things: alternate, and take the minimum."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def fastest(**calls: Callable[[], object]) -> dict[str, float]:
    """The least seconds of each call, over rounds that alternate between them."""
    for call in calls.values():
        call()
    times = {name: [] for name in calls}
    began = time.perf_counter()
    while len(times[next(iter(times))]) < 5 or (
        time.perf_counter() - began < 10 and len(times[next(iter(times))]) < 50
    ):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: min(values) for name, values in times.items()}


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """The answer of one call, and its seconds."""
    start = time.perf_counter()
    answer = call()
    return answer, time.perf_counter() - start


def matrix_rate(rows: int = 2048) -> float:
    """Float64 operations per second of a square matrix product in NumPy."""
    a = np.random.default_rng(0).normal(size=(rows, rows))
    return 2 * rows**3 / fastest(product=lambda: a @ a)["product"]


def blobs(rows: int, columns: int, clusters: int, seed: int = 0) -> np.ndarray:
    """Rows from Gaussian clusters that overlap a little."""
    rng = np.random.default_rng(seed)
    centres = 2 * rng.normal(size=(clusters, columns))
    return centres[rng.integers(clusters, size=rows)] + rng.normal(size=(rows, columns))


def tell(title: str, rows: list[dict[str, object]]) -> None:
    """Hand the figures to ``run.py``, or print them if the script was run by itself."""
    json.dump({"title": title, "rows": rows}, sys.stdout, indent=1)
    sys.stdout.write("\n")
