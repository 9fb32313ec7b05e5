"""Rows of array files that need not fit in memory: NumPy's own, which are mapped, and Zarr's."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .grouped import Group, GroupedRows, Path, open_files, unreadable

# About so many rows are read at once.
_ROWS = 8192


def _mapped(path: str) -> Any:
    # Python's own error names the path and says why.
    open(path, "rb").close()
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise unreadable(path, "npy", error) from error


def _chunked(path: str) -> Any:
    try:
        import zarr  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError("Zarr arrays need the package zarr: pip install zarr.") from error
    try:
        return zarr.open_array(path, mode="r")
    except (ValueError, KeyError, OSError) as error:
        raise unreadable(path, "zarr", error) from error


_OPEN: dict[str, Callable[[str], Any]] = {"npy": _mapped, "zarr": _chunked}


class _Arrays(NamedTuple):
    """The format of arrays ``[N, D]`` by its name; columns are called x0, x1 and so on."""

    name: str
    suffixes: tuple[str, ...]

    def look(self, path: str) -> tuple[list[str], list[tuple[int, tuple[Any, ...]]]]:
        """See ``Format``."""
        array = _OPEN[self.name](path)
        kind = np.dtype(array.dtype).kind
        if len(array.shape) != 2 or kind not in "biuf":
            raise ValueError(
                f"{path!r} should hold an array of numbers with rows and columns, but it has the "
                f"shape {tuple(array.shape)} and the dtype {array.dtype}."
            )
        rows, step = array.shape[0], self._step(array)
        parts = [(min(step, rows - i), (i,)) for i in range(0, rows, step)]
        return [f"x{j}" for j in range(array.shape[1])], parts

    def _step(self, array: Any) -> int:
        # Whole chunks, so that none is read twice.
        chunk = getattr(array, "chunks", (1,))[0]
        return max(1, _ROWS // chunk) * chunk

    def read(self, group: Group, names: Sequence[str]) -> list[np.ndarray]:
        """See ``Format``."""
        (first,) = group.key
        rows = np.asarray(_OPEN[self.name](group.path)[first : first + group.rows])
        return [rows[:, int(name[1:])] for name in names]


def npy(
    path: Path | Sequence[Path],
    *,
    columns: Sequence[str] | None = None,
    weights: str | None = None,
    labels: str | None = None,
    given: Sequence[str] = (),
    batch_rows: int = 65536,
) -> GroupedRows:
    """Open .npy files, each an array ``[N, D]``, as one table; they are mapped and never loaded.

    Args:
        path, columns, weights, labels, given, batch_rows: as for ``latentia.data.parquet``. The
            columns are called x0, x1 and so on.

    Raises:
        ValueError: if there is no such column, there are no rows, or a file is no such array.
        OSError: if a path does not exist or cannot be read.
    """
    form = _Arrays("npy", (".npy",))
    return open_files(form, path, columns, weights, labels, given, batch_rows)


def zarr(
    path: Path | Sequence[Path],
    *,
    columns: Sequence[str] | None = None,
    weights: str | None = None,
    labels: str | None = None,
    given: Sequence[str] = (),
    batch_rows: int = 65536,
) -> GroupedRows:
    """Open Zarr arrays ``[N, D]`` in folders as one table, read chunk by chunk.

    Args:
        path: a folder that is an array, a pattern such as ``data/*.zarr``, or several of these.
        columns, weights, labels, given, batch_rows: as for ``latentia.data.npy``.

    Raises:
        ImportError: if the package zarr is not installed.
        ValueError: if there is no such column, there are no rows, or a folder is no such array.
    """
    form = _Arrays("zarr", ())
    return open_files(form, path, columns, weights, labels, given, batch_rows)
