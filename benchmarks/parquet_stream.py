"""Fit a mixture to a Parquet file larger than memory: rows per second and peak resident memory.

    python benchmarks/parquet_stream.py                # 0.1 GB
    python benchmarks/parquet_stream.py --gb 1 10      # takes so much room in the temporary folder

Each file is written and removed here; the fit runs in a process of its own, whose peak resident
memory is what the system counted, Python, JAX and all.
"""

import argparse
import json
import logging
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

from measure import tell

COLUMNS, STATES, GROUP = 32, 16, 65536


def write(path: pathlib.Path, gigabytes: float) -> int:
    """Draws of a mixture, in float64, until the file is that large; returns the rows."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    means = 3 * rng.normal(size=(STATES, COLUMNS))
    roots = rng.normal(size=(STATES, COLUMNS, COLUMNS)) / 4 + np.eye(COLUMNS)
    names = [f"x{i}" for i in range(COLUMNS)]
    schema = pa.schema([(name, pa.float64()) for name in names])
    rows = 0
    # Random digits do not compress, so the file is as large as the numbers are.
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False) as file:
        while path.stat().st_size < gigabytes * 1e9:
            which = rng.integers(STATES, size=GROUP)
            values = np.empty((GROUP, COLUMNS))
            for state in range(STATES):
                some = which == state
                noise = rng.normal(size=(np.count_nonzero(some), COLUMNS))
                values[some] = means[state] + noise @ roots[state].T
            columns = [pa.array(np.ascontiguousarray(column)) for column in values.T]
            file.write_table(pa.table(columns, schema=schema), row_group_size=GROUP)
            rows += GROUP
    return rows


def fit(path: str, passes: int) -> None:
    """The process that is measured; prints its numbers as JSON."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    logging.getLogger("latentia").setLevel(logging.INFO)
    import latentia
    from latentia import EM, Discrete, Gaussian, LatentVariableModel, Switch

    logging.warning("%.0f MB resident after the import", peak())
    rows = latentia.data.parquet(path)
    model = LatentVariableModel(Discrete(STATES), Switch(Gaussian(dim=COLUMNS), STATES))
    began = time.perf_counter()
    found = latentia.fit(model, rows, learner=EM(max_iter=passes))
    seconds = time.perf_counter() - began
    numbers = {
        # Two before the first iteration, and one for the entropy after the last.
        "passes": found.iterations + 3,
        "seconds": seconds,
        "objective": found.objective,
        "status": found.status.label,
        "peak": peak(),
    }
    print(json.dumps(numbers))


def peak() -> float:
    """The peak resident memory of this process in MB (1e6 bytes)."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * (1 if sys.platform == "darwin" else 1024) / 1e6


def case(gigabytes: float, passes: int) -> dict[str, object]:
    """The row of the table for a file of that size."""
    if shutil.disk_usage(tempfile.gettempdir()).free < 1.2e9 * gigabytes:
        sys.exit(f"{tempfile.gettempdir()} has less room than the file needs.")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "rows.parquet"
        rows = write(path, gigabytes)
        size = path.stat().st_size / 1e9
        command = [sys.executable, __file__, "--fit", str(path), "--passes", str(passes)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout)
    return {
        "file": f"{size:.2f} GB, {rows:,} rows of {COLUMNS} columns",
        "model": f"mixture of {STATES} full covariances",
        "peak resident memory": f"{found['peak'] / 1e3:.2f} GB",
        "passes over the file": found["passes"],
        "seconds": f"{found['seconds']:.0f}",
        "rows per second and pass": f"{rows * found['passes'] / found['seconds']:,.0f}",
        "log-likelihood per row": f"{found['objective']:.6f} ({found['status']})",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--gb", type=float, nargs="+", default=[0.1], help="size of the files in GB (1e9 bytes)"
    )
    parser.add_argument("--passes", type=int, default=5, help="the most iterations of EM")
    parser.add_argument("--fit", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit:
        fit(options.fit, options.passes)
        return
    rows = [case(gigabytes, options.passes) for gigabytes in options.gb]
    tell("Parquet files that need not fit in memory", rows)


if __name__ == "__main__":
    main()
