"""What a worker keeps of its partitions between passes, so that it need not read them again."""

import pickle
import threading
from collections.abc import Generator
from contextlib import closing

import jax

from .blocks import Blocks
from .interface import Source, Units
from .reading import blocks_of

_lock = threading.Lock()
# By the units of the last fit and the partition, which tells its files and their state.
_kept: dict[tuple[bytes, bytes], list[Blocks]] = {}


def kept_blocks(partition: Source, units: Units, room: int) -> Generator[Blocks]:
    """One pass over the blocks of a partition, from memory if an earlier pass left them there.

    Args:
        partition: some of the data.
        units: as for ``blocks_of``.
        room: how many bytes this process may keep, of all partitions together.
    """
    key = pickle.dumps(units), pickle.dumps(partition)
    with _lock:
        found = _kept.get(key)
    if found is not None:
        partition.require_unchanged()
        yield from found
        return
    some: list[Blocks] | None = []
    with closing(blocks_of(partition, units)) as batches:
        for data in batches:
            device = jax.device_put(data)
            if some is not None:
                # Only whole partitions are of use later.
                some = [*some, device] if _room(key[0], some, data) <= room else None
            yield device
    if some is not None:
        with _lock:
            _kept[key] = some


def _room(units: bytes, some: list[Blocks], more: Blocks) -> int:
    """The bytes that would be kept with these; data in other units are let go."""
    with _lock:
        for key in [key for key in _kept if key[0] != units]:
            del _kept[key]
        held = [each for blocks in _kept.values() for each in blocks]
    return sum(array.nbytes for each in (*held, *some, more) for array in each)
