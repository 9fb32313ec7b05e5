"""From what a user passes as data to a source that an engine can read."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeGuard

import numpy as np

from .arrays import npy, zarr
from .arrow import arrow
from .csv import csv
from .dask_rows import dask_rows, is_dask
from .file_rows import AbstractRows
from .interface import Source
from .parquet import Path, parquet
from .sequence_rows import SequenceRows
from .sparse_rows import SparseRows, is_sparse, sparse_rows
from .table import read_labels, read_table, read_weights, require_observed
from .table_rows import TableRows


def is_path(data: Any) -> "TypeGuard[Path | Sequence[Path]]":
    """Whether data are given by a path, a pattern, or several of these."""
    several = isinstance(data, list | tuple) and len(data) > 0
    return all(isinstance(each, (str, os.PathLike)) for each in (data if several else [data]))


def source_of(data: Any, weights: Any, labels: Any = None, given: Any = None) -> Source:
    """The source of a stream, of paths, or of a table or a sparse matrix in memory.

    Args:
        data: a stream, such as from ``latentia.data.parquet``; a path to files, a pattern or
            several of these; a Dask array or data frame; or a table.
        weights: the name of a column for paths and Dask, ``[N]`` for a table, or None.
        labels: the same of known states.
        given: the names of the columns with covariates for paths, or None.

    Raises:
        ValueError: if there are no such data, or another argument is not as said.
        OSError: if a file cannot be read.
    """
    if is_sparse(data):
        for name, value in (("labels", labels), ("given", given)):
            if value is not None:
                raise ValueError(
                    f"{name} should be None for a sparse matrix: pass data.toarray() with {name}."
                )
        return sparse_rows(data, weights)
    if is_stream(data):
        for name, value in (("weights", weights), ("labels", labels), ("given", given)):
            if value is not None:
                raise ValueError(
                    f"{name} should be None for a stream, of which it is a column: name it when "
                    f"the stream is opened, as in latentia.data.parquet(path, {name}=...)."
                )
        return data
    if is_named(data):
        for name, value in (("weights", weights), ("labels", labels)):
            if value is not None and not isinstance(value, str):
                raise ValueError(
                    f"{name} should be the name of a column, as data are not in memory, but is "
                    f"{type(value).__name__}."
                )
        several = isinstance(given, list | tuple)
        if given is not None and not (several and all(isinstance(each, str) for each in given)):
            raise ValueError(
                "given should be a list with the names of columns, as data are not in memory, "
                f"but is {type(given).__name__}."
            )
        opened = dask_rows if is_dask(data) else opener_of(data)
        return opened(data, weights=weights, labels=labels, given=given or ())
    table = read_table(data)
    require_observed(table)
    values = table.values.astype(np.float64, copy=False)
    # Which states there are is checked where the model is known.
    codes = read_labels(labels, len(values), np.iinfo(np.int32).max)
    return TableRows(values, read_weights(weights, len(values)), table.columns, label=codes)


def is_named(data: Any) -> bool:
    """Whether weights and the like are given as names of columns: of files, and of Dask."""
    return is_path(data) or is_dask(data)


def is_stream(data: Any) -> TypeGuard[AbstractRows | SequenceRows | SparseRows]:
    """Whether data are a stream that was opened."""
    return isinstance(data, AbstractRows | SequenceRows | SparseRows)


_OPENERS: dict[str, Callable[..., AbstractRows]] = {
    ".csv": csv,
    ".txt": csv,
    ".tsv": partial(csv, separator="\t"),
    ".arrow": arrow,
    ".feather": arrow,
    ".ipc": arrow,
    ".npy": npy,
    ".zarr": zarr,
}


def opener_of(data: Any) -> Callable[..., AbstractRows]:
    """How files are opened, by how the name of the first ends; others are Parquet."""
    first = data[0] if isinstance(data, list | tuple) else data
    ending = os.path.splitext(os.fsdecode(first).rstrip("/"))[1].lower()
    return _OPENERS.get(ending, parquet)
