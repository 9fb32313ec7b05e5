"""Where a training gets its data from: memory, or a stream that is read in shuffled chunks."""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .epochs import order_of


class Chunk(NamedTuple):
    """Rows ``[N, *shape]`` and weights ``[N]``, and the ``order [steps, batch]`` of the rows."""

    data: tuple[jax.Array, jax.Array]
    order: jax.Array


class AbstractFeed(ABC):
    """The data of a training, in an order that each epoch draws anew."""

    rows: int
    weight: float
    steps: int  # of one epoch
    digest: int

    @abstractmethod
    def chunks(self, key: Any, epoch: int) -> Iterator[Chunk]:
        """The data of an epoch, all of them once, a part at a time."""


class MemoryFeed(AbstractFeed):
    """All data at once.

    Args:
        rows: ``[N, *shape]``.
        weight: ``[N]``.
        batch: how many data a step sees.
        place: puts arrays where the computation is.
    """

    def __init__(self, rows: np.ndarray, weight: np.ndarray, batch: int, place: Any) -> None:
        self.rows, self.weight, self.batch = len(rows), float(weight.sum()), batch
        self.steps = -(-self.rows // batch)
        self.digest = digest_of(rows, weight)
        self.place = place
        self.data = place((jnp.asarray(rows), jnp.asarray(weight, rows.dtype)))

    def chunks(self, key: Any, epoch: int) -> Iterator[Chunk]:
        order = order_of(key, jnp.asarray(epoch), rows=self.rows, batch=self.batch)
        yield Chunk(self.data, self.place(order))


class StreamFeed(AbstractFeed):
    """Data that need not fit in memory: in every epoch blocks of consecutive rows in a random
    order, a few of them at a time, whose rows are then mixed.

    Args:
        take: rows and weights of sorted row numbers, ready for the model.
        blocks: the first and last (excluded) row of each block to learn from.
        at_once: how many blocks are in memory together.
        batch: how many data a step sees.
        seed: decides the order.
        place: puts arrays where the computation is.
    """

    def __init__(
        self,
        take: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
        blocks: list[tuple[int, int]],
        at_once: int,
        batch: int,
        seed: int,
        place: Any,
    ) -> None:
        self.take, self.blocks, self.at_once = take, blocks, at_once
        self.batch, self.seed, self.place = batch, seed, place
        sizes = [last - first for first, last in blocks]
        self.rows, self._longest = sum(sizes), max(sizes)
        self.steps = sum(-(-_count(part) // batch) for part in self._parts(0))
        rows, weight = take(np.arange(*blocks[0]))
        # What is never read whole is known by its size and its beginning.
        self.digest = digest_of(rows, weight)
        # Of all data, if these are like the others.
        self.weight = float(weight.mean()) * self.rows

    def _parts(self, epoch: int) -> list[list[tuple[int, int]]]:
        order = np.random.default_rng([self.seed, 3, epoch]).permutation(len(self.blocks))
        mixed = [self.blocks[i] for i in order]
        # The one that is shorter stays last, so that all epochs have as many steps.
        mixed.sort(key=lambda block: block[1] - block[0] < self._longest)
        return [mixed[i : i + self.at_once] for i in range(0, len(mixed), self.at_once)]

    def chunks(self, key: Any, epoch: int) -> Iterator[Chunk]:
        size = self.at_once * self._longest
        for place, part in enumerate(self._parts(epoch)):
            rows, weight = self.take(np.sort(np.concatenate([np.arange(*b) for b in part])))
            count = len(rows)
            # Filled up, so that one program serves all chunks.
            spare = np.zeros((size - count, *rows.shape[1:]), rows.dtype)
            rows = np.concatenate([rows, spare])
            weight = np.concatenate([weight, np.zeros(size - count)]).astype(rows.dtype)
            inner = jax.random.fold_in(key, place)
            order = order_of(inner, jnp.asarray(epoch), rows=count, batch=self.batch)
            yield Chunk(self.place((jnp.asarray(rows), jnp.asarray(weight))), self.place(order))


def digest_of(*arrays: np.ndarray) -> int:
    """A number that tells whether arrays are the same."""
    found = 0
    for array in arrays:
        found = zlib.crc32(np.ascontiguousarray(array).tobytes(), found)
    return found


def _count(blocks: list[tuple[int, int]]) -> int:
    return sum(last - first for first, last in blocks)
