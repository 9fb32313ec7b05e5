"""Data in memory: read once, and kept as blocks in the units of the fit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax
import numpy as np

from latentia.precision import precision_of

from .blocks import AnyBlocks, Blocks, into_blocks
from .interface import AbstractEngine, AbstractPartitions, R, Source, Units
from .partitioning import one_by_one, partitioned, require_whole
from .reading import whole
from .sequence_rows import SequenceRows
from .summing import added, call_of, compiled


@final
@dataclass(frozen=True)
class Memory(AbstractEngine):
    """One process that keeps all the data.

    Args:
        partitions: in how many partitions the data are summed.
    """

    partitions: int = 1

    def __post_init__(self) -> None:
        require_whole("Memory", 1, partitions=self.partitions)

    def open(self, source: Source) -> "PartitionsInMemory":
        """The data of a source; they are read for good once their units are known."""
        return PartitionsInMemory(source, self.partitions)


@final
class PartitionsInMemory(AbstractPartitions):
    """The partitions of a source, each kept as blocks in the last units that were asked for."""

    def __init__(self, source: Source, count: int) -> None:
        self.source = source
        self._parts = partitioned(source, count)
        self.count = len(self._parts)
        self._kept: tuple[Units, list[AnyBlocks]] | None = None

    def gather(self, task: Callable[[Source, Any], R], arguments: Sequence[Any]) -> list[R]:
        """See ``AbstractPartitions``."""
        return one_by_one(task, self._parts, arguments)

    def total(
        self, function: Callable[..., Any], parameters: Any, units: Units, **static: Any
    ) -> Any:
        """See ``AbstractPartitions``."""
        call = call_of(function, parameters, units, static)
        program = compiled(call.function, call.static)
        with precision_of(np.empty(0)):
            parts = [program(call.parameters, data) for data in self._blocks(call.units)]
            return added(jax.device_get(parts))

    def close(self) -> None:
        """Forget the data."""
        self._kept = None

    def _blocks(self, units: Units) -> list[AnyBlocks]:
        if self._kept is None or not same_units(self._kept[0], units):
            self._kept = None
            parts = [jax.device_put(whole_blocks(part, units)) for part in self._parts]
            self._kept = units, parts
        return self._kept[1]


def whole_blocks(source: Source, units: Units) -> AnyBlocks:
    """All rows of a source as blocks, or all sequences, in a set for each of their lengths."""
    if isinstance(source, SequenceRows):
        alike: dict[tuple[int, ...], list[Blocks]] = {}
        for one in source.blocks(units):
            alike.setdefault(one.x.shape, []).append(one)
        return tuple(_stacked(some) for some in alike.values())
    return into_blocks(*whole(source), centre=units.centre, scale=units.scale, regroup=True)


def _stacked(some: list[Blocks]) -> Blocks:
    x, weight, label, _ = zip(*some, strict=True)
    return Blocks(*map(np.concatenate, (x, weight, label)), used=np.int32(len(some)))


def same_units(one: Units, other: Units) -> bool:
    """Whether data in these units are the same numbers."""
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
