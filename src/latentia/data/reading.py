"""Reading a source: batches ahead of their use, and as blocks in the units of a fit."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np

from .blocks import Blocks, into_blocks
from .interface import Source, Units
from .sequence_rows import SequenceRows

T = TypeVar("T")


class Rows(NamedTuple):
    """Some rows: values ``[B, D]``, weights ``[B]``, and the known states ``[B]`` or None."""

    values: np.ndarray
    weight: np.ndarray
    label: np.ndarray | None = None


def weighted_batches(source: Source) -> Iterator[Rows]:
    """One pass over the rows, whose weights are ones by default."""
    for values, weight, *label in source.batches():
        yield Rows(values, np.ones(len(values)) if weight is None else weight, *label)


def whole(source: Source) -> Rows:
    """All rows at once."""
    values, weight, label = zip(*weighted_batches(source), strict=True)
    known = np.concatenate(label) if source.labelled else None
    return Rows(np.concatenate(values), np.concatenate(weight), known)


def blocks_of(source: Source, units: Units) -> Generator[Blocks]:
    """One pass over the batches as blocks in these units, all in one shape, each read ahead."""
    if isinstance(source, SequenceRows):
        return ahead(source.blocks(units))
    size = min(source.batch_rows, source.rows)
    return ahead(_block(batch, units, size) for batch in weighted_batches(source))


def _block(rows: Rows, units: Units, size: int) -> Blocks:
    values, weight, label = rows
    count = len(values)
    if count < size:
        # Filled up with the centre, which becomes zero.
        values = np.concatenate([values, np.tile(units.centre, (size - count, 1))])
        weight = np.append(weight, np.zeros(size - count))
        label = None if label is None else np.append(label, np.full(size - count, -1))
    # What fills up has to stay last, where it is not looked at.
    full = count == size
    centre, scale = units
    data = into_blocks(values, weight, label, centre=centre, scale=scale, regroup=full)
    return data._replace(used=np.int32(-(-count // data.x.shape[1])))


def ahead(items: Iterator[T]) -> Generator[T]:
    """The same items; a thread makes the next one while the caller works with the last."""
    with ThreadPoolExecutor(1, "latentia-reader") as reader:
        coming = reader.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = reader.submit(next, items, None)
            yield item
