"""How data are cut for engines with workers: by their size, not by how many workers there are."""

from collections.abc import Callable, Sequence
from typing import Any

from .dask_rows import DaskRows
from .interface import R, Source

# Enough rows that the work on them outweighs sending it, and enough parts for many workers.
_ROWS = 2**17
_MOST = 64


def partitioned(source: Source, count: int | None) -> Sequence[Source]:
    """The partitions of a source: at most ``count``, or by default one for some 100,000 rows."""
    if count is None and isinstance(source, DaskRows):
        # Each stays where it is.
        return source.partitions(len(source.chunks))
    if count is None:
        count = min(_MOST, max(1, round(source.rows / _ROWS)))
    return [source] if count == 1 else source.partitions(count)


def require_whole(owner: str, least: int, **values: int | None) -> None:
    """Raise ``ValueError`` for the first option of an engine that is no whole number from
    ``least`` up; None is left to the engine."""
    for name, value in values.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and not (whole and value >= least):
            raise ValueError(
                f"{name} of {owner} should be a whole number of at least {least}, but is {value!r}."
            )


def one_by_one(
    task: Callable[[Source, Any], R], parts: Sequence[Source], arguments: Sequence[Any]
) -> list[R]:
    """``AbstractPartitions.gather`` in this process alone."""
    return [task(part, each) for part, each in zip(parts, arguments, strict=True)]


def require_on_disk(source: Source, engine: str) -> None:
    """Raise ``ValueError`` for a table in memory, or of Dask under another engine, which workers
    cannot read."""
    if isinstance(source, DaskRows) and engine != "dask":
        raise ValueError(
            f"data should be the path of files with the engine {engine!r}, whose workers read them "
            "themselves, but are a Dask collection: use the engine 'dask' or 'stream'."
        )
    if not source.on_disk:
        raise ValueError(
            f"data should be the path of Parquet files with the engine {engine!r}, whose workers "
            "read them themselves, but are in memory: write them to a file, or use the engine "
            "'memory' or 'mesh'."
        )
