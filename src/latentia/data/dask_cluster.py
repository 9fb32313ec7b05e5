"""Workers of a Dask cluster, on this machine or on many.

A small part of Dask's futures is used. Parameters are sent as the result of a task, and never
scattered: scattered data die with the worker that holds them, a task is done again.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

from .dask_rows import DaskRows
from .interface import AbstractEngine, AbstractPartitions, R, Source, Units
from .partitioning import partitioned, require_on_disk, require_whole
from .recovery import EngineError, Recovery
from .summing import added, call_of, sum_partition

# Tasks for each worker in a pass: partitions are grouped, since every task costs a moment.
_TASKS = 4
# What a nanny writes into the environment. The first doubles the time of JAX on a CPU, since glibc
# then no longer adapts the size from which memory is mapped (distributed, issue 3898).
_TRIM = "MALLOC_TRIM_THRESHOLD_"
_WRITTEN = (_TRIM, "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@final
@dataclass(frozen=True)
class Dask(AbstractEngine):
    """A Dask cluster whose workers all reach the files by the same paths.

    Args:
        client: a ``distributed.Client``, which stays open.
        scheduler: the address of a scheduler, if there is no client.
        workers: how many processes to start on this machine, if there is neither; by default one
            for each core.
        partitions: in how many partitions the data are summed; by default by their size alone.
        patience: how many seconds to wait at least before a worker counts as frozen.
        keep: how many bytes of data each worker process may keep between passes, a gigabyte by
            default. What it does not keep it reads again; 0 keeps nothing.

    Raises:
        ImportError: if Dask is not installed.
        ValueError: if an option is no whole number that it can be.
    """

    client: Any = None
    scheduler: str | None = None
    workers: int | None = None
    partitions: int | None = None
    patience: float = 25.0
    keep: int = 10**9

    def __post_init__(self) -> None:
        require_whole("Dask", 1, workers=self.workers, partitions=self.partitions)
        require_whole("Dask", 0, keep=self.keep)
        try:
            import distributed  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "The engine 'dask' needs the packages dask and distributed: "
                "pip install 'latentia[dask]'."
            ) from error

    def open(self, source: Source) -> "PartitionsOnDask":
        """The data of a source in files or of Dask's own, and the connection to the cluster."""
        require_on_disk(source, "dask")
        return PartitionsOnDask(source, self)


@final
class PartitionsOnDask(AbstractPartitions):
    """The partitions of a source, each worked on wherever Dask sends it."""

    def __init__(self, source: Source, engine: Dask) -> None:
        from concurrent.futures import CancelledError

        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        self.source = source
        self._parts = partitioned(source, engine.partitions)
        self.count = len(self._parts)
        self._engine, self._room = engine, engine.keep
        self._futures: dict[str, Any] = {}
        self._client = engine.client or _connected(engine)
        _require_latentia(self._client)
        lost = (KilledWorker, CancelledError, CommClosedError, TimeoutError)
        self._recovery = Recovery(lost, engine.patience, self._restart)

    def gather(self, task: Callable[[Source, Any], R], arguments: Sequence[Any]) -> list[R]:
        """See ``AbstractPartitions``."""
        pairs = list(zip(self._parts, arguments, strict=True))
        return self._recovery.run(task, partial(self._run, task, pairs, None))

    def total(
        self, function: Callable[..., Any], parameters: Any, units: Units, **static: Any
    ) -> Any:
        """See ``AbstractPartitions``."""
        call = call_of(function, parameters, units, static, self._room)
        pairs = [(part, None) for part in self._parts]
        work = partial(self._run, sum_partition, pairs, call)
        return added(self._recovery.run((function, call.static), work))

    def close(self) -> None:
        """Disconnect, and end the workers that were started here."""
        self._futures = {}
        if self._engine.client is None:
            _ended(self._client)

    def _run(self, task: Any, pairs: Any, shared: Any, seconds: float) -> list[Any]:
        """The answers for all pairs; ``shared``, if any, takes the place of each argument."""
        client = self._client
        tasks = _TASKS * max(1, len(client.nthreads()))
        # Chunks that are there already each have a task, which Dask sends to where they are.
        size = 1 if isinstance(self.source, DaskRows) else max(1, -(-len(pairs) // tasks))
        groups = [pairs[i : i + size] for i in range(0, len(pairs), size)]
        sent = client.submit(_same, shared, pure=False)
        futures = [
            client.submit(_work, task, group, sent, self._chunks(group), pure=False)
            for group in groups
        ]
        end = time.monotonic() + seconds
        try:
            left = (max(end - time.monotonic(), 0.0) for _ in futures)
            answers = [f.result(timeout=t) for f, t in zip(futures, left, strict=True)]
        except BaseException:
            client.cancel([sent, *futures])
            raise
        return [each for answer in answers for each in answer]

    def _chunks(self, group: Any) -> list[Any]:
        """The futures of the chunks that the partitions of a group consist of, if they do."""
        source = self.source
        if not isinstance(source, DaskRows):
            return []
        if not self._futures:
            made = self._client.compute(source.delayed)
            keys = [chunk.key for chunk in source.chunks]
            self._futures = dict(zip(keys, made, strict=True))
        return [[self._futures[chunk.key] for chunk in part.chunks] for part, _ in group]

    def _restart(self) -> None:
        self._futures = {}
        if self._engine.client is None and self._engine.scheduler is None:
            _ended(self._client)
            self._client = _connected(self._engine)
        elif self._client.status == "running":
            self._client.restart(timeout=self._engine.patience * 4)
        elif self._engine.client is None:
            self._client = _connected(self._engine)
        else:
            raise EngineError(
                "The connection of the Dask client was lost: connect a new one, and fit again; "
                "with a checkpoint the fit goes on from the last whole pass."
            )


def _require_latentia(client: Any) -> None:
    """Raise ``ImportError`` if a worker could not even read what it would be sent."""

    # Inside, so that it is sent as code and not by a name in latentia.
    def lacks() -> bool:
        import importlib.util

        return importlib.util.find_spec("latentia") is None

    without = [address for address, lacking in client.run(lacks).items() if lacking]
    if without:
        raise ImportError(
            f"The Dask workers {', '.join(without)} should have latentia installed, but have not: "
            "install the version there that is installed here."
        )


def _same(value: Any) -> Any:
    return value


def _work(
    task: Any, pairs: Sequence[tuple[Any, Any]], shared: Any, chunks: Sequence[Any] = ()
) -> list[Any]:
    """The work on a group of partitions, in a worker, with the data that were there already."""
    if chunks:
        pairs = [(p.holding(data), each) for (p, each), data in zip(pairs, chunks, strict=True)]
    return [task(part, each if shared is None else shared) for part, each in pairs]


def _connected(engine: Dask) -> Any:
    from dask import config
    from distributed import Client, LocalCluster

    if engine.scheduler is not None:
        try:
            return Client(engine.scheduler, timeout=engine.patience, set_as_default=False)
        except OSError as error:
            raise EngineError(
                f"No Dask scheduler answers at {engine.scheduler!r}: check the address, and that "
                "it runs."
            ) from error
    before = {name: os.environ.get(name) for name in _WRITTEN}
    options: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": ":0"}
    with config.set({f"distributed.nanny.pre-spawn-environ.{_TRIM}": None}):
        cluster = LocalCluster(n_workers=engine.workers or os.cpu_count(), **options)
    # The nannies wrote into the environment of this process, too.
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    return Client(cluster, set_as_default=False)


def _ended(client: Any) -> None:
    cluster = client.cluster
    client.close(timeout=5)
    if cluster is not None:
        cluster.close(timeout=10)
