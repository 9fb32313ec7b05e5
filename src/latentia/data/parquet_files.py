"""The files behind a stream of Parquet: finding, opening, and cutting them into parts."""

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .file_rows import even_cuts

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

# Unbuffered, pyarrow fetches whole row groups; with its pre-buffer, the whole file stays in memory.
_BUFFER = 2**18
_LARGE = 2**26
SUFFIXES = (".parquet", ".parq", ".pq")


class File(NamedTuple):
    """Rows of one file as it was when the stream was opened.

    ``start`` is the number of the first of them in the stream; ``skip`` is how many rows of the
    file, in whole row groups, come before; ``whole`` is how many the file has.
    """

    path: str
    start: int
    rows: int
    size: int
    modified: int
    skip: int
    whole: int


def file_at(path: str, start: int, rows: int) -> File:
    """All rows of a file as it is now."""
    status = os.stat(path)
    return File(path, start, rows, status.st_size, status.st_mtime_ns, 0, rows)


def found(path: str, suffixes: tuple[str, ...] = SUFFIXES) -> list[str]:
    """The files at a path: itself, those in a folder, or those that match a pattern.

    Args:
        suffixes: how the names of the files in a folder end; if there are none, a folder counts as
            a file.
    """
    if not os.path.exists(path) and glob.has_magic(path):
        return sorted(os.path.abspath(name) for name in glob.glob(path, recursive=True))
    if not suffixes or not os.path.isdir(path):
        return [os.path.abspath(path)]
    files: list[str] = []
    for folder, inner, names in os.walk(os.path.abspath(path)):
        inner[:] = [name for name in inner if not name.startswith((".", "_"))]
        shown = [name for name in names if not name.startswith((".", "_"))]
        files += [os.path.join(folder, name) for name in shown if name.endswith(suffixes)]
    return sorted(files)


@contextmanager
def opened(path: str) -> Iterator["ParquetFile"]:
    """The open file; what pyarrow raises while it is read becomes one sentence."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    # Python's own error names the path and says why.
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
    try:
        with ParquetFile(
            path, pre_buffer=False, buffer_size=_BUFFER, page_checksum_verification=True
        ) as source:
            yield source
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise damaged(path) from error
    finally:
        # After small files it would cost more than the reading, and little is left to release.
        if size > _LARGE:
            pa.default_memory_pool().release_unused()


def damaged(path: str) -> ValueError:
    """The error for a file that cannot be read as Parquet."""
    return ValueError(
        f"{path!r} is damaged or is no Parquet file: restore it from a copy, or write it again."
    )


def require_unchanged(file: File, rows: int) -> None:
    """Raise ``ValueError`` if the file, which now has so many rows, was changed."""
    status = os.stat(file.path)
    if (status.st_size, status.st_mtime_ns, rows) != (file.size, file.modified, file.whole):
        raise ValueError(
            f"{file.path!r} was changed after it was opened: call latentia.data.parquet again."
        )


def spans(
    metadata: Any, file: File, wanted: np.ndarray | None
) -> Iterator[tuple[int, int, list[int]]]:
    """Row groups to read together, with their first row and the row after their last."""
    ends = [file.start - file.skip + end for end in _ends(metadata)]
    last = file.start + file.rows
    groups = [g for g in range(len(ends) - 1) if file.start <= ends[g] and ends[g + 1] <= last]
    if wanted is None:
        # All at once, so that small row groups make large batches.
        yield file.start, last, groups
        return
    places = np.searchsorted(wanted, ends)
    for group in groups:
        if places[group] < places[group + 1]:
            yield ends[group], ends[group + 1], [group]


def cuts(files: Sequence[File], count: int) -> list[list[File]]:
    """The rows of the files in at most ``count`` parts of about equal size, cut between groups."""
    groups = [part for file in files for part in _groups(file)]
    return [_joined(groups[i:j]) for i, j in even_cuts((part.rows for part in groups), count)]


def _groups(file: File) -> list[File]:
    """The row groups of a file, each as if it were one of its own."""
    if file.rows == 0:
        return []
    with opened(file.path) as source:
        require_unchanged(file, source.metadata.num_rows)
        ends = _ends(source.metadata)
    return [
        file._replace(start=file.start - file.skip + a, rows=b - a, skip=a)
        for a, b in zip(ends, ends[1:], strict=False)
        if b > a and a >= file.skip and b <= file.skip + file.rows
    ]


def _joined(groups: Sequence[File]) -> list[File]:
    """Neighbours in one file as one."""
    joined: list[File] = []
    for group in groups:
        before = joined[-1] if joined else None
        if before and (before.path, before.skip + before.rows) == (group.path, group.skip):
            joined[-1] = before._replace(rows=before.rows + group.rows)
        else:
            joined.append(group)
    return joined


def _ends(metadata: Any) -> list[int]:
    rows = (metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
    return np.cumsum([0, *rows]).tolist()
