"""Reading a source: batches ahead of their use, and as blocks in the units of a fit."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from .blocks import Blocks, into_blocks
from .interface import Source, Units

T = TypeVar("T")


def weighted_batches(source: Source) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """One pass over values ``[B, D]`` and weights ``[B]``, which are ones by default."""
    for values, weight in source.batches():
        yield values, np.ones(len(values)) if weight is None else weight


def blocks_of(source: Source, units: Units) -> Generator[Blocks]:
    """One pass over the batches as blocks in these units, all in one shape, each read ahead."""
    size = min(source.batch_rows, source.rows)
    return ahead(_block(*batch, units, size) for batch in weighted_batches(source))


def _block(values: np.ndarray, weight: np.ndarray, units: Units, size: int) -> Blocks:
    count = len(values)
    if count < size:
        # Filled up with the centre, which becomes zero.
        values = np.concatenate([values, np.tile(units.centre, (size - count, 1))])
        weight = np.append(weight, np.zeros(size - count))
    # What fills up has to stay last, where it is not looked at.
    whole = count == size
    data = into_blocks(values, weight, centre=units.centre, scale=units.scale, regroup=whole)
    return data._replace(used=np.int32(-(-count // data.x.shape[1])))


def ahead(items: Iterator[T]) -> Generator[T]:
    """The same items; a thread makes the next one while the caller works with the last."""
    with ThreadPoolExecutor(1, "latentia-reader") as reader:
        coming = reader.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = reader.submit(next, items, None)
            yield item
