"""Rows that are yet to be drawn, as a source: only how many there are, and the number of each."""

from collections.abc import Iterator
from typing import final

import numpy as np

from .file_rows import AbstractRows, Piece, Roles

# Rows that are drawn together, whatever the partitions.
BLOCK = 8192


@final
class RowNumbers(AbstractRows):
    """The numbers from ``start`` on, of so many rows; cut at multiples of ``BLOCK``."""

    def __init__(self, rows: int, start: int = 0) -> None:
        super().__init__(Roles(("row",)), rows, BLOCK, False)
        self.start = start

    def pieces(self) -> Iterator[Piece]:
        """See ``AbstractRows``."""
        for first in range(self.start, self.start + self.rows, BLOCK):
            last = min(first + BLOCK, self.start + self.rows)
            yield Piece(first, [np.arange(first, last)], "the rows to draw")

    def partitions(self, count: int) -> "list[RowNumbers]":
        """See ``AbstractRows``."""
        blocks = -(-self.rows // BLOCK)
        cuts = np.unique(np.linspace(0, blocks, min(count, blocks) + 1).astype(int)) * BLOCK
        ends = np.minimum(cuts, self.rows).tolist()
        return [RowNumbers(j - i, self.start + i) for i, j in zip(ends, ends[1:], strict=False)]

    def require_unchanged(self) -> None:
        """See ``AbstractRows``; numbers do not change."""
