"""Data in memory as blocks of rows, in few different shapes, so that few programs are compiled."""

from typing import Any, NamedTuple

import numpy as np

# Large enough for quick matrix products, small enough for the cache.
BLOCK = 512


class Blocks(NamedTuple):
    """Data in blocks; what fills up the last ones has weight zero.

    ``x [M, B, D]``, ``weight [M, B]``, ``label [M, B]`` (-1 is unknown), and ``used``, how many of
    the M blocks hold data. For sequences ``x [M, B, T, D]`` and ``label [M, B, T]``.
    """

    x: Any
    weight: Any
    label: Any
    used: Any


# Sequences of different lengths are in several sets of blocks.
AnyBlocks = Blocks | tuple[Blocks, ...]


def parts_of(data: AnyBlocks) -> tuple[Blocks, ...]:
    """The sets of blocks, each of one shape."""
    return (data,) if isinstance(data, Blocks) else data


def size_of(data: AnyBlocks) -> int:
    """How many numbers there are."""
    return sum(part.x.size for part in parts_of(data))


def into_blocks(
    values: np.ndarray,
    weight: np.ndarray | None = None,
    label: np.ndarray | None = None,
    *,
    centre: np.ndarray | float = 0.0,
    scale: np.ndarray | float = 1.0,
    dtype: Any = np.float64,
    block: int = BLOCK,
    regroup: bool = False,
) -> Blocks:
    """Copy rows ``(values - centre) / scale`` into blocks.

    Args:
        values: ``[N, D]``, at least one row.
        weight: ``[N]``; ones by default.
        label: ``[N]``, the known states; -1, unknown, by default.
        regroup: whether rows may change places, so that those that lack as many entries are in
            one block, which is quicker where the order does not matter.
    """
    rows, columns = values.shape
    holes = np.isnan(values) if regroup else np.zeros(1, bool)
    if holes.any():
        order = np.argsort(holes.sum(axis=1), kind="stable")
        values = values[order]
        weight = None if weight is None else weight[order]
        label = None if label is None else label[order]
    size = round_up(rows) if rows <= block else block
    used = -(-rows // size)
    count = round_up(used)
    # Filled with zeros, which every family can evaluate.
    x = np.zeros((count * size, columns), dtype)
    np.subtract(values, centre, out=x[:rows], casting="unsafe")
    np.divide(x[:rows], scale, out=x[:rows])
    weights = np.zeros(count * size, dtype)
    weights[:rows] = 1.0 if weight is None else weight
    labels = np.full(count * size, -1, np.int32)
    if label is not None:
        labels[:rows] = label
    return Blocks(
        x.reshape(count, size, columns),
        weights.reshape(count, size),
        labels.reshape(count, size),
        np.int32(used),
    )


def round_up(number: int) -> int:
    """The next number of the form 2^a or 3·2^a: at most half of it is waste, and seldom any."""
    power = 1
    while power < number:
        power *= 2
    three_quarters = power // 4 * 3
    return three_quarters if number <= three_quarters else power
