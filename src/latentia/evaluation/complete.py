"""Tables of which every entry is needed."""

from typing import Any

import numpy as np

from latentia.data.table import read_table


def read_complete(table: Any, argument: str, least: int) -> np.ndarray:
    """A table ``[N, D]`` in float64.

    Args:
        table: as ``read_table`` takes it.
        argument: what the error messages call it.
        least: the fewest rows.

    Raises:
        ValueError: if it has fewer rows, or entries that are missing or infinite.
        TypeError: if it is no table of numbers.
    """
    values = read_table(table, argument=argument).values.astype(float, copy=False)
    if len(values) < least:
        raise ValueError(
            f"{argument} should be a table with at least {least} rows, but has the shape "
            f"{values.shape}."
        )
    if np.isnan(values).any():
        raise ValueError(
            f"{argument} should be finite, but has missing entries: leave those rows out, or fill "
            "them in."
        )
    return values
