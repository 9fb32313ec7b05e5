"""Streams: one partition after another is read, batch by batch, again in every pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

from .interface import AbstractEngine, AbstractPartitions, R, Source, Units
from .partitioning import one_by_one, partitioned, require_whole
from .summing import added, call_of, sum_partition


@final
@dataclass(frozen=True)
class Stream(AbstractEngine):
    """One process that holds no more than two batches of the data at a time.

    Args:
        partitions: in how many partitions the data are summed; other engines with as many give the
            same bits.
    """

    partitions: int = 1

    def __post_init__(self) -> None:
        require_whole("Stream", 1, partitions=self.partitions)

    def open(self, source: Source) -> "StreamedPartitions":
        """The data of a source, of which nothing is read yet."""
        return StreamedPartitions(source, self.partitions)


@final
class StreamedPartitions(AbstractPartitions):
    """The partitions of a source, worked on one after another in this process."""

    def __init__(self, source: Source, count: int) -> None:
        self.source = source
        self._parts = partitioned(source, count)
        self.count = len(self._parts)

    def gather(self, task: Callable[[Source, Any], R], arguments: Sequence[Any]) -> list[R]:
        """See ``AbstractPartitions``."""
        return one_by_one(task, self._parts, arguments)

    def total(
        self, function: Callable[..., Any], parameters: Any, units: Units, **static: Any
    ) -> Any:
        """See ``AbstractPartitions``."""
        call = call_of(function, parameters, units, static)
        return added([sum_partition(part, call) for part in self._parts])

    def close(self) -> None:
        """Nothing is held."""
