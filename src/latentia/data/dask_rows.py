"""Rows of a Dask array or data frame: its partitions stay on the workers that hold them."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, final

import numpy as np

from .cells import open_table, read_columns
from .file_rows import AbstractRows, Piece, Roles, even_cuts, require_batch_rows, roles_of


class Chunk(NamedTuple):
    """A partition of a Dask collection: its key, and the numbers of its rows."""

    key: str
    start: int
    rows: int


@final
class DaskRows(AbstractRows):
    """The rows of a Dask collection.

    It is sent without data; where they are, ``holding`` puts them in.

    Args:
        chunks: which partitions of the collection.
        data: for each of them a ``Delayed``, or the data themselves.
        roles: of the columns.
        names: of all columns of the collection.
    """

    def __init__(
        self,
        chunks: Sequence[Chunk],
        data: Sequence[Any] | None,
        roles: Roles,
        names: Sequence[str],
        batch_rows: int = 65536,
        *,
        part: bool = False,
    ) -> None:
        super().__init__(roles, sum(chunk.rows for chunk in chunks), batch_rows, part)
        self.chunks, self._data, self._names = tuple(chunks), data, tuple(names)
        # A thread that reads ahead does not know the client of the one that asked it to.
        self._client = _current() if data is not None else None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_data": None, "_client": None}

    def __repr__(self) -> str:
        return f"DaskRows(rows={self.rows}, columns={self.columns}, chunks={len(self.chunks)})"

    @property
    def delayed(self) -> list[Any]:
        """What Dask makes each chunk from."""
        return list(self._data or ())

    def holding(self, data: Sequence[Any]) -> "DaskRows":
        """The same rows, with the data of the chunks."""
        return self._of(self.chunks, data)

    def pieces(self) -> Iterator[Piece]:
        """See ``AbstractRows``."""
        for chunk, data in zip(self.chunks, self._data or (), strict=True):
            place = f"the partition {chunk.key!r}"
            data = self._computed(data) if hasattr(data, "__dask_graph__") else data
            if len(data) != chunk.rows:
                raise ValueError(
                    f"{place} should have {chunk.rows} rows, as it had, but has {len(data)}: let "
                    "the collection give the same rows each time, or persist it."
                )
            yield Piece(chunk.start, self._columns(data, place), place)

    def partitions(self, count: int) -> "list[DaskRows]":
        """See ``AbstractRows``; they are cut between partitions of the collection."""
        data = self._data
        return [
            self._of(self.chunks[i:j], None if data is None else data[i:j])
            for i, j in even_cuts((chunk.rows for chunk in self.chunks), count)
        ]

    def require_unchanged(self) -> None:
        """See ``AbstractRows``; Dask's collections do not change."""

    def _computed(self, chunk: Any) -> Any:
        return chunk.compute() if self._client is None else chunk.compute(scheduler=self._client)

    def _of(self, chunks: Sequence[Chunk], data: Sequence[Any] | None) -> "DaskRows":
        return DaskRows(chunks, data, self.roles, self._names, self.batch_rows, part=True)

    def _columns(self, data: Any, place: str) -> list[np.ndarray]:
        names = self.roles.names
        source = open_table(data, place)
        wanted = names if not isinstance(source, np.ndarray) else None
        cells = dict(zip(wanted or self._names, read_columns(source, place, wanted), strict=True))
        return [cells[name].numbers(f"column {name!r} of {place}") for name in names]


def _current() -> Any:
    """The client that is current in this thread, if there is one."""
    try:
        from distributed import default_client

        return default_client()
    except (ImportError, ValueError):
        return None


def is_dask(data: Any) -> bool:
    """Whether data are a Dask collection."""
    return hasattr(data, "__dask_graph__") and hasattr(data, "to_delayed")


def dask_rows(
    data: Any,
    *,
    columns: Sequence[str] | None = None,
    weights: str | None = None,
    labels: str | None = None,
    given: Sequence[str] = (),
    batch_rows: int = 65536,
) -> DaskRows:
    """A Dask array ``[N, D]`` or data frame as a source; the sizes of its partitions are computed.

    Args:
        data: the collection; without a name of its own a column is x0, x1 and so on.
        columns, weights, labels, given, batch_rows: as for ``latentia.data.parquet``.

    Raises:
        ValueError: if there are no rows, or no such column.
    """
    require_batch_rows(batch_rows)
    if hasattr(data, "columns"):
        names = [str(name) for name in data.columns]
        sizes = [int(size) for size in data.map_partitions(len).compute()]
        delayed = list(data.to_delayed())
    else:
        if data.ndim != 2:
            raise ValueError(
                f"data should have 2 dimensions, rows and columns, but has the shape {data.shape}."
            )
        data = data.rechunk({1: -1})
        if any(size != size for size in data.chunks[0]):
            data = data.compute_chunk_sizes()
        names = [f"x{j}" for j in range(data.shape[1])]
        sizes = [int(size) for size in data.chunks[0]]
        delayed = list(data.to_delayed().ravel())
    if sum(sizes) == 0:
        raise ValueError("data should have rows, but the Dask collection has none.")
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    keys = [str(one.key) for one in delayed]
    # Those that a filter has emptied have nothing to sum.
    kept = [i for i, size in enumerate(sizes) if size > 0]
    chunks = [Chunk(keys[i], starts[i], sizes[i]) for i in kept]
    roles = roles_of(names, columns, weights, labels, given, "data")
    return DaskRows(chunks, [delayed[i] for i in kept], roles, names, batch_rows)
