"""Where data come from, and where sums over them are made: tables, streams, and engines."""

import importlib
from typing import TYPE_CHECKING

from .arrays import npy as npy
from .arrays import zarr as zarr
from .arrow import arrow as arrow
from .coding import decode as decode
from .coding import encode as encode
from .coding import read_items as read_items
from .csv import csv as csv
from .image_files import read_images as read_images
from .image_folder import ImageFolder as ImageFolder
from .image_folder import image_folder as image_folder
from .parquet import ParquetRows as ParquetRows
from .parquet import parquet as parquet
from .schema import Column as Column
from .schema import Schema as Schema
from .schema import describe as describe
from .schema import from_json as from_json
from .schema import infer_items as infer_items
from .schema import infer_schema as infer_schema
from .schema import to_json as to_json
from .sequence_rows import parquet_sequences as parquet_sequences
from .sequences import Sequences as Sequences
from .sequences import sequences as sequences
from .table import Table as Table
from .table import read_labels as read_labels
from .table import read_table as read_table
from .table import read_weights as read_weights
from .table import require_observed as require_observed

if TYPE_CHECKING:
    # At run time they are loaded on first use, since they load JAX.
    from .dask_cluster import Dask as Dask
    from .in_memory import Memory as Memory
    from .mesh import Mesh as Mesh
    from .processes import Processes as Processes
    from .stream import Stream as Stream

_ENGINES = {
    "Dask": "dask_cluster",
    "Memory": "in_memory",
    "Mesh": "mesh",
    "Processes": "processes",
    "Stream": "stream",
}


def __getattr__(name: str) -> object:
    if name in _ENGINES:
        return getattr(importlib.import_module(f".{_ENGINES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ENGINES])
