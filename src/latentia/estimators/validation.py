"""What estimators take from the caller: tables, weights, and the names of their columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from latentia.data import Schema, encode
from latentia.data.cells import open_table
from latentia.data.table import read_table, read_weights, require_observed


def read_numbers(estimator: Any, X: Any, *, reset: bool) -> np.ndarray:
    """The numbers of ``X [N, D]`` in the dtype they came in, NaN where missing.

    With ``reset`` the estimator learns the number and the names of the columns; without, ``X`` must
    have the same.
    """
    table = read_table(X, argument="X")
    _agree(estimator, X, table.values, reset)
    if reset:
        require_observed(table, "X")
    return table.values


def read_codes(
    estimator: Any, X: Any, schema: Schema, *, reset: bool, unknown: Any = "error"
) -> np.ndarray:
    """The codes of ``X [N, D]`` by a schema, NaN where missing."""
    source = open_table(X, "X")
    _agree(estimator, X, source, reset)
    return encode(schema, X, argument="X", unknown=unknown)


def _agree(estimator: Any, X: Any, values: Any, reset: bool) -> None:
    # A frame is passed on for its names. Anything else might be what scikit-learn cannot count.
    source: Any = X if hasattr(X, "columns") else values
    validate_data(estimator, source, reset=reset, skip_check_array=True)


def read_sample_weight(sample_weight: Any, values: np.ndarray) -> np.ndarray:
    """A weight for each row, ones by default."""
    weight = read_weights(sample_weight, len(values), argument="sample_weight")
    return np.ones(len(values)) if weight is None else weight


def observed_weight(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The weight of rows with any observed entry, zero for the others, which say nothing."""
    return np.where(np.isnan(values).all(axis=1), 0.0, weight)


def require_rows(values: np.ndarray, weight: np.ndarray, least: int, reason: str) -> None:
    """Raise ``ValueError`` if fewer than ``least`` rows count."""
    count = int(np.count_nonzero(observed_weight(values, weight)))
    if count < least:
        raise ValueError(
            f"X should have at least {least} rows with an observed entry and a weight above 0 "
            f"for {reason}, but has n_samples = {count}: pass more rows, or ask for fewer."
        )


def column_names(estimator: Any) -> list[str]:
    """The names of the columns; x0, x1, ... if the data had none."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        return list(names)
    return [f"x{index}" for index in range(estimator.n_features_in_)]


def column_places(estimator: Any, columns: Any) -> list[int]:
    """Columns, by name or by position, as positions.

    Raises:
        ValueError: if one does not exist, or comes twice, or there are none.
    """
    alone = isinstance(columns, str | int | np.integer)
    wanted: Sequence[Any] = [columns] if alone else list(columns)
    names = column_names(estimator)
    places = []
    for column in wanted:
        if isinstance(column, str) and column in names:
            places.append(names.index(column))
        elif isinstance(column, int | np.integer) and 0 <= column < len(names):
            places.append(int(column))
        else:
            raise ValueError(
                f"columns should be names or positions of columns, but {column!r} is none: the "
                f"columns are {', '.join(names)}."
            )
    if not places or len(set(places)) < len(places):
        raise ValueError(f"columns should name one or more columns once each, but is {columns!r}.")
    return places
