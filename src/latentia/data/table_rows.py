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
    """

    def __init__(
        self,
        values: np.ndarray,
        weight: np.ndarray | None = None,
        columns: tuple[str, ...] | None = None,
        batch_rows: int = 65536,
    ) -> None:
        self.rows, self.width = values.shape
        self.columns = columns
        self.batch_rows = batch_rows
        self._values = values
        self._weight = weight

    def batches(self) -> Iterator[Batch]:
        """One pass over the rows in order; the arrays are not copied."""
        for start in range(0, self.rows, self.batch_rows):
            part = slice(start, start + self.batch_rows)
            yield self._values[part], None if self._weight is None else self._weight[part]

    def partitions(self, count: int) -> "list[TableRows]":
        """The same rows, in order, as at most ``count`` tables of about as many rows."""
        ends = np.unique(np.linspace(0, self.rows, min(count, self.rows) + 1).astype(int))
        return [
            TableRows(
                self._values[i:j],
                None if self._weight is None else self._weight[i:j],
                self.columns,
                self.batch_rows,
            )
            for i, j in zip(ends, ends[1:], strict=False)
        ]
