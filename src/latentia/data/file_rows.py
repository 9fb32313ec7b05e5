"""What all streams of rows have in common: columns in roles, and pieces put together to batches."""

from abc import ABC, abstractmethod
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from .interface import Batch
from .table import LARGEST, check_values, check_weights

# How pandas names an index without a name of its own in files.
_PANDAS_INDEX = "__index_level_"


class Roles(NamedTuple):
    """What the columns of a stream are for.

    Attributes:
        columns: the names of those that are described, and then of the covariates.
        weights: the one with the weights of the rows, or None.
        labels: the one with the known states of the rows, or None.
        given: how many of ``columns``, the last ones, are covariates.
        always: whether covariates matter also in rows of which nothing is observed.
    """

    columns: tuple[str, ...]
    weights: str | None = None
    labels: str | None = None
    given: int = 0
    always: bool = False

    @property
    def names(self) -> list[str]:
        """All columns that are read: those of values, then the labels and the weights."""
        extra = [name for name in (self.labels, self.weights) if name is not None]
        return [*self.columns, *extra]


class Piece(NamedTuple):
    """Some rows in order: the number of the first, and each of ``Roles.names`` as ``[n]``."""

    start: int
    columns: Sequence[np.ndarray]
    place: str


class AbstractRows(ABC):
    """Rows that are read batch by batch, again in every pass.

    It holds no open file and no data, so that it may be pickled and shared by threads.

    Attributes:
        rows: how many rows there are.
        columns: the names of the columns of values.
        width: how many columns that are.
        weights: the name of the column of weights, or None.
        labelled: whether some states are known.
        batch_rows: how many rows each batch has but the last.
    """

    on_disk = True

    def __init__(self, roles: Roles, rows: int, batch_rows: int, part: bool) -> None:
        self.roles = roles
        self.rows = rows
        self.columns = roles.columns
        self.width = len(roles.columns)
        self.weights = roles.weights
        self.labelled = roles.labels is not None
        self.batch_rows = batch_rows
        # A part of the data may be without weight, all of them may not.
        self.part = part

    @abstractmethod
    def pieces(self) -> Iterator[Piece]:
        """All rows in order, in pieces of any size that fit in memory."""

    @abstractmethod
    def partitions(self, count: int) -> "Sequence[AbstractRows]":
        """The same rows, in order, as at most ``count`` streams of about as many rows."""

    @abstractmethod
    def require_unchanged(self) -> None:
        """Raise ``ValueError`` if the data are not what they were when they were opened."""

    def batches(self) -> Iterator[Batch]:
        """One pass over the data in order: values (B, D) in float64, NaN missing; weights (B,).

        A batch is the same however the data are stored. With labels there is a third array, the
        known states (B,), -1 where unknown.

        Raises:
            ValueError: if the data were changed or are damaged, a number is infinite or beyond
                1e150, or a weight is negative or missing; at the end, if all weights are zero.
            OSError: if a file is no longer there.
        """
        weighty, left = False, self.rows
        block, filled = self._block(min(self.batch_rows, left)), 0
        for piece in self.pieces():
            check_piece(piece, self.roles)
            used, size = 0, len(piece.columns[0])
            while used < size:
                step = min(size - used, len(block) - filled)
                for j, column in enumerate(piece.columns):
                    block[filled : filled + step, j] = column[used : used + step]
                used, filled = used + step, filled + step
                if filled == len(block):
                    weighty = weighty or bool(block[:, -1].any())
                    left -= filled
                    yield self.split(block)
                    # A new one, since the last now belongs to the caller.
                    block, filled = self._block(min(self.batch_rows, left)), 0
        if self.weights is not None and not weighty and not self.part:
            raise weightless(self.weights)

    def driven(self) -> Self:
        """The same rows for a chain that covariates drive: they matter in every row."""
        # Not by ``copy``, which asks for the state that other processes get.
        rows = object.__new__(type(self))
        vars(rows).update(vars(self), roles=self.roles._replace(always=True))
        return rows

    def split(self, block: np.ndarray) -> Batch:
        """Rows of all columns that are read as a batch."""
        roles, width = self.roles, self.width
        if roles.given and not roles.always:
            _hide_unused(block[:, :width], roles.given)
        if block.shape[1] == width:
            return block, None
        values = np.ascontiguousarray(block[:, :width])
        weight = None if roles.weights is None else block[:, -1].copy()
        if roles.labels is None:
            return values, weight
        codes = block[:, width]
        return values, weight, np.where(np.isnan(codes), -1, codes).astype(np.int64)

    def _block(self, rows: int) -> np.ndarray:
        return np.empty((rows, len(self.roles.names)))


def check_piece(piece: Piece, roles: Roles) -> None:
    """Raise ``ValueError`` if a number of a piece is not what its column should hold."""
    width = len(roles.columns)
    if not all(_fits(column) for column in piece.columns[:width]):
        values = np.stack(piece.columns[:width], axis=1, dtype=np.float64)
        # Not the spread: a piece may lack what makes the column wide.
        check_values(values, roles.columns, piece.place, smallest=0.0, start=piece.start)
    if roles.weights is not None:
        weight = np.asarray(piece.columns[-1], np.float64)
        check_weights(weight, f"column {roles.weights!r} of {piece.place}", piece.start)
    if roles.labels is not None:
        check_codes(piece.columns[width], f"column {roles.labels!r} of {piece.place}", piece.start)
    if roles.given:
        _require_given(piece, roles)


def check_codes(codes: np.ndarray, place: str, start: int) -> None:
    """Raise ``ValueError`` for a label that is no whole number from -1 up; NaN is unknown."""
    wrong = ~(np.isnan(codes) | ((codes >= -1) & (codes == np.floor(codes))))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"{place} should hold states from 0 up, or -1 where unknown, but row {start + row} has "
            f"{codes[row]:g}: number the states from 0."
        )


def _fits(column: np.ndarray) -> bool:
    """Whether no number of a column is infinite or too large; quick where none is missing."""
    if column.dtype.kind != "f":
        return True
    low, high = column.min(), column.max()
    if low != low:
        low, high = np.fmin.reduce(column), np.fmax.reduce(column)
    return not max(-float(low), float(high)) > LARGEST


def _require_given(piece: Piece, roles: Roles) -> None:
    described = len(roles.columns) - roles.given
    seen = ~np.isnan(np.stack(piece.columns[:described], axis=1, dtype=np.float64)).all(axis=1)
    seen |= roles.always
    for name, column in zip(roles.columns[described:], piece.columns[described:], strict=False):
        lacking = np.isnan(np.asarray(column, np.float64)) & seen
        if lacking.any():
            raise ValueError(
                f"given should have no missing values, but row "
                f"{piece.start + int(np.argmax(lacking))} of column {name!r} of {piece.place} has "
                "one: fill them in, or leave the row out."
            )


def _hide_unused(values: np.ndarray, given: int) -> None:
    """A row of which nothing is observed says nothing, whatever its covariates."""
    empty = np.isnan(values[:, : values.shape[1] - given]).all(axis=1)
    values[empty] = np.nan


def weightless(name: str) -> ValueError:
    """The error for a column of weights that are all zero."""
    return ValueError(
        f"The column {name!r} should have a weight above zero, but all are 0: raise one, or pass "
        "weights=None."
    )


def others(names: Sequence[str], taken: Container[str | None]) -> list[str]:
    """The names that have no role yet and are no index of pandas."""
    return [n for n in names if n not in taken and not n.startswith(_PANDAS_INDEX)]


def roles_of(
    names: Sequence[str],
    columns: Sequence[str] | None,
    weights: str | None,
    labels: str | None,
    given: Sequence[str],
    place: str,
) -> Roles:
    """The roles of the columns that data have; by default all others are described, but for an
    index of pandas.

    Raises:
        ValueError: if a column is missing, or has two roles.
    """
    taken = {weights, labels, *given}
    mine = others(names, taken) if columns is None else list(columns)
    roles = Roles((*mine, *given), weights, labels, len(given))
    needed = roles.names
    if not mine or len(set(needed)) < len(needed):
        raise ValueError(
            f"columns should name at least one column, each once and none of them the weights, but "
            f"are {mine}: choose among {list(names)}."
        )
    for name in needed:
        if (count := list(names).count(name)) != 1:
            raise ValueError(
                f"{place} should have one column {name!r}, but has {count}: choose among "
                f"{list(names)}."
            )
    return roles


def require_batch_rows(batch_rows: Any) -> None:
    """Raise ``ValueError`` if that many rows make no batch."""
    if isinstance(batch_rows, bool) or not isinstance(batch_rows, int) or batch_rows < 1:
        raise ValueError(f"batch_rows should be an integer from 1 up, but is {batch_rows!r}.")


def require_names(columns: Any, argument: str = "columns") -> None:
    """Raise ``TypeError`` for a text in the place of several."""
    if isinstance(columns, str):
        raise TypeError(f"{argument} should be a list of names, but is a text: pass [{columns!r}].")


def even_cuts(sizes: Iterable[int], count: int) -> list[tuple[int, int]]:
    """Neighbouring groups of such sizes in at most ``count`` runs of about equal size."""
    sizes = list(sizes)
    if count >= len(sizes):
        return [(i, i + 1) for i in range(len(sizes))]
    ends = np.cumsum(sizes)
    targets = ends[-1] * np.arange(1, count) / count
    # The end of a group that is nearest to each target.
    places = np.unique(np.abs(ends[:, None] - targets).argmin(axis=0) + 1)
    runs = zip([0, *places.tolist()], [*places.tolist(), len(ends)], strict=True)
    return [(i, j) for i, j in runs if j > i]
