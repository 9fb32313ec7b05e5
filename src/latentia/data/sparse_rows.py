"""Rows of a sparse matrix as a source for the engines: dense only batch by batch."""

import sys
from collections.abc import Iterator
from typing import Any, final

import numpy as np

from .interface import Batch
from .table import LARGEST, read_weights

# Numbers of a dense batch: 32 MB in float64.
_NUMBERS = 2**22
_LEAST = 64


def is_sparse(data: Any) -> bool:
    """Whether data are a sparse matrix or array of SciPy."""
    # SciPy has been imported by whoever made one, and need not be by all others.
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and sparse.issparse(data)


@final
class SparseRows:
    """A sparse matrix in memory, of which one batch at a time is made dense.

    Args:
        matrix: ``[N, D]``, in the format CSR; what is not stored is 0.
        weight: ``[N]``, or None.
    """

    columns = None
    labelled = False
    on_disk = False

    def __init__(self, matrix: Any, weight: np.ndarray | None = None) -> None:
        self.rows, self.width = matrix.shape
        # So few rows that a batch is small, however many columns there are.
        self.batch_rows = int(np.clip(_NUMBERS // max(self.width, 1), _LEAST, 65536))
        self._matrix, self._weight = matrix, weight

    def batches(self) -> Iterator[Batch]:
        """One pass over the rows in order; each batch is dense, and a new array."""
        for start in range(0, self.rows, self.batch_rows):
            part = slice(start, start + self.batch_rows)
            weight = None if self._weight is None else self._weight[part]
            yield self._matrix[part].toarray(), weight

    def partitions(self, count: int) -> "list[SparseRows]":
        """The same rows, in order, as at most ``count`` matrices of about as many rows."""
        ends = np.unique(np.linspace(0, self.rows, min(count, self.rows) + 1).astype(int))
        return [
            SparseRows(self._matrix[i:j], None if self._weight is None else self._weight[i:j])
            for i, j in zip(ends, ends[1:], strict=False)
        ]

    def require_unchanged(self) -> None:
        """See ``Source``; arrays of this process are not watched."""


def sparse_rows(data: Any, weights: Any = None, argument: str = "data") -> SparseRows:
    """The rows of a sparse matrix in any format, with weights ``[N]`` or None.

    Raises:
        ValueError: if it has no rows or columns, or a stored number is infinite or beyond 1e150; or
            the weights do not fit.
    """
    matrix = data.tocsr().astype(np.float64)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(
            f"{argument} should have rows and columns, but has the shape {data.shape}."
        )
    # NaN is missing, as in a table.
    if (np.abs(matrix.data) > LARGEST).any():
        raise ValueError(
            f"{argument} should hold finite numbers up to 1e150, but a stored one is "
            f"{matrix.data[np.argmax(np.abs(np.nan_to_num(matrix.data, posinf=np.inf)))]}: correct "
            "it or leave out the row."
        )
    return SparseRows(matrix, read_weights(weights, matrix.shape[0]))
