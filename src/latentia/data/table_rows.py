"""Rows in memory as a source for the engines."""

from collections.abc import Iterator
from typing import final

import numpy as np

from .interface import Batch


@final
class TableRows:
    """A table in memory, in batches and partitions like those of a stream.

    Args:
        values: ``[N, D]`` in float64, NaN where missing.
        weight: ``[N]``, or None.
        columns: the names of the columns, if they have any.
        batch_rows: how many rows each batch has but the last.
        label: ``[N]``, the known states, -1 if unknown; or None.
    """

    on_disk = False

    def __init__(
        self,
        values: np.ndarray,
        weight: np.ndarray | None = None,
        columns: tuple[str, ...] | None = None,
        batch_rows: int = 65536,
        label: np.ndarray | None = None,
    ) -> None:
        self.rows, self.width = values.shape
        self.columns = columns
        self.batch_rows = batch_rows
        self._values = values
        self._weight = weight
        self._label = label
        self.labelled = label is not None

    def batches(self) -> Iterator[Batch]:
        """One pass over the rows in order; the arrays are not copied."""
        for start in range(0, self.rows, self.batch_rows):
            part = slice(start, start + self.batch_rows)
            weight = None if self._weight is None else self._weight[part]
            if self._label is None:
                yield self._values[part], weight
            else:
                yield self._values[part], weight, self._label[part]

    def partitions(self, count: int) -> "list[TableRows]":
        """The same rows, in order, as at most ``count`` tables of about as many rows."""
        ends = np.unique(np.linspace(0, self.rows, min(count, self.rows) + 1).astype(int))

        def part(array: np.ndarray | None, i: int, j: int) -> np.ndarray | None:
            return None if array is None else array[i:j]

        return [
            TableRows(
                self._values[i:j],
                part(self._weight, i, j),
                self.columns,
                self.batch_rows,
                part(self._label, i, j),
            )
            for i, j in zip(ends, ends[1:], strict=False)
        ]

    def require_unchanged(self) -> None:
        """See ``Source``; arrays of this process are not watched."""
