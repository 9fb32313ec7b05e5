"""Sequences that need not fit in memory: whole ones at a time, cut out of a stream of rows."""

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, final

import numpy as np

from .blocks import Blocks
from .file_rows import AbstractRows, even_cuts, others
from .interface import Batch, Source, Units
from .parquet import Path, parquet
from .parquet_files import found, opened
from .sequences import Sequences, rounded_lengths
from .table_rows import TableRows

# About how many steps are worked on side by side.
STEPS = 2**16
# Rows are cut before sequences are: into pieces of at least about so many rows, and so many pieces.
_FEW, _FINEST = 1024, 4096


class SomeSequences(NamedTuple):
    """Whole sequences, the weight ``[n]`` of each, and the known states ``[R]`` or None."""

    data: Sequences
    weight: np.ndarray
    label: np.ndarray | None


@final
class SequenceRows:
    """Sequences as a source: their rows one after another, and how many rows each has.

    Args:
        parts: sources with the rows in order, and maybe some before and after them.
        lengths: ``[n]``, how many rows each sequence has.
        skip: how many rows of ``parts`` come before the first.
        sizes: to how many steps sequences are filled up, ascending; the same for all partitions, so
            that few programs are compiled.
        most: how many sequences of each size there are in all.
    """

    def __init__(
        self,
        parts: Sequence[Source],
        lengths: np.ndarray,
        skip: int,
        sizes: np.ndarray,
        most: np.ndarray,
    ) -> None:
        first = parts[0]
        self.columns, self.width = first.columns, first.width
        self.batch_rows, self.labelled = first.batch_rows, first.labelled
        self.on_disk = first.on_disk
        self.given = getattr(getattr(first, "roles", None), "given", None)
        self.lengths = lengths
        self.rows = int(lengths.sum())
        self._parts, self._skip = tuple(parts), skip
        self._sizes, self._most = sizes, most

    def __repr__(self) -> str:
        return f"SequenceRows(sequences={len(self.lengths)}, rows={self.rows})"

    @property
    def one_length(self) -> bool:
        """Whether all sequences of all the data are of one length, and none is filled up."""
        return len(self._sizes) == 1 and bool((self.lengths == self._sizes[0]).all())

    def batches(self) -> Iterator[Batch]:
        """See ``Source``: rows of sequences one after another."""
        for values, weight, label in self._flat():
            yield (values, weight) if label is None else (values, weight, label)

    def sequences(self) -> Iterator[SomeSequences]:
        """One pass over whole sequences, some at a time.

        Raises:
            ValueError: if rows of one sequence have different weights.
        """
        ends = np.cumsum(self.lengths)
        first, kept = 0, None
        for rows in self._flat():
            kept = rows if kept is None else tuple(map(_joined, kept, rows))
            base = 0 if first == 0 else int(ends[first - 1])
            last = int(np.searchsorted(ends, base + len(kept[0]), side="right"))
            if last > first:
                size = int(ends[last - 1]) - base
                yield self._cut(tuple(_first(each, size) for each in kept), first, last)
                first, kept = last, tuple(_rest(each, size) for each in kept)

    def partitions(self, count: int) -> "list[SequenceRows]":
        """See ``Source``; they are cut between sequences, so border groups are read twice."""
        finest = [
            part
            for one in self._parts
            for part in one.partitions(min(_FINEST, 1 + one.rows // _FEW))
        ]
        starts = np.cumsum([0, *(part.rows for part in finest)]) - self._skip
        ends = np.cumsum([0, *self.lengths])
        found = []
        for i, j in even_cuts(self.lengths.tolist(), count):
            low = int(np.searchsorted(starts, ends[i], side="right")) - 1
            high = int(np.searchsorted(starts, ends[j], side="left"))
            skip = int(ends[i] - starts[low])
            own = finest[low:high]
            found.append(SequenceRows(own, self.lengths[i:j], skip, self._sizes, self._most))
        return found

    def require_unchanged(self) -> None:
        """See ``Source``."""
        for part in self._parts:
            part.require_unchanged()

    def driven(self) -> "SequenceRows":
        """See ``AbstractRows``."""
        parts = [part.driven() if isinstance(part, AbstractRows) else part for part in self._parts]
        return SequenceRows(parts, self.lengths, self._skip, self._sizes, self._most)

    def blocks(self, units: Units) -> Iterator[Blocks]:
        """One pass as blocks in these units, each ``x [1, B, T, D]``, of few different shapes."""
        waiting: dict[int, list[tuple[Any, float, Any]]] = {i: [] for i in range(len(self._sizes))}
        for some in self.sequences():
            kinds = np.searchsorted(self._sizes, some.data.lengths)
            for n, (kind, start, length) in enumerate(
                zip(kinds.tolist(), some.data.starts, some.data.lengths, strict=True)
            ):
                rows = slice(start, start + length)
                label = None if some.label is None else some.label[rows]
                waiting[kind].append((some.data.values[rows], float(some.weight[n]), label))
                if len(waiting[kind]) == self._side_by_side(kind):
                    yield self._block(kind, waiting[kind], units)
                    waiting[kind] = []
        for kind, rest in waiting.items():
            if rest:
                yield self._block(kind, rest, units)

    def _side_by_side(self, kind: int) -> int:
        return max(1, min(STEPS // int(self._sizes[kind]), int(self._most[kind])))

    def _block(self, kind: int, some: list[tuple[Any, float, Any]], units: Units) -> Blocks:
        size, count = self._side_by_side(kind), int(self._sizes[kind])
        x = np.full((size, count, self.width), np.nan)
        weight = np.zeros(size)
        label = np.full((size, count), -1, np.int32)
        for i, (values, own, known) in enumerate(some):
            x[i, : len(values)] = values
            weight[i] = own
            if known is not None:
                label[i, : len(values)] = known
        np.subtract(x, units.centre, out=x)
        np.divide(x, units.scale, out=x)
        # Sequences without weight lack nothing, so that they are like the others.
        x[len(some) :] = 0.0
        return Blocks(x[None], weight[None], label[None], np.int32(1))

    def _flat(self) -> Iterator[tuple[np.ndarray, np.ndarray | None, np.ndarray | None]]:
        skip, left = self._skip, self.rows
        for part in self._parts:
            for values, weight, *label in part.batches():
                own = slice(skip, skip + left)
                skip = max(0, skip - len(values))
                values = values[own]
                if len(values):
                    weight = None if weight is None else weight[own]
                    yield values, weight, label[0][own] if label else None
                left -= len(values)
                if left == 0:
                    return

    def _cut(self, rows: tuple[Any, Any, Any], first: int, last: int) -> SomeSequences:
        values, weight, label = rows
        lengths = self.lengths[first:last]
        data = Sequences(values, lengths, self.columns)
        if weight is None:
            return SomeSequences(data, np.ones(len(lengths)), label)
        own = weight[data.starts]
        wrong = np.flatnonzero(weight != np.repeat(own, lengths))
        if len(wrong):
            # Without its number, which a partition does not know.
            raise ValueError(
                "weights should be the same in all rows of a sequence, but one has "
                f"{own[np.searchsorted(data.starts, wrong[0], side='right') - 1]:g} and "
                f"{weight[wrong[0]]:g}: a sequence counts as a whole."
            )
        return SomeSequences(data, own, label)


def sequence_rows(source: Source, lengths: np.ndarray) -> SequenceRows:
    """The rows of a source as sequences of these lengths."""
    sizes, kinds = rounded_lengths(lengths)
    most = np.bincount(kinds, minlength=len(sizes))
    return SequenceRows([source], np.asarray(lengths), 0, sizes, most)


def sequences_in_memory(
    data: Sequences, weight: np.ndarray | None, label: np.ndarray | None
) -> SequenceRows:
    """Sequences in memory, with the weight ``[N]`` of each and the known states ``[R]``."""
    each = None if weight is None else np.repeat(weight, data.lengths)
    values = data.values.astype(np.float64, copy=False)
    return sequence_rows(TableRows(values, each, data.columns, label=label), data.lengths)


def parquet_sequences(
    path: Path | Sequence[Path],
    sequence: str,
    *,
    columns: Sequence[str] | None = None,
    weights: str | None = None,
    labels: str | None = None,
    given: Sequence[str] = (),
    batch_rows: int = 65536,
) -> SequenceRows:
    """Open Parquet files with sequences, whose rows stand together and in order, as a stream.

    The column that tells sequences apart is read here, once.

    Args:
        path, columns, weights, labels, given, batch_rows: as for ``latentia.data.parquet``; the
            weight is that of a sequence, the same in all of its rows.
        sequence: the column of numbers or texts that is the same in all rows of one sequence.

    Raises:
        ValueError: as for ``latentia.data.parquet``, or if the rows of a sequence are apart.
        OSError: if a path does not exist or cannot be read.
    """
    paths = [path] if isinstance(path, (str, os.PathLike)) else path
    files = [each for one in paths for each in found(os.fsdecode(one))]
    if columns is None and files:
        with opened(files[0]) as source:
            names = source.schema_arrow.names
        columns = others(names, {sequence, weights, labels, *given})
    lengths = _lengths(files, sequence)
    rows = parquet(
        path, columns=columns, weights=weights, labels=labels, given=given, batch_rows=batch_rows
    )
    return sequence_rows(rows, lengths)


def _lengths(files: Sequence[str], sequence: str) -> np.ndarray:
    """How many rows each run of equal values has, over all files."""
    lengths: list[int] = []
    last, seen = None, set()
    for path in files:
        with opened(path) as source:
            if sequence not in source.schema_arrow.names:
                raise ValueError(
                    f"sequence should be a column of {path!r}, but is {sequence!r}: choose among "
                    f"{source.schema_arrow.names}."
                )
            for batch in source.iter_batches(columns=[sequence]):
                column = batch.column(0)
                if column.null_count:
                    raise ValueError(
                        f"column {sequence!r} of {path!r} should name the sequence of every row, "
                        f"but {column.null_count} are missing: fill them in."
                    )
                for value, count in _runs(column):
                    if lengths and value == last:
                        lengths[-1] += count
                        continue
                    if value in seen:
                        raise ValueError(
                            f"the rows of sequence {value!r} should stand together, but are apart "
                            f"in {path!r}: sort the rows by {sequence!r} and time."
                        )
                    seen.add(value)
                    lengths.append(count)
                    last = value
    return np.array(lengths, int)


def _runs(column: Any) -> Iterator[tuple[Any, int]]:
    import pyarrow.compute as pc

    if len(column) == 0:
        return
    pair = [column.slice(1), column.slice(0, len(column) - 1)]
    step = pc.call_function("not_equal", pair)
    starts = np.append(0, np.flatnonzero(step.to_numpy(zero_copy_only=False)) + 1)
    counts = np.diff(np.append(starts, len(column)))
    values = column.take(starts.tolist()).to_pylist()
    yield from zip(values, counts.tolist(), strict=True)


def _joined(one: Any, other: Any) -> Any:
    return None if one is None else np.concatenate([one, other])


def _first(array: Any, size: int) -> Any:
    return None if array is None else array[:size]


def _rest(array: Any, size: int) -> Any:
    return None if array is None else array[size:]
