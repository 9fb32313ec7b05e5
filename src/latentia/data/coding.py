"""Codes in place of the levels of a table, and the way back."""

import math
from typing import Any, Literal

import narwhals as nw
import numpy as np

from .cells import Cells, open_table, read_columns
from .schema import MOST_LEVELS, WHOLE, Column, Schema, infer_items, require_counts
from .table import check_values


def encode(
    schema: Schema,
    frame: Any,
    *,
    unknown: Literal["error", "missing"] = "error",
    argument: str = "X",
) -> np.ndarray:
    """The table as float64 (N, D): codes 0..C-1 for levels, other values as they are, NaN missing.

    Args:
        schema: the columns to find, by name in a data frame (others are passed over), by position
            in an array.
        frame: a table of any make, as for ``infer_schema``.
        unknown: what becomes of a level that the schema does not have.
        argument: what the error messages call ``frame``.

    Raises:
        ValueError: if a column is not there, or holds what its kind does not allow.
    """
    if unknown not in ("error", "missing"):
        raise ValueError(f"unknown should be 'error' or 'missing', but is {unknown!r}: choose one.")
    source = open_table(frame, argument)
    names = [column.name for column in schema.columns]
    if isinstance(source, nw.DataFrame):
        absent = [name for name in names if name not in set(map(str, source.columns))]
        if absent:
            raise ValueError(
                f"{argument} should have the columns that the schema was made of, but has no "
                f"column {absent[0]!r}: add it, with missing values if it is not known."
            )
    elif source.shape[1] != len(names):
        raise ValueError(
            f"{argument} should have {len(names)} columns as the schema has, but has "
            f"{source.shape[1]}: pass the same columns in the same order."
        )
    codes = np.empty((source.shape[0], len(names)))
    columns = zip(schema.columns, read_columns(source, argument, names), strict=True)
    for index, (column, cells) in enumerate(columns):
        codes[:, index] = _encode(column, cells, unknown, f"column {column.name!r} of {argument}")
    check_values(codes, names, argument)
    return codes


def decode(schema: Schema, values: Any) -> dict[str, np.ndarray]:
    """The columns in their original values: the way back from ``encode``.

    Texts come as object arrays with None where missing, booleans as bool (object with None where
    any is missing), whole numbers as int64 (float64 with NaN where any is missing).

    Raises:
        ValueError: if ``values`` is not (N, D), or a code is not one of its column's.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(schema.columns):
        raise ValueError(
            f"values should have the shape (N, {len(schema.columns)}), one column for each of the "
            f"schema, but has {values.shape}: pass what encode returns."
        )
    return {c.name: _decode(c, values[:, j]) for j, c in enumerate(schema.columns)}


def read_items(data: Any, *, argument: str = "X") -> tuple[Schema, np.ndarray]:
    """The schema of ``infer_items``, and the codes (N, D) of the items, NaN where missing."""
    schema = infer_items(data, argument=argument)
    return schema, encode(schema, data, argument=argument)


def _encode(column: Column, cells: Cells, unknown: str, place: str) -> np.ndarray:
    if column.levels is None:
        values = cells.numbers(place)
        if column.kind == "poisson":
            require_counts(values, place)
        return values
    # Equal numbers are equal keys whatever their type, so 1, 1.0 and True are one level.
    table = {level: float(code) for code, level in enumerate(column.levels)}
    found = [table.get(value, -1.0) for value in cells.values.tolist()]
    codes = np.where(cells.present, np.array(found), np.nan)
    strange = codes == -1.0
    if strange.any() and unknown == "error":
        row = int(np.argmax(strange))
        levels = ", ".join(map(repr, column.levels[:MOST_LEVELS]))
        raise ValueError(
            f"{place} should hold the levels of the schema ({levels}), but row {row} has "
            f"{cells.values[row : row + 1].tolist()[0]!r}: mend it, make it missing, or pass "
            "unknown='missing'."
        )
    codes[strange] = np.nan
    return codes


def _decode(column: Column, values: np.ndarray) -> np.ndarray:
    missing = np.isnan(values)
    if column.levels is None and column.kind == "gaussian":
        return values.copy()
    end = math.inf if column.levels is None else len(column.levels)
    wrong = ~(missing | ((values >= 0) & (values < end) & (values == np.floor(values))))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"values should be whole numbers from 0 and below {end:g} for the {column.kind} column "
            f"{column.name!r}, but row {row} has {values[row]:g}: pass what encode returns."
        )
    if column.levels is None:
        return values.copy() if missing.any() or (values >= WHOLE).any() else values.astype(int)
    levels = np.array(column.levels, dtype=None if type(column.levels[0]) is not str else object)
    found = levels[np.where(missing, 0, values).astype(np.int64)]
    if missing.any():
        number = levels.dtype.kind in "iuf"
        found = found.astype(np.float64 if number else object)
        found[missing] = np.nan if number else None
    return found
