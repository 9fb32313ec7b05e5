"""Rows of CSV files that need not fit in memory: read stretch by stretch, again in every pass."""

import io
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .grouped import Group, GroupedRows, Path, open_files, unreadable
from .parquet import plain_columns

# How many bytes are parsed at once; a stretch ends at the end of a line.
STRETCH = 2**23
MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?")


class _Csv(NamedTuple):
    """The format, with the character between cells."""

    separator: str = ","
    name: str = "CSV"
    suffixes: tuple[str, ...] = (".csv", ".tsv", ".txt")

    def look(self, path: str) -> tuple[list[str], list[tuple[int, tuple[Any, ...]]]]:
        """See ``Format``; the whole file is read once, to count its rows."""
        with open(path, "rb") as file:
            if file.read(2) == b"\x1f\x8b":
                raise ValueError(f"{path!r} should be plain text, but is compressed: unpack it.")
            file.seek(0)
            header, first = file.readline(), file.tell()
            try:
                names = _parsed(header, None, self.separator, ()).schema.names
            except _errors() as error:
                raise unreadable(path, "CSV", error) from error
            parts: list[tuple[int, tuple[Any, ...]]] = []
            for begin, text in _stretches(file, first):
                try:
                    rows = _parsed(text, names, self.separator, names[:1]).num_rows
                except _errors() as error:
                    raise unreadable(path, "CSV", error) from error
                parts.append((rows, (begin, len(text), tuple(names))))
        return names, parts

    def read(self, group: Group, names: Sequence[str]) -> list[np.ndarray]:
        """See ``Format``."""
        begin, length, header = group.key
        with open(group.path, "rb") as file:
            file.seek(begin)
            text = file.read(length)
        try:
            batch = _parsed(text, header, self.separator, names, numbers=True)
        except _errors() as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"{group.path!r} should hold numbers in the columns {', '.join(names)}, but from "
                f"row {group.start} on: {reason}; choose others with columns=[...]."
            ) from error
        return plain_columns(batch, names, f"the CSV file {group.path!r}")


def csv(
    path: Path | Sequence[Path],
    *,
    columns: Sequence[str] | None = None,
    weights: str | None = None,
    labels: str | None = None,
    given: Sequence[str] = (),
    separator: str = ",",
    batch_rows: int = 65536,
) -> GroupedRows:
    """Open CSV files with a line of names as one table larger than memory.

    Each file is read once, to count its rows; its cells have no line breaks in them. Missing is an
    empty cell, or NA, NaN, null, None or ?.

    Args:
        path, columns, weights, labels, given, batch_rows: as for ``latentia.data.parquet``.
        separator: the character between cells.

    Raises:
        ValueError: if there is no such column, there are no rows, or a file is no such text.
        OSError: if a path does not exist or cannot be read.
    """
    return open_files(_Csv(separator), path, columns, weights, labels, given, batch_rows)


def _stretches(file: Any, begin: int) -> Iterator[tuple[int, bytes]]:
    """The rest of a file in stretches that end at the end of a line, with where each begins."""
    while text := file.read(STRETCH):
        text += file.readline()
        yield begin, text
        begin += len(text)


def _parsed(
    text: bytes,
    header: Sequence[str] | None,
    separator: str,
    names: Sequence[str],
    numbers: bool = False,
) -> Any:
    """Some lines as an Arrow record batch; without a ``header`` the first line is it."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    kind = pa.float64() if numbers else pa.string()
    # One thread, since workers share the cores already.
    reading = arrow.ReadOptions(
        column_names=None if header is None else list(header),
        use_threads=False,
        block_size=len(text) + 1,
    )
    converting = arrow.ConvertOptions(
        column_types=dict.fromkeys(names, kind),
        include_columns=list(names),
        null_values=list(MISSING),
        strings_can_be_null=True,
    )
    parsing = arrow.ParseOptions(delimiter=separator)
    table = arrow.read_csv(io.BytesIO(text), reading, parsing, converting)
    if table.num_rows == 0:
        return pa.RecordBatch.from_pylist([], table.schema)
    return table.combine_chunks().to_batches()[0]


def _errors() -> tuple[type[Exception], ...]:
    import pyarrow as pa

    return pa.ArrowException, UnicodeDecodeError
