"""What the laws of engines run on: an instance of each, and data with weights and an offset."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latentia import Discrete, Gaussian, LatentVariableModel, Switch
from latentia.data.in_memory import Memory
from latentia.data.interface import Units
from latentia.data.mesh import Mesh
from latentia.data.processes import Processes
from latentia.data.stream import Stream

ROWS, DIM = 5000, 3
MODEL = LatentVariableModel(
    Discrete(np.array([0.3, 0.7])),
    Switch(
        Gaussian(
            np.array([[0.0, 0.5, -1], [1, 0, 1]]),
            np.stack([np.eye(DIM), 2 * np.eye(DIM) + 0.5]),
        )
    ),
)
# Far from zero, as timestamps are; the units of the fit take that away.
CENTRE, SCALE = np.array([1e8, -3.0, 0.0]), np.array([2.0, 1.0, 0.5])
UNITS = Units(CENTRE, SCALE)


def rows(seed=0):
    rng = np.random.default_rng(seed)
    values = CENTRE + SCALE * (rng.normal(size=(ROWS, DIM)) + 2 * (rng.random((ROWS, 1)) < 0.4))
    return values, rng.integers(0, 4, ROWS) / 2


def write(folder, values, weight=None, files=3, group=400):
    """Parquet files with these rows in order."""
    folder.mkdir(exist_ok=True)
    for i, part in enumerate(np.array_split(np.arange(len(values)), files)):
        columns = {f"x{j}": pa.array(c[part], from_pandas=True) for j, c in enumerate(values.T)}
        if weight is not None:
            columns["w"] = weight[part]
        pq.write_table(pa.table(columns), folder / f"{i:03d}.parquet", row_group_size=group)
    return folder


def local_engines(partitions):
    """Engines that need no other process, summing in so many partitions where they have any."""
    return {"memory": Memory(partitions), "stream": Stream(partitions), "mesh": Mesh()}


def in_processes(partitions):
    return Processes(workers=2, partitions=partitions)


def on_two_devices(code):
    """Run Python code in a process that has two devices."""
    flags = "--xla_force_host_platform_device_count=2"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    tests = os.path.dirname(os.path.dirname(__file__))
    environment["PYTHONPATH"] = os.pathsep.join([tests, *sys.path])
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
