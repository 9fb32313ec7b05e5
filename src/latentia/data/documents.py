"""Documents as sparse counts of words, and as padded batches in few different shapes."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

# Words that one batch holds, padding included: with their topics they stay in the cache.
_CELLS = 2048
_FEWEST_WORDS = 16
_FEWEST = 8
# The fewest documents that are worth a stack of their own.
_TOGETHER = 64
# About so many stacks: more would save padding, and cost programs to compile.
_WIDTHS = 5
# Of so few documents come many batches, in online learning, that are to share their programs.
_FEW = 512


class Stack(NamedTuple):
    """Documents with about as many distinct words, in M batches of B, padded to R words.

    Attributes:
        rows: ``[M, B]``, where they lie among the sorted documents; -1 is nowhere.
        words: ``[M, B, R]``, the columns of their distinct words.
        counts: ``[M, B, R]``, how often each came; zero is padding.
        used: how many of the M batches hold documents.
    """

    rows: Any
    words: Any
    counts: Any
    used: Any


class Documents(NamedTuple):
    """A corpus, sorted by the number of distinct words, which nothing here ever makes dense.

    Attributes:
        counts: ``[N, V]``, a CSR matrix without stored zeros, documents in sorted order.
        order: ``[N]``, where each sorted document came from.
        stacks: the same documents, padded: one for each width.
    """

    counts: Any
    order: np.ndarray
    stacks: tuple[Stack, ...]

    def sort(self, rows: np.ndarray) -> np.ndarray:
        """Rows ``[N, ...]`` of the caller in sorted order."""
        return rows[self.order]

    def unsort(self, rows: np.ndarray) -> np.ndarray:
        """Sorted rows ``[N, ...]`` in the order of the caller."""
        out = np.empty_like(rows)
        out[self.order] = rows
        return out


def into_documents(counts: Any, dtype: Any = np.float64) -> Documents:
    """Sort and pad a sparse matrix of counts ``[N, V]``."""
    matrix = sp.csr_array(counts, dtype=dtype, copy=True)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    order = np.argsort(np.diff(matrix.indptr), kind="stable")
    matrix = matrix[order]
    distinct = np.diff(matrix.indptr)
    stacks, first = [], 0
    least = max(_TOGETHER, len(order) // _WIDTHS)
    while first < len(order):
        # A fair share of the documents goes together, padded to the widest of them.
        widest = int(distinct[min(first + least, len(order)) - 1])
        width = padded_width(widest, coarse=len(order) <= _FEW)
        last = int(np.searchsorted(distinct, width, "right"))
        stacks.append(_stack(matrix, np.arange(first, last), width))
        first = last
    return Documents(matrix, order, tuple(stacks))


def some(stack: Stack, keep: np.ndarray) -> Stack:
    """A stack of the same shape with the documents in ``keep [M, B]`` only, packed to the front."""
    count = int(np.count_nonzero(keep))
    rows = np.full(keep.size, -1)
    rows[:count] = stack.rows[keep]
    words, counts = np.zeros_like(stack.words), np.zeros_like(stack.counts)
    width = words.shape[-1]
    words.reshape(-1, width)[:count] = stack.words[keep]
    counts.reshape(-1, width)[:count] = stack.counts[keep]
    return Stack(rows.reshape(keep.shape), words, counts, np.int32(-(-count // keep.shape[1])))


def _stack(matrix: Any, rows: np.ndarray, width: int) -> Stack:
    size = max(_FEWEST, _CELLS // width)
    batches = padded_count(-(-len(rows) // size))
    places = matrix.indptr[rows][:, None] + np.arange(width)
    filled = places < matrix.indptr[rows + 1][:, None]
    words = np.zeros((batches * size, width), np.int32)
    counts = np.zeros((batches * size, width), matrix.dtype)
    words[: len(rows)][filled] = matrix.indices[places[filled]]
    counts[: len(rows)][filled] = matrix.data[places[filled]]
    all_rows = np.full(batches * size, -1)
    all_rows[: len(rows)] = rows
    return Stack(
        all_rows.reshape(batches, size),
        words.reshape(batches, size, width),
        counts.reshape(batches, size, width),
        np.int32(-(-len(rows) // size)),
    )


def padded_count(batches: int) -> int:
    """1, 4, or a multiple of 16: few shapes, and empty batches cost no time."""
    return 1 if batches == 1 else 4 if batches <= 4 else -(-batches // 16) * 16


def padded_width(words: int, *, coarse: bool = False) -> int:
    """The next number of the form 2^a or 3·2^a, or 4^a if it is to be ``coarse``."""
    width = _FEWEST_WORDS
    while width < words:
        width *= 4 if coarse else 2
    narrower = width // 4 * 3
    fits = words <= narrower and width > _FEWEST_WORDS and not coarse
    return narrower if fits else width
