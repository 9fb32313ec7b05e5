"""What an engine has to offer: data in partitions, and sums over them wherever they are made.

Every learner asks its data for one thing, a sum over data of a pure function of the parameters. So
where that sum is made is a choice of engine and nothing else.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

R = TypeVar("R")

# Values, weights or None, and known states if there are any.
Batch = tuple[np.ndarray, np.ndarray | None] | tuple[np.ndarray, np.ndarray | None, np.ndarray]


class Units(NamedTuple):
    """The units in which data are summed, ``(x - centre) / scale``: both ``[D]``.

    With the mean of a column as its centre, sums of squares keep their digits whatever the offset.
    """

    centre: np.ndarray
    scale: np.ndarray


class Source(Protocol):
    """Rows that can be read as often as needed, and be sent to other processes."""

    @property
    def rows(self) -> int:
        """How many rows there are."""
        ...

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of the columns, if they have any."""
        ...

    @property
    def width(self) -> int:
        """D, how many columns there are."""
        ...

    @property
    def batch_rows(self) -> int:
        """How many rows each batch has but the last."""
        ...

    @property
    def labelled(self) -> bool:
        """Whether some states are known."""
        ...

    @property
    def on_disk(self) -> bool:
        """Whether other processes can read the data."""
        ...

    def batches(self) -> Iterator[Batch]:
        """One pass in order: values ``[B, D]`` in float64, NaN missing; weights ``[B]`` or None.

        If some states are known, there is a third array with the states ``[B]``, -1 if unknown.
        """
        ...

    def require_unchanged(self) -> None:
        """Raise ``ValueError`` if the data are not what they were when they were opened."""
        ...

    def partitions(self, count: int) -> Sequence["Source"]:
        """The same rows, in order, as at most ``count`` sources of about as many rows."""
        ...


class AbstractPartitions(ABC):
    """Data that an engine holds, or knows the way to, in ``count`` partitions.

    The partitions depend on the data and the engine's options alone, not on how many workers there
    are, and are summed in their order in float64: so the same partitions give the same bits on any
    engine, and others the same numbers up to the rounding of a sum.
    """

    source: Source
    count: int

    @abstractmethod
    def gather(self, task: Callable[[Source, Any], R], arguments: Sequence[Any]) -> list[R]:
        """``task(partition, argument)`` for each partition with its argument, in order.

        Args:
            task: a function at the top level of a module, which sends nothing anywhere: it may be
                called again where a worker was lost.
            arguments: one for each partition.
        """

    @abstractmethod
    def total(
        self, function: Callable[..., Any], parameters: Any, units: Units, **static: Any
    ) -> Any:
        """The sum over all data of ``function(parameters, blocks, **static)``, as NumPy arrays.

        Args:
            function: a pure function at the top level of a module, which JAX can trace. It returns
                a tree of arrays that add over data.
            parameters: a tree of arrays.
            units: in which ``blocks``, the ``Blocks`` of some of the data, are.
            static: what the function is compiled for, hashable.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the data and of the workers that were started for them."""


class AbstractEngine(ABC):
    """How and where sums are made: options only, no data."""

    @abstractmethod
    def open(self, source: Source) -> AbstractPartitions:
        """The data of a source under this engine, to be closed after use.

        Raises:
            ValueError: if the engine cannot hold such a source.
        """
