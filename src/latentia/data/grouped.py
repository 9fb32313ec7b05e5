"""Files whose rows are stored in groups that can be read by themselves: what all formats share."""

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, final

import numpy as np

from .file_rows import (
    AbstractRows,
    Piece,
    Roles,
    even_cuts,
    require_batch_rows,
    require_names,
    roles_of,
)
from .parquet_files import found

Path = str | os.PathLike[str]


class Group(NamedTuple):
    """Some rows of one file as it was when the stream was opened.

    ``start`` is the number of the first of them in the stream, and ``key`` is where in the file
    they are, as its format counts.
    """

    path: str
    start: int
    rows: int
    key: tuple[Any, ...]
    state: tuple[int, int]


class Format(Protocol):
    """How files of one kind are read; it may be pickled."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def suffixes(self) -> tuple[str, ...]:
        """How the names of its files end; if there are none, a file is a folder."""
        ...

    def look(self, path: str) -> tuple[list[str], list[tuple[int, tuple[Any, ...]]]]:
        """The names of the columns, and of each group how many rows it has and where they are."""
        ...

    def read(self, group: Group, names: Sequence[str]) -> list[np.ndarray]:
        """The columns of a group, each ``[n]`` and NaN where missing."""
        ...


@final
class GroupedRows(AbstractRows):
    """A table in files of some format, read group by group as often as needed."""

    def __init__(
        self,
        form: Format,
        groups: Sequence[Group],
        roles: Roles,
        batch_rows: int,
        *,
        part: bool = False,
    ) -> None:
        super().__init__(roles, sum(group.rows for group in groups), batch_rows, part)
        self._form, self._groups = form, tuple(groups)

    def __repr__(self) -> str:
        files = len({group.path for group in self._groups})
        name = self._form.name
        return f"{name}(rows={self.rows}, columns={self.columns}, files={files})"

    def pieces(self) -> Iterator[Piece]:
        """See ``AbstractRows``."""
        names = self.roles.names
        last = None
        for group in self._groups:
            if group.path != last:
                # Once for each file, since that of a folder looks at all files in it.
                _require_same(group, self._form)
                last = group.path
            place = f"the {self._form.name} file {group.path!r}"
            columns = self._form.read(group, names)
            if any(len(column) != group.rows for column in columns):
                raise _changed(group, self._form)
            yield Piece(group.start, columns, place)

    def partitions(self, count: int) -> "list[GroupedRows]":
        """See ``AbstractRows``; they are cut between groups."""
        cuts = even_cuts((group.rows for group in self._groups), count)
        return [
            GroupedRows(self._form, self._groups[i:j], self.roles, self.batch_rows, part=True)
            for i, j in cuts
        ]

    def require_unchanged(self) -> None:
        """See ``AbstractRows``."""
        for group in {group.path: group for group in self._groups}.values():
            _require_same(group, self._form)


def open_files(
    form: Format,
    path: Path | Sequence[Path],
    columns: Sequence[str] | None,
    weights: str | None,
    labels: str | None,
    given: Sequence[str],
    batch_rows: int,
) -> GroupedRows:
    """Files of one format as one table; for the arguments see ``latentia.data.parquet``."""
    require_batch_rows(batch_rows)
    require_names(columns)
    require_names(given, "given")
    paths = [path] if isinstance(path, (str, os.PathLike)) else path
    groups: list[Group] = []
    roles: Roles | None = None
    for name in [each for one in paths for each in found(os.fsdecode(one), form.suffixes)]:
        state = _state(name)
        names, parts = form.look(name)
        # Columns that nobody chose are those of the first file.
        chosen = columns if roles is None else roles.columns[: len(roles.columns) - roles.given]
        roles = roles_of(names, chosen, weights, labels, given, repr(name))
        for rows, key in parts:
            start = groups[-1].start + groups[-1].rows if groups else 0
            if rows:
                groups.append(Group(name, start, rows, key, state))
    if roles is None or not groups:
        raise ValueError(
            f"path should lead to {form.name} files with rows, but {path!r} has none: check the "
            "path."
        )
    return GroupedRows(form, groups, roles, batch_rows)


def _state(path: str) -> tuple[int, int]:
    """What tells a file from itself after a change; of a folder, that of all files in it."""
    if not os.path.isdir(path):
        status = os.stat(path)
        return status.st_size, status.st_mtime_ns
    inner = [os.stat(os.path.join(folder, name))
             for folder, _, names in os.walk(path) for name in names]  # fmt: skip
    return sum(one.st_size for one in inner), max((one.st_mtime_ns for one in inner), default=0)


def _require_same(group: Group, form: Format) -> None:
    if _state(group.path) != group.state:
        raise _changed(group, form)


def _changed(group: Group, form: Format) -> ValueError:
    return ValueError(
        f"{group.path!r} was changed after it was opened: call latentia.data.{form.name.lower()} "
        "again."
    )


def unreadable(path: str, name: str, error: Exception) -> ValueError:
    """The error for a file that is not what its name says."""
    reason = " ".join(str(error).split())
    return ValueError(f"{path!r} is damaged or is no {name} file, since {reason}: write it again.")
