"""The items of a table and the order of their levels."""

from collections.abc import Sequence
from typing import Any

from latentia.data import Schema, infer_items
from latentia.data.cells import open_table, read_columns


def item_schema(X: Any, levels: Sequence[Any] | None, model: str) -> Schema:
    """The items, with their levels from low to high.

    Args:
        X: a table.
        levels: the levels of all items from low to high, if the table does not say.
        model: what the order is for.

    Raises:
        ValueError: if texts have no order, or ``levels`` lacks one that is there.
    """
    schema = infer_items(X)
    if levels is not None:
        return schema._replace(columns=tuple(_ordered(c, list(levels)) for c in schema.columns))
    for column, cells in zip(schema.columns, read_columns(open_table(X, "X"), "X"), strict=True):
        if cells.type == "text" and cells.order is None and len(column.levels or ()) > 2:
            raise ValueError(
                f"column {column.name!r} of X has {len(column.levels or ())} texts, whose order "
                f"the model {model!r} has to know: pass levels=[...] from low to high, or make the "
                "column an ordered categorical."
            )
    return schema


def _ordered(column: Any, levels: list[Any]) -> Any:
    strange = [level for level in column.levels if level not in levels]
    if strange or len(set(levels)) < len(levels):
        reason = f"lacks {strange[0]!r} of column {column.name!r}" if strange else "repeats one"
        raise ValueError(
            f"levels should hold the levels of all items once each, but {reason}: add it, or drop "
            "the repetition."
        )
    # A level that nobody chose has no place among those that some did.
    return column._replace(levels=tuple(level for level in levels if level in column.levels))


def require_levels(schema: Schema, *, binary: bool) -> tuple[int, ...]:
    """How many levels each item has.

    Raises:
        ValueError: if an item has one level only, or more than two where two are needed.
    """
    counts = tuple(len(column.levels or ()) for column in schema.columns)
    names = [column.name for column in schema.columns]
    alike = [name for name, count in zip(names, counts, strict=True) if count < 2]
    if alike:
        raise ValueError(
            f"X should have two or more different answers to every item, but all are alike in "
            f"{', '.join(map(repr, alike[:5]))}, whose difficulty would be infinite: leave "
            f"{'it' if len(alike) == 1 else 'them'} out."
        )
    many = [name for name, count in zip(names, counts, strict=True) if count > 2]
    if binary and many:
        raise ValueError(
            f"X should have two levels in every column, but {many[0]!r} has "
            f"{counts[names.index(many[0])]}: use the model 'graded' or 'partial-credit'."
        )
    return counts
