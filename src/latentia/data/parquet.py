"""Rows of Parquet files that need not fit in memory: read batch by batch, again in every pass."""

import os
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, final

import numpy as np

from .cells import open_table, read_columns
from .parquet_files import File, cuts, damaged, file_at, found, opened, require_unchanged, spans
from .table import check_values, check_weights

Path: TypeAlias = str | os.PathLike[str]

_PANDAS_INDEX = "__index_level_"


@final
class ParquetRows:
    """A table in Parquet files, read in batches of bounded memory as often as needed.

    It holds no open file and no data, so that it may be pickled and shared by threads.

    Attributes:
        rows: how many rows all files have.
        columns: the names of the columns, without that of the weights.
        width: how many columns that are.
        weights: the name of the column of weights, or None.
        batch_rows: how many rows each batch has but the last.
    """

    def __init__(
        self,
        files: Sequence[File],
        columns: Sequence[str],
        weights: str | None,
        batch_rows: int,
        *,
        part: bool = False,
    ) -> None:
        self.rows = sum(file.rows for file in files)
        self.columns = tuple(columns)
        self.width = len(self.columns)
        self.weights = weights
        self.batch_rows = batch_rows
        self._files = tuple(files)
        # A part of the data may be without weight, all of them may not.
        self._part = part

    def __repr__(self) -> str:
        return f"ParquetRows(rows={self.rows}, columns={self.columns}, files={len(self._files)})"

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """One pass over the data in order: values (B, D) in float64, NaN missing; weights (B,).

        A batch is the same wherever the files and their row groups end.

        Raises:
            ValueError: if a file was changed or is damaged, a number is infinite or beyond 1e150,
                or a weight is negative or missing; at the end, if all weights are zero.
            OSError: if a file is no longer there.
        """
        weighty, end = False, self._files[0].start + self.rows
        block, filled = self._block(min(self.batch_rows, self.rows)), 0
        for file in self._files:
            for start, part in self._parts(file, None):
                used = 0
                while used < len(part):
                    step = min(len(part) - used, len(block) - filled)
                    block[filled : filled + step] = part[used : used + step]
                    used, filled = used + step, filled + step
                    if filled == len(block):
                        weighty = weighty or bool(block[:, -1].any())
                        yield self._split(block)
                        # A new one, since the last now belongs to the caller.
                        left = end - start - used
                        block, filled = self._block(min(self.batch_rows, left)), 0
        if self.weights is not None and not weighty and not self._part:
            raise weightless(self.weights)

    def partitions(self, count: int) -> "list[ParquetRows]":
        """The same rows, in order, as at most ``count`` streams of about as many rows.

        They are cut where a row group ends, so that no group is read twice; with fewer groups than
        ``count`` there are fewer streams.
        """
        return [
            ParquetRows(files, self.columns, self.weights, self.batch_rows, part=True)
            for files in cuts(self._files, count)
        ]

    def take(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The rows of the given numbers, counted over all files: values (n, D) and weights (n,).

        Only the row groups that have some of them are read.

        Args:
            indices: sorted whole numbers from 0 to ``rows`` - 1; repeats are allowed.

        Raises:
            ValueError: as for ``batches``, or if ``indices`` is not as said.
            OSError: if a file is no longer there.
        """
        wanted = np.asarray(indices)
        whole = wanted.ndim == 1 and (wanted.dtype.kind in "iu" or wanted.size == 0)
        if not whole or (wanted[1:] < wanted[:-1]).any():
            raise ValueError(
                "indices should be a sorted 1-dimensional array of integers, but is not: pass "
                "numpy.sort(indices)."
            )
        if wanted.size and not (wanted[0] >= 0 and wanted[-1] < self.rows):
            wrong = wanted[0] if wanted[0] < 0 else wanted[-1]
            raise ValueError(
                f"indices should be from 0 to {self.rows - 1}, but one is {wrong}: count the rows "
                "over all files from 0."
            )
        taken = self._block(len(wanted))
        # Rows are numbered over all the data, of which these may be a part.
        wanted = wanted + self._files[0].start
        for file in self._files:
            first, last = np.searchsorted(wanted, (file.start, file.start + file.rows))
            if first == last:
                continue
            for start, part in self._parts(file, wanted[first:last]):
                low, high = np.searchsorted(wanted, (start, start + len(part)))
                taken[low:high] = part[wanted[low:high].astype(np.int64) - start]
        return self._split(taken)

    def _block(self, rows: int) -> np.ndarray:
        return np.empty((rows, len(self.columns) + (self.weights is not None)))

    def _split(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        if self.weights is None:
            return block, None
        return np.ascontiguousarray(block[:, :-1]), block[:, -1].copy()

    def _parts(self, file: File, wanted: np.ndarray | None) -> Iterator[tuple[int, np.ndarray]]:
        """Parts of a file in order, each with the number of its first row, weights last."""
        names = [*self.columns, *([] if self.weights is None else [self.weights])]
        with opened(file.path) as source:
            require_unchanged(file, source.metadata.num_rows)
            for start, end, groups in spans(source.metadata, file, wanted):
                for batch in source.iter_batches(self.batch_rows, groups, names):
                    # The metadata may be damaged, too.
                    if start + batch.num_rows > end:
                        raise damaged(file.path)
                    yield start, self._checked(batch, names, file, start)
                    start += batch.num_rows
                if start < end:
                    raise damaged(file.path)

    def _checked(self, batch: Any, names: list[str], file: File, start: int) -> np.ndarray:
        import pyarrow as pa

        place = f"the Parquet file {file.path!r}"
        source = open_table(pa.Table.from_batches([batch]), place)
        cells = read_columns(source, place, names)
        values = np.stack(
            [
                c.numbers(f"column {name!r} of {place}")
                for name, c in zip(names, cells, strict=True)
            ],
            axis=1,
            dtype=np.float64,
        )
        # Not the spread: a batch may lack what makes the column wide.
        check_values(values[:, : len(self.columns)], self.columns, place, smallest=0.0, start=start)
        if self.weights is not None:
            check_weights(values[:, -1], f"column {self.weights!r} of {place}", start)
        return values


def parquet(
    path: Path | Sequence[Path],
    *,
    columns: Sequence[str] | None = None,
    weights: str | None = None,
    batch_rows: int = 65536,
) -> ParquetRows:
    """Open Parquet files as one table larger than memory; only their metadata is read here.

    Args:
        path: a file, a folder (its files in the order of their paths, also those of folders inside;
            names that start with . or _ are passed over), a pattern such as ``data/*.parquet``
            (what matches, in the order of the paths), or several of these.
        columns: the columns of numbers to read, in this order; by default all but the weights
            and an index of pandas.
        weights: the column with the weights of the rows, if there is one.
        batch_rows: how many rows a batch has.

    Raises:
        ValueError: if there is no such column or it holds no numbers, there are no rows, or a file
            is damaged.
        OSError: if a path does not exist or cannot be read.
    """
    if isinstance(batch_rows, bool) or not isinstance(batch_rows, int) or batch_rows < 1:
        raise ValueError(f"batch_rows should be an integer from 1 up, but is {batch_rows!r}.")
    if isinstance(columns, str):
        raise TypeError(f"columns should be a list of names, but is a text: pass [{columns!r}].")
    paths = [path] if isinstance(path, (str, os.PathLike)) else path
    files: list[File] = []
    names: list[str] | None = None if columns is None else list(columns)
    for name in [each for part in paths for each in found(os.fsdecode(part))]:
        with opened(name) as source:
            schema, rows = source.schema_arrow, source.metadata.num_rows
        if names is None:
            names = [n for n in schema.names if n != weights and not n.startswith(_PANDAS_INDEX)]
        _require_columns(schema, names, weights, name)
        start = files[-1].start + files[-1].rows if files else 0
        files.append(file_at(name, start, rows))
    if not files or files[-1].start + files[-1].rows == 0:
        raise ValueError(
            f"path should lead to Parquet files with rows, but {path!r} has none: check the path."
        )
    return ParquetRows(files, names or (), weights, batch_rows)


def _require_columns(schema: Any, names: list[str], weights: str | None, path: str) -> None:
    import pyarrow.types as kinds

    needed = names if weights is None else [*names, weights]
    if not names or len(set(needed)) < len(needed):
        raise ValueError(
            f"columns should name at least one column, each once and none of them the weights, but "
            f"are {names}: choose among {schema.names}."
        )
    numeric = (kinds.is_integer, kinds.is_floating, kinds.is_boolean, kinds.is_decimal)
    for name in needed:
        found = schema.get_all_field_indices(name)
        if len(found) != 1:
            raise ValueError(
                f"{path!r} should have one column {name!r}, but has {len(found)}: choose among "
                f"{schema.names}."
            )
        kind = schema.field(found[0]).type
        if not kinds.is_null(kind) and not any(is_kind(kind) for is_kind in numeric):
            raise ValueError(
                f"{path!r} should hold numbers, but column {name!r} holds {kind}: leave it out "
                "with columns=[...]."
            )


def weightless(name: str) -> ValueError:
    """The error for a column of weights that are all zero."""
    return ValueError(
        f"The column {name!r} should have a weight above zero, but all are 0: raise one, or pass "
        "weights=None."
    )
