"""Sequences of rows: of one length or of many, as one long table and the length of each."""

from typing import Any, NamedTuple

import numpy as np

from latentia.form import Form

from .blocks import Blocks, round_up
from .table import read_table

# The most steps that are worked on side by side: what the recursions keep of them must fit.
STEPS = 2**18
# So many sequences side by side, or so many steps, are enough to be quick: what is kept of more of
# them at once leaves the cache.
LANES, FEW = 128, 2**15
# The most steps where latent variables are vectors: moments of so many fit into the cache, too.
CACHED = 2**14
# Groups of sequences are joined if so few steps are filled up by it, or if there are more of them.
SLIGHT = 20_000
GROUPS = 8


class Sequences(NamedTuple):
    """Sequences as one table.

    ``values [R, D]``, the rows of all sequences one after another; ``lengths [N]``, how many rows
    each has; and the names of the columns, if they have any.
    """

    values: np.ndarray
    lengths: np.ndarray
    columns: tuple[str, ...] | None = None

    @property
    def starts(self) -> np.ndarray:
        """``[N]``: the first row of each sequence."""
        return np.cumsum(self.lengths) - self.lengths


def read_sequences(data: Any, *, argument: str = "data") -> Sequences:
    """Read sequences of any make.

    Args:
        data: a list of tables ``[T_i, D]``, each a sequence; or an array ``[N, T, D]``; or one
            table ``[T, D]``, which is one sequence; or ``Sequences``, for instance from
            ``latentia.data.sequences``.
        argument: what the error messages call ``data``.

    Raises:
        ValueError: if there is no sequence, or one is empty or has other columns than the first, or
            a cell is not a number; the message names it.
    """
    if isinstance(data, Sequences):
        return data
    if not isinstance(data, list | tuple) and np.ndim(data) == 3:
        data = list(np.asarray(data))
    if not isinstance(data, list | tuple):
        table = read_table(data, argument=argument)
        return Sequences(table.values, np.array([len(table.values)]), table.columns)
    if not data:
        raise ValueError(f"{argument} should hold a sequence, but is empty: pass [table] for one.")
    tables = []
    for i, one in enumerate(data):
        if np.ndim(one) > 0 and len(one) == 0:
            raise ValueError(
                f"{argument} should hold sequences of at least one step, but sequence {i} is "
                "empty: leave it out."
            )
        tables.append(read_table(one, argument=f"sequence {i} of {argument}"))
    widths = [table.values.shape[1] for table in tables]
    if len(set(widths)) > 1:
        other = int(np.argmax(np.array(widths) != widths[0]))
        raise ValueError(
            f"{argument} should have the same columns in every sequence, but sequence 0 has "
            f"{widths[0]} and sequence {other} has {widths[other]}."
        )
    values = np.concatenate([table.values for table in tables])
    return Sequences(values, np.array([len(t.values) for t in tables]), tables[0].columns)


def sequences(table: Any, lengths: Any = None, *, argument: str = "lengths") -> Sequences:
    """A table that holds sequences one after another, as hmmlearn takes them.

    Args:
        table: ``[R, D]``, the rows of all sequences.
        lengths: ``[N]``, how many rows each has; None is one sequence.
        argument: what the error messages call ``lengths``.

    Raises:
        ValueError: if the lengths are not whole numbers from 1 up that sum to the number of rows.
    """
    read = read_table(table, argument="data")
    rows = len(read.values)
    if lengths is None:
        return Sequences(read.values, np.array([rows]), read.columns)
    counts = np.atleast_1d(np.asarray(lengths))
    whole = counts.ndim == 1 and counts.size > 0 and counts.dtype.kind in "iuf"
    if not whole or not (counts == np.floor(counts)).all() or (counts < 1).any():
        raise ValueError(
            f"{argument} should be whole numbers of at least 1, one for each sequence, but is "
            f"{lengths!r}: leave out sequences without rows."
        )
    counts = counts.astype(int)
    if counts.sum() != rows:
        raise ValueError(
            f"{argument} should sum to the {rows} rows of the data, but sums to {counts.sum()}: "
            "give the number of rows of each sequence."
        )
    return Sequences(read.values, counts, read.columns)


def read_step_labels(labels: Any, lengths: np.ndarray, states: int) -> np.ndarray | None:
    """Known states of all steps, one after another, ``[R]``, or None; -1 is unknown.

    Args:
        labels: a list with an array ``[T_i]`` for each sequence, or an array ``[N, T]`` or ``[R]``.
        lengths: ``[N]``, the steps of each sequence.
        states: K.
    """
    if labels is None:
        return None
    parts = labels if isinstance(labels, list | tuple) else [labels]
    flat = np.concatenate([np.asarray(part).ravel() for part in parts])
    if flat.size != lengths.sum():
        raise ValueError(
            f"labels should have one entry for each of the {lengths.sum()} steps, but has "
            f"{flat.size}: use -1 for a state that is not known."
        )
    codes = np.where(flat != flat, -1, flat) if flat.dtype.kind == "f" else flat
    if codes.dtype.kind not in "iuf" or (codes != np.floor(codes)).any():
        raise ValueError("labels should be whole numbers, the states from 0 up, or -1 if unknown.")
    if (codes < -1).any() or (codes >= states).any():
        wrong = codes[(codes < -1) | (codes >= states)][0]
        raise ValueError(
            f"labels should be states from 0 to {states - 1}, or -1 if unknown, but one is {wrong}."
        )
    return codes.astype(np.int32)


class Group(NamedTuple):
    """Sequences of about the same length: their numbers, and their blocks, filled up with NaN."""

    rows: np.ndarray
    blocks: Blocks


def sequence_groups(
    data: Sequences,
    weight: np.ndarray | None = None,
    label: np.ndarray | None = None,
    *,
    centre: Any = 0.0,
    scale: Any = 1.0,
    dtype: Any = np.float64,
    exact: bool = False,
    steps: int = STEPS,
) -> list[Group]:
    """Copy sequences ``(values - centre) / scale`` into blocks, a group for each range of lengths.

    Args:
        data: the sequences.
        weight: ``[N]``; ones by default.
        label: ``[R]``, the known states of all steps; -1, unknown, by default.
        centre: ``[D]`` or a number, which becomes 0.
        scale: ``[D]`` or a number, which becomes 1.
        dtype: of the blocks.
        exact: whether sequences of one length keep it, so that no step is there to fill up, at the
            price of programs that are compiled for this very length.
        steps: about how many steps a block has.
    """
    sizes = _merged(np.array([_rounded(n) for n in data.lengths]))
    if exact and (data.lengths == data.lengths[0]).all():
        sizes = data.lengths
    groups = []
    for size in np.unique(sizes):
        rows = np.flatnonzero(sizes == size)
        blocks = _blocks(data, rows, size, steps, weight, label, centre, scale, dtype)
        groups.append(Group(rows, blocks))
    return groups


def rounded_lengths(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The few different lengths to which sequences are filled up, and which of them each has."""
    if (lengths == lengths[0]).all():
        return lengths[:1], np.zeros(len(lengths), int)
    distinct, place = np.unique(lengths, return_inverse=True)
    merged = _merged(np.array([_rounded(n) for n in distinct])[place])
    return np.unique(merged, return_inverse=True)


def _merged(sizes: np.ndarray) -> np.ndarray:
    """The same with fewer different sizes: what is filled up costs less than a program more."""
    kinds, counts = (list(found) for found in np.unique(sizes, return_counts=True))
    while len(kinds) > 1:
        filled = [
            count * (longer - size)
            for size, longer, count in zip(kinds[:-1], kinds[1:], counts[:-1], strict=True)
        ]
        least = int(np.argmin(filled))
        if len(kinds) <= GROUPS and filled[least] > SLIGHT:
            break
        kinds.pop(least)
        joined = counts.pop(least)
        counts[least] += joined
    return np.array(kinds)[np.searchsorted(kinds, sizes)]


def _rounded(length: int) -> int:
    """A length, rounded up by at most an eighth, so that there are few different ones."""
    step = max(1, 1 << max(0, int(length - 1).bit_length() - 4))
    return -(-length // step) * step


def _blocks(
    data: Sequences, rows: np.ndarray, steps: int, most: int, weight: Any, label: Any, centre: Any,
    scale: Any, dtype: Any,
) -> Blocks:  # fmt: skip
    columns = data.values.shape[1]
    size = min(round_up(len(rows)), max(1, most // steps), max(LANES, FEW // steps))
    used = -(-len(rows) // size)
    if used > 1:
        # All blocks alike, so that the last is not half empty.
        size = -(-len(rows) // used)
        # Whole vectors, if there are many.
        size = size if size < 32 else -(-size // 8) * 8
    count = round_up(used)
    x = np.full((count * size, steps, columns), np.nan, dtype)
    labels = np.full((count * size, steps), -1, np.int32)
    weights = np.zeros(count * size, dtype)
    weights[: len(rows)] = 1.0 if weight is None else weight[rows]
    for i, (start, length) in enumerate(zip(data.starts[rows], data.lengths[rows], strict=True)):
        x[i, :length] = data.values[start : start + length]
        if label is not None:
            labels[i, :length] = label[start : start + length]
    np.subtract(x, centre, out=x, casting="unsafe")
    np.divide(x, scale, out=x, casting="unsafe")
    # Sequences without weight lack nothing, so that they are like the others.
    x[len(rows) :] = 0.0
    shape = (count, size)
    return Blocks(
        x.reshape(*shape, steps, columns),
        weights.reshape(shape),
        labels.reshape(*shape, steps),
        np.int32(used),
    )


def partly_missing(values: np.ndarray) -> bool:
    """Whether any row lacks some of its entries and not all: whole steps need no special form."""
    gone = np.isnan(values)
    return bool((gone.any(axis=1) & ~gone.all(axis=1)).any())


def sequence_form(data: Sequences) -> Form:
    """How sequences can be evaluated, in blocks that are ``exact``."""
    if partly_missing(data.values):
        return Form.MISSING
    one_length = bool((data.lengths == data.lengths[0]).all())
    return Form.WHOLE if one_length and not np.isnan(data.values).any() else Form.COMPLETE


def block_steps(data: Sequences, likelihood: Any) -> int:
    """About how many steps the blocks of a fit should have."""
    shared = likelihood.states == 1 and sequence_form(data) is Form.WHOLE
    return CACHED if shared else STEPS
