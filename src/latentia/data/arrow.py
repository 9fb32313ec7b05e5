"""Rows of Arrow files (also called Feather) that need not fit in memory."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .grouped import Group, GroupedRows, Path, open_files, unreadable
from .parquet import plain_columns, require_numbers


class _Arrow(NamedTuple):
    """The format: record batches, of which those that are not compressed are mapped."""

    name: str = "Arrow"
    suffixes: tuple[str, ...] = (".arrow", ".feather", ".ipc")

    def look(self, path: str) -> tuple[list[str], list[tuple[int, tuple[Any, ...]]]]:
        """See ``Format``."""
        import pyarrow as pa

        reader = _opened(path)
        try:
            rows = [reader.get_batch(i).num_rows for i in range(reader.num_record_batches)]
        except (pa.ArrowException, OSError) as error:
            raise unreadable(path, "Arrow", error) from error
        return reader.schema.names, [(count, (i,)) for i, count in enumerate(rows)]

    def read(self, group: Group, names: Sequence[str]) -> list[np.ndarray]:
        """See ``Format``."""
        import pyarrow as pa

        reader = _opened(group.path)
        require_numbers(reader.schema, names, group.path)
        try:
            batch = reader.get_batch(group.key[0])
        except (pa.ArrowException, OSError) as error:
            raise unreadable(group.path, "Arrow", error) from error
        return plain_columns(batch, names, f"the Arrow file {group.path!r}")


def arrow(
    path: Path | Sequence[Path],
    *,
    columns: Sequence[str] | None = None,
    weights: str | None = None,
    labels: str | None = None,
    given: Sequence[str] = (),
    batch_rows: int = 65536,
) -> GroupedRows:
    """Open Arrow files (the IPC file format, Feather 2) as one table larger than memory.

    Args:
        path, columns, weights, labels, given, batch_rows: as for ``latentia.data.parquet``.

    Raises:
        ValueError: if there is no such column, there are no rows, or a file is damaged or in the
            streaming format.
        OSError: if a path does not exist or cannot be read.
    """
    return open_files(_Arrow(), path, columns, weights, labels, given, batch_rows)


def _opened(path: str) -> Any:
    import pyarrow as pa

    # Python's own error names the path and says why.
    open(path, "rb").close()
    try:
        return pa.ipc.open_file(pa.memory_map(path))
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, "Arrow", error) from error
