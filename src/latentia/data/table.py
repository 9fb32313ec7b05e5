"""Tables, weights and labels of any make as NumPy arrays, or one sentence on what is wrong."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
from numpy.typing import DTypeLike

from .cells import array_cells, column_name, open_table, plain_array, read_columns, series_cells

# Beyond these the square of a number leaves float64.
LARGEST, SMALLEST = 1e150, 1e-150


class Table(NamedTuple):
    """Rows of numbers, NaN where one is missing, and the names of the columns if they have any."""

    values: np.ndarray
    columns: tuple[str, ...] | None


def read_table(data: Any, *, argument: str = "data", dtype: DTypeLike | None = None) -> Table:
    """Read numbers from a table of any make; what is missing, masked, null or NA becomes NaN.

    Args:
        data: (N, D), an array of NumPy, JAX or the like, nested lists, a masked array, or a data
            frame of pandas, polars, pyarrow or another library that narwhals knows. Never modified.
        argument: what the error messages call ``data``.
        dtype: float32 or float64; by default float32 for floats of at most 32 bits, else float64.

    Returns:
        The values in C order (a view of ``data`` if nothing had to be converted), and the names.

    Raises:
        ValueError: if a cell is text, infinite or beyond 1e150, the spread of a column is below
            1e-150 but not zero, or the data is empty or not 2-dimensional.
        TypeError: if ``data`` is no table, is sparse or lazy, or a cell is some other object.
    """
    source = open_table(data, argument)
    names = tuple(map(str, source.columns)) if isinstance(source, nw.DataFrame) else None
    if isinstance(source, np.ndarray) and source.dtype.kind != "O":
        values = source
    else:
        columns = enumerate(read_columns(source, argument))
        values = np.stack(
            [c.numbers(f"{column_name(names, j)} of {argument}") for j, c in columns], axis=1
        )
    narrow = values.dtype in (np.float16, np.float32)
    if dtype is None:
        dtype = np.float32 if narrow else np.float64
    target = np.dtype(dtype)
    if target not in (np.float32, np.float64):
        raise ValueError(
            f"dtype should be float32 or float64, but is {target}: choose one of them."
        )
    check_values(values, names, argument, largest=min(LARGEST, float(np.finfo(target).max)))
    return Table(np.asarray(values, dtype=target, order="C"), names)


def require_observed(table: Table, argument: str = "data") -> None:
    """Raise a ValueError if a column of the table has no observed value to learn from."""
    empty = np.isnan(table.values).all(axis=0)
    if empty.any():
        raise ValueError(
            f"{argument} should have an observed value in every column, but "
            f"{column_name(table.columns, int(np.argmax(empty)))} is all missing: leave it out."
        )


def read_weights(weights: Any, rows: int, *, argument: str = "weights") -> np.ndarray | None:
    """The weights of the rows as float64 (N,), or None if there are none.

    Raises:
        ValueError: if there is not one finite, non-negative number a row, or all are zero.
    """
    if weights is None:
        return None
    values = _one_per_row(weights, rows, argument)
    check_weights(values, argument)
    if not values.any():
        raise ValueError(f"{argument} should have a weight above zero, but all are 0: raise one.")
    return values


def check_weights(values: np.ndarray, argument: str, start: int = 0) -> None:
    """Raise a ValueError if a weight is negative or not finite; rows count from ``start``."""
    wrong = ~((values >= 0) & (values <= LARGEST))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"{argument} should be finite, not negative and at most {LARGEST:g}, but row "
            f"{start + row} has {values[row]:g}: mend it, or give the row the weight 0."
        )


def read_labels(
    labels: Any, rows: int, states: int, *, argument: str = "labels"
) -> np.ndarray | None:
    """The known states of the rows as int64 (N,), -1 where unknown, or None if there are none.

    Raises:
        ValueError: if there is not one entry a row that is -1, missing or in 0..states-1.
    """
    if labels is None:
        return None
    values = _one_per_row(labels, rows, argument)
    values = np.where(np.isnan(values), -1.0, values)
    wrong = ~((values >= -1) & (values < states) & (values == np.floor(values)))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"{argument} should be states from 0 to {states - 1}, or -1 where unknown, but row "
            f"{row} has {values[row]:g}: number the states from 0."
        )
    return values.astype(np.int64)


def require_states(codes: np.ndarray, states: int) -> None:
    """Raise ``ValueError`` for a known state of a stream, -1 if unknown, that a model of so many
    states lacks; without the number of its row, which a batch does not know."""
    if codes.max(initial=-1) >= states:
        raise ValueError(
            f"labels should be states from 0 to {states - 1}, or -1 where unknown, but one is "
            f"{codes.max()}: number the states from 0."
        )


def check_values(
    values: np.ndarray,
    names: Sequence[str] | None,
    argument: str,
    *,
    largest: float = LARGEST,
    smallest: float = SMALLEST,
    start: int = 0,
) -> None:
    """Raise a ValueError if numbers are infinite, too large, or so close that squares vanish."""
    if values.dtype.kind != "f":
        return
    # Two passes that skip NaN and need no memory; only an error looks at single cells.
    low = np.fmin.reduce(values, axis=0).astype(np.float64)
    high = np.fmax.reduce(values, axis=0).astype(np.float64)
    if (np.fmax(-low, high) > largest).any():
        wrong = np.isinf(values) if np.isinf([low, high]).any() else np.abs(values) > largest
        row = int(np.argmax(wrong.any(axis=1)))
        column = int(np.argmax(wrong[row]))
        expected, remedy = f"at most {largest:g} in magnitude", "rescale the column"
        if np.isinf(values[row, column]):
            expected, remedy = "finite or missing", "make it NaN if it is missing, or leave it out"
        raise ValueError(
            f"{argument} should be {expected}, but row {start + row}, {column_name(names, column)} "
            f"is {values[row, column]:g}: {remedy}."
        )
    spread = high - low
    if ((spread > 0) & (spread < smallest)).any():
        column = int(np.argmax((spread > 0) & (spread < smallest)))
        raise ValueError(
            f"{argument} should spread over at least {smallest:g} in every column, but "
            f"{column_name(names, column)} spreads over {spread[column]:g}: rescale the column."
        )


def _one_per_row(values: Any, rows: int, argument: str) -> np.ndarray:
    series = nw.from_native(values, pass_through=True, allow_series=True)
    array = None if isinstance(series, nw.Series) else plain_array(values, argument)
    shape = tuple(series.shape if array is None else array.shape)
    if shape != (rows,):
        raise ValueError(
            f"{argument} should have one entry for each of the {rows} rows, but has the shape "
            f"{shape}: pass an array of the shape ({rows},)."
        )
    cells = series_cells(series, argument) if array is None else array_cells(array, argument)
    return cells.numbers(argument).astype(np.float64)
