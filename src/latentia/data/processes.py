"""Worker processes on this machine, by joblib's loky, which never forks."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

from .interface import AbstractEngine, AbstractPartitions, R, Source, Units
from .partitioning import partitioned, require_on_disk, require_whole
from .recovery import Recovery
from .summing import added, call_of, sum_partition


@final
@dataclass(frozen=True)
class Processes(AbstractEngine):
    """Several processes on this machine, each of which reads its share of the files.

    Args:
        workers: how many processes; by default one for each core.
        partitions: in how many partitions the data are summed; by default by their size alone.
        patience: how many seconds to wait at least before a worker counts as frozen.
        keep: how many bytes of data each worker process may keep between passes, a gigabyte by
            default. What it does not keep it reads again; 0 keeps nothing.
    """

    workers: int | None = None
    partitions: int | None = None
    patience: float = 25.0
    keep: int = 10**9

    def __post_init__(self) -> None:
        require_whole("Processes", 1, workers=self.workers, partitions=self.partitions)
        require_whole("Processes", 0, keep=self.keep)

    def open(self, source: Source) -> "PartitionsOfProcesses":
        """The data of a source in files; the processes start with the first work."""
        require_on_disk(source, "processes")
        return PartitionsOfProcesses(source, self)


@final
class PartitionsOfProcesses(AbstractPartitions):
    """The partitions of a source, each worked on by whichever process is free."""

    def __init__(self, source: Source, engine: Processes) -> None:
        from joblib.externals.loky.process_executor import BrokenProcessPool

        self.source = source
        self._parts = partitioned(source, engine.partitions)
        self.count = len(self._parts)
        self._room = engine.keep
        self._workers = engine.workers or os.cpu_count() or 1
        # Loky replaces broken workers by itself when it is next asked for some.
        lost = (BrokenProcessPool, TimeoutError, multiprocessing.TimeoutError)
        self._recovery = Recovery(lost, engine.patience, lambda: None)

    def gather(self, task: Callable[[Source, Any], R], arguments: Sequence[Any]) -> list[R]:
        """See ``AbstractPartitions``."""
        work = partial(self._run, task, arguments)
        return self._recovery.run(task, work)

    def total(
        self, function: Callable[..., Any], parameters: Any, units: Units, **static: Any
    ) -> Any:
        """See ``AbstractPartitions``."""
        call = call_of(function, parameters, units, static, self._room)
        work = partial(self._run, sum_partition, [call] * self.count)
        return added(self._recovery.run((function, call.static), work))

    def close(self) -> None:
        """The processes end by themselves once they have had nothing to do for a while."""

    def _run(self, task: Any, arguments: Sequence[Any], seconds: float) -> list[Any]:
        from joblib import Parallel, delayed

        # One task at a time, since all are long; arguments are small.
        options: dict[str, Any] = {"batch_size": 1, "pre_dispatch": "all", "max_nbytes": None}
        # One worker is no other process: joblib then works in this one, and cannot give up.
        limit = seconds if self._workers > 1 else None
        parallel = Parallel(self._workers, "loky", timeout=limit, **options)
        pairs = zip(self._parts, arguments, strict=True)
        return list(parallel(delayed(task)(part, each) for part, each in pairs))
