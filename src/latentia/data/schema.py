"""What kind of values each column holds, and the levels of those that have some."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import narwhals as nw
import numpy as np

from .cells import Cells, open_table, read_columns

KINDS = ("gaussian", "bernoulli", "categorical", "poisson")
# More texts are taken for names or remarks, and so few whole numbers might be codes.
MOST_LEVELS, FEW_VALUES = 50, 10
# Beyond, every float is whole, which then says nothing.
WHOLE = 2.0**53

Level: TypeAlias = str | int | float | bool


class Column(NamedTuple):
    """The name and the kind of a column, and its levels if it is bernoulli or categorical."""

    name: str
    kind: str
    levels: tuple[Level, ...] | None


class Schema(NamedTuple):
    """The columns of a table in order, and a sentence on each choice that may surprise."""

    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()


def infer_schema(
    frame: Any, overrides: Mapping[str | int, str] | None = None, *, argument: str = "X"
) -> Schema:
    """Tell from types and values what kind of column each one is.

    Booleans are bernoulli. Texts of at most 50 levels and categories of any type are categorical,
    their levels in the declared order, else sorted. Integers from 0 up are categorical if there
    are two different ones, else poisson, and so are floats that are all whole: pandas stores
    integers so as soon as one is missing. Other numbers are gaussian.

    Args:
        frame: a data frame, or an (N, D) array or nested lists, whose columns are named x0, x1, ...
        overrides: a kind for columns by name or position, in place of the inferred one.
        argument: what the error messages call ``frame``.

    Raises:
        ValueError: if a column is all missing, has too many texts or does not fit its override.
        TypeError: if ``frame`` is no table, or holds dates, lists or the like.
    """
    source = open_table(frame, argument)
    names = _names(source)
    wanted = _by_name(overrides or {}, names)
    columns, notes = [], []
    for name, cells in zip(names, read_columns(source, argument), strict=True):
        place = f"column {name!r} of {argument}"
        whole = _as_integers(_require_present(cells, place))
        kind, note = (wanted[name], "") if name in wanted else _kind(whole, cells.type, place)
        columns.append(Column(name, kind, _levels(whole, kind, place)))
        if note:
            notes.append(f"{name}: {note}; schema={{{name!r}: ...}} says otherwise.")
    return Schema(tuple(columns), tuple(notes))


def infer_items(frame: Any, *, argument: str = "X") -> Schema:
    """The schema of a table whose columns are all categorical, whatever their type."""
    source = open_table(frame, argument)
    columns, notes = [], []
    for name, cells in zip(_names(source), read_columns(source, argument), strict=True):
        place = f"column {name!r} of {argument}"
        whole = _as_integers(_require_present(cells, place))
        column = Column(name, "categorical", _levels(whole, "categorical", place))
        columns.append(column)
        if len(column.levels or ()) > MOST_LEVELS:
            notes.append(f"{name}: {len(column.levels or ())} levels are many for an item.")
    return Schema(tuple(columns), tuple(notes))


def describe(schema: Schema) -> str:
    """The schema as a table to print, and its notes."""
    rows = [("column", "kind", "levels")]
    for column in schema.columns:
        levels = [str(level) for level in column.levels or ()]
        shown = levels if len(levels) <= 6 else [*levels[:5], f"... ({len(levels)} levels)"]
        rows.append((column.name, column.kind, ", ".join(shown)))
    widths = [max(len(row[part]) for row in rows) for part in (0, 1)]
    lines = [f"{name:{widths[0]}}  {kind:{widths[1]}}  {levels}" for name, kind, levels in rows]
    return "\n".join([line.rstrip() for line in lines] + [f"note: {note}" for note in schema.notes])


def to_json(schema: Schema) -> dict[str, Any]:
    """The schema in lists, strings and numbers, as JSON can hold them."""
    columns = [
        {"name": c.name, "kind": c.kind, "levels": None if c.levels is None else list(c.levels)}
        for c in schema.columns
    ]
    return {"columns": columns, "notes": list(schema.notes)}


def from_json(data: Any) -> Schema:
    """The schema of ``to_json``; anything else is a ValueError that says where it goes wrong."""
    valid = isinstance(data, dict) and set(data) == {"columns", "notes"}
    if not valid or type(data["columns"]) is not list or not _are(str, data["notes"]):
        raise ValueError(
            "A schema should be a dict of the lists 'columns' and 'notes', but is not: pass what "
            "to_json returns."
        )
    for index, entry in enumerate(data["columns"]):
        if not _is_column(entry):
            raise ValueError(
                f"Column {index} of the schema should have a name, one of the kinds {KINDS} and "
                f"the levels that go with it, but is {entry!r}: pass what to_json returns."
            )
    columns = [
        Column(c["name"], c["kind"], None if c["levels"] is None else tuple(c["levels"]))
        for c in data["columns"]
    ]
    if len({column.name for column in columns}) < len(columns):
        raise ValueError("The columns of a schema should have different names: rename one.")
    return Schema(tuple(columns), tuple(data["notes"]))


def _names(source: nw.DataFrame[Any] | np.ndarray) -> list[str]:
    if isinstance(source, nw.DataFrame):
        return list(map(str, source.columns))
    return [f"x{index}" for index in range(source.shape[1])]


def _by_name(overrides: Mapping[str | int, str], names: list[str]) -> dict[str, str]:
    kinds: dict[str, str] = {}
    for key, kind in overrides.items():
        name = names[key] if isinstance(key, int) and 0 <= key < len(names) else key
        if not isinstance(name, str) or name not in names or name in kinds:
            problem = "is named twice" if name in kinds else "does not exist"
            raise ValueError(
                f"The schema should name columns of the data once, but {key!r} {problem}: the "
                f"columns are {', '.join(names)}."
            )
        if kind not in KINDS:
            raise ValueError(
                f"The schema should give one of the kinds {KINDS}, but gives {kind!r} for {key!r}: "
                "choose one of them."
            )
        kinds[name] = kind
    return kinds


def _require_present(cells: Cells, place: str) -> Cells:
    if not cells.present.any():
        raise ValueError(
            f"{place} should have an observed value to learn from, but is all missing: leave it "
            "out."
        )
    return cells


def _as_integers(cells: Cells) -> Cells:
    """The column as integers if it has only whole numbers from 0 up, as pandas stores them."""
    if cells.type != "number":
        return cells
    values = np.where(cells.present, cells.values.astype(np.float64), 0.0)
    if not ((values >= 0) & (values < WHOLE) & (values == np.floor(values))).all():
        return cells
    return cells._replace(type="integer", values=values.astype(np.int64))


def _kind(cells: Cells, stored: str, place: str) -> tuple[str, str]:
    """The kind of a column without an override, and a note where another would be as good."""
    if cells.type == "text" or cells.order is not None:
        count = len(_levels(cells, "categorical", place) or ())
        if count > MOST_LEVELS:
            raise ValueError(
                f"{place} should have at most {MOST_LEVELS} levels, but has {count}: leave it out, "
                "or say in the schema that it is categorical."
            )
        return "categorical", ""
    if cells.type == "boolean":
        return "bernoulli", ""
    if cells.type == "number":
        return "gaussian", ""
    values = np.unique(cells.values[cells.present]).tolist()
    if values[0] < 0:
        return "gaussian", "whole numbers, some below 0, are read as gaussian"
    if stored == "number":
        return "poisson", f"{len(values)} different whole numbers, stored as floats, are counts"
    if len(values) == 2:
        return "categorical", f"the whole numbers {values[0]} and {values[1]} are levels"
    few = f"only {len(values)} different whole numbers are counts"
    return "poisson", few if len(values) <= FEW_VALUES else ""


def _levels(cells: Cells, kind: str, place: str) -> tuple[Level, ...] | None:
    values = cells.values[cells.present]
    if kind in ("gaussian", "poisson"):
        numbers = cells.numbers(place)
        if kind == "poisson":
            require_counts(numbers, place)
        return None
    if cells.type == "number" and np.isinf(values).any():
        row = int(np.argmax(np.isinf(cells.values)))
        raise ValueError(
            f"{place} should be finite or missing, but row {row} is infinite: mend it."
        )
    found = sorted(set(values.tolist())) if cells.order is None else list(cells.order)
    if kind == "bernoulli":
        # A column that happens to have one value still has two levels.
        if cells.type == "boolean" or found in ([0], [1]):
            found = [False, True] if cells.type == "boolean" else [0, 1]
        if len(found) != 2:
            raise ValueError(
                f"{place} should have 2 levels to be bernoulli, but has {len(found)}: say in the "
                "schema that it is categorical."
            )
    return tuple(found)


def require_counts(values: np.ndarray, place: str) -> None:
    """Raise a ValueError if a number is no whole number from 0 up; NaN is fine."""
    wrong = ~(np.isnan(values) | ((values >= 0) & (values == np.floor(values))))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"{place} should hold counts (whole numbers from 0 up), but row {row} has "
            f"{values[row]:g}: say in the schema that it is gaussian, or mend it."
        )


def _are(kind: type, values: object) -> bool:
    return type(values) is list and all(type(value) is kind for value in values)


def _is_column(entry: Any) -> bool:
    if not isinstance(entry, dict) or set(entry) != {"name", "kind", "levels"}:
        return False
    kind, levels = entry["kind"], entry["levels"]
    if type(entry["name"]) is not str or kind not in KINDS:
        return False
    if kind in ("gaussian", "poisson") or levels is None:
        return levels is None and kind in ("gaussian", "poisson")
    numbers = type(levels) is list and all(
        type(level) in (int, float) and math.isfinite(level) for level in levels
    )
    distinct = (_are(str, levels) or _are(bool, levels) or numbers) and len(set(levels)) == len(
        levels
    )
    return distinct and (len(levels) == 2 if kind == "bernoulli" else len(levels) > 0)
