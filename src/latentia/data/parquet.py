"""Rows of Parquet files that need not fit in memory: read batch by batch, again in every pass."""

import os
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, final

import numpy as np

from .cells import open_table, read_columns
from .file_rows import (
    AbstractRows,
    Piece,
    Roles,
    check_piece,
    require_batch_rows,
    require_names,
    roles_of,
)
from .interface import Batch
from .parquet_files import File, cuts, damaged, file_at, found, opened, require_unchanged, spans

Path: TypeAlias = str | os.PathLike[str]


@final
class ParquetRows(AbstractRows):
    """A table in Parquet files, read in batches of bounded memory as often as needed."""

    def __init__(
        self, files: Sequence[File], roles: Roles, batch_rows: int, *, part: bool = False
    ) -> None:
        super().__init__(roles, sum(file.rows for file in files), batch_rows, part)
        self._files = tuple(files)

    def __repr__(self) -> str:
        return f"ParquetRows(rows={self.rows}, columns={self.columns}, files={len(self._files)})"

    def pieces(self) -> Iterator[Piece]:
        """See ``AbstractRows``."""
        for file in self._files:
            yield from self._pieces(file, None)

    def partitions(self, count: int) -> "list[ParquetRows]":
        """The same rows, in order, as at most ``count`` streams of about as many rows.

        They are cut where a row group ends, so that no group is read twice; with fewer groups than
        ``count`` there are fewer streams.
        """
        return [
            ParquetRows(files, self.roles, self.batch_rows, part=True)
            for files in cuts(self._files, count)
        ]

    def require_unchanged(self) -> None:
        """See ``AbstractRows``."""
        for file in self._files:
            require_unchanged(file, file.whole)

    def take(self, indices: np.ndarray) -> Batch:
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
        taken = np.empty((len(wanted), len(self.roles.names)))
        # Rows are numbered over all the data, of which these may be a part.
        wanted = wanted + self._files[0].start
        for file in self._files:
            first, last = np.searchsorted(wanted, (file.start, file.start + file.rows))
            if first == last:
                continue
            for piece in self._pieces(file, wanted[first:last]):
                check_piece(piece, self.roles)
                size = len(piece.columns[0])
                low, high = np.searchsorted(wanted, (piece.start, piece.start + size))
                at = wanted[low:high].astype(np.int64) - piece.start
                for j, column in enumerate(piece.columns):
                    taken[low:high, j] = column[at]
        return self.split(taken)

    def _pieces(self, file: File, wanted: np.ndarray | None) -> Iterator[Piece]:
        """Pieces of a file in order; only the row groups with wanted rows, if any are named."""
        place = f"the Parquet file {file.path!r}"
        names = self.roles.names
        with opened(file.path) as source:
            require_unchanged(file, source.metadata.num_rows)
            for start, end, groups in spans(source.metadata, file, wanted):
                for batch in source.iter_batches(self.batch_rows, groups, names):
                    # The metadata may be damaged, too.
                    if start + batch.num_rows > end:
                        raise damaged(file.path)
                    yield Piece(start, plain_columns(batch, names, place), place)
                    start += batch.num_rows
                if start < end:
                    raise damaged(file.path)


def plain_columns(batch: Any, names: Sequence[str], place: str) -> list[np.ndarray]:
    """Columns of an Arrow record batch as numbers, without a copy where none is missing."""
    import pyarrow as pa
    import pyarrow.types as kinds

    def plain(name: str) -> np.ndarray:
        column = batch.column(name)
        if kinds.is_floating(column.type) and column.null_count:
            column = column.fill_null(np.nan)
        if kinds.is_floating(column.type) or (
            kinds.is_integer(column.type) and not column.null_count
        ):
            return column.to_numpy(zero_copy_only=False)
        source = open_table(pa.Table.from_arrays([column], [name]), place)
        (cells,) = read_columns(source, place, [name])
        return cells.numbers(f"column {name!r} of {place}").astype(np.float64)

    return [plain(name) for name in names]


def parquet(
    path: Path | Sequence[Path],
    *,
    columns: Sequence[str] | None = None,
    weights: str | None = None,
    labels: str | None = None,
    given: Sequence[str] = (),
    batch_rows: int = 65536,
) -> ParquetRows:
    """Open Parquet files as one table larger than memory; only their metadata is read here.

    Args:
        path: a file, a folder (its files in the order of their paths, also those of folders inside;
            names that start with . or _ are passed over), a pattern such as ``data/*.parquet``
            (what matches, in the order of the paths), or several of these.
        columns: the columns of numbers to read, in this order; by default all but those below
            and an index of pandas.
        weights: the column with the weights of the rows, if there is one.
        labels: the column with the known states of the rows; -1, null or NaN is unknown.
        given: columns with covariates, which come behind the others.
        batch_rows: how many rows a batch has.

    Raises:
        ValueError: if there is no such column or it holds no numbers, there are no rows, or a file
            is damaged.
        OSError: if a path does not exist or cannot be read.
    """
    require_batch_rows(batch_rows)
    require_names(columns)
    require_names(given, "given")
    paths = [path] if isinstance(path, (str, os.PathLike)) else path
    files: list[File] = []
    roles: Roles | None = None
    for name in [each for part in paths for each in found(os.fsdecode(part))]:
        with opened(name) as source:
            schema, rows = source.schema_arrow, source.metadata.num_rows
        # Columns that nobody chose are those of the first file.
        chosen = columns if roles is None else roles.columns[: len(roles.columns) - roles.given]
        roles = roles_of(schema.names, chosen, weights, labels, given, repr(name))
        require_numbers(schema, roles.names, name)
        start = files[-1].start + files[-1].rows if files else 0
        files.append(file_at(name, start, rows))
    if roles is None or files[-1].start + files[-1].rows == 0:
        raise ValueError(
            f"path should lead to Parquet files with rows, but {path!r} has none: check the path."
        )
    return ParquetRows(files, roles, batch_rows)


def require_numbers(schema: Any, names: Sequence[str], path: str) -> None:
    """Raise ``ValueError`` if a column of an Arrow schema holds no numbers."""
    import pyarrow.types as kinds

    numeric = (kinds.is_integer, kinds.is_floating, kinds.is_boolean, kinds.is_decimal)
    for name in names:
        kind = schema.field(schema.get_all_field_indices(name)[0]).type
        if not kinds.is_null(kind) and not any(is_kind(kind) for is_kind in numeric):
            raise ValueError(
                f"{path!r} should hold numbers, but column {name!r} holds {kind}: leave it out "
                "with columns=[...]."
            )
