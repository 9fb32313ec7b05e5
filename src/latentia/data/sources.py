"""From what a user passes as data to a source that an engine can read."""

import os
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np

from .interface import Source
from .parquet import ParquetRows, Path, parquet
from .sparse_rows import SparseRows, is_sparse, sparse_rows
from .table import read_table, read_weights, require_observed
from .table_rows import TableRows


def is_path(data: Any) -> "TypeGuard[Path | Sequence[Path]]":
    """Whether data are given by a path, a pattern, or several of these."""
    several = isinstance(data, list | tuple) and len(data) > 0
    return all(isinstance(each, (str, os.PathLike)) for each in (data if several else [data]))


def source_of(data: Any, weights: Any) -> Source:
    """The source of a stream, of paths, or of a table or a sparse matrix in memory.

    Args:
        data: a ``ParquetRows``; a path to Parquet files, a pattern or several of these; or a table.
        weights: the name of a column for paths, ``[N]`` for a table, or None.

    Raises:
        ValueError: if there are no such data, or the weights are not as said.
        OSError: if a file cannot be read.
    """
    if is_sparse(data):
        return sparse_rows(data, weights)
    if isinstance(data, SparseRows):
        return data
    if isinstance(data, ParquetRows):
        if weights is not None:
            raise ValueError(
                "weights should be None for a stream, whose weights are one of its columns: name "
                "it, as in latentia.data.parquet(path, weights='w')."
            )
        return data
    if is_path(data):
        if weights is not None and not isinstance(weights, str):
            raise ValueError(
                "weights should be the name of a column, as data are given by a path, but is "
                f"{type(weights).__name__}."
            )
        return parquet(data, weights=weights)
    table = read_table(data)
    require_observed(table)
    values = table.values.astype(np.float64, copy=False)
    return TableRows(values, read_weights(weights, len(values)), table.columns)
