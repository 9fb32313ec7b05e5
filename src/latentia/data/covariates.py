"""Covariates beside data: the columns that are given stand behind those that are described."""

from typing import Any

import numpy as np

from latentia.distributions.given import drivers, inputs
from latentia.precision import is_traced

from .sequences import Sequences, read_sequences
from .table import read_table


def with_covariates(model: Any, x: Any, given: Any, argument: str) -> Any:
    """The data with covariates behind their columns, if the model uses any."""
    if count := inputs(model.likelihood):
        always = drivers(model.likelihood) > 0
        return x if is_traced(model, x) else joined(x, given, count, argument, always=always)
    if given is not None:
        raise ValueError(
            "given should be None, since no part of this model uses covariates: leave it out."
        )
    return x


def require_covariates(model: Any, source: Any) -> None:
    """Raise ``ValueError`` if a source has other covariates than the model uses."""
    roles = getattr(source, "roles", None)
    given = getattr(source, "given", None) if roles is None else roles.given
    count = inputs(model.likelihood)
    if given is not None and given != count:
        raise ValueError(
            f"given should name the {count} columns of covariates that the model uses, but the "
            f"stream has {given}: name them where it is opened, with given=[...]."
        )


def column_names(data: Any) -> tuple[str, ...] | None:
    """What the columns of a data frame, or of a list of them, are called; None of an array."""
    one: Any = data[0] if isinstance(data, list | tuple) and len(data) > 0 else data
    return tuple(map(str, one.columns)) if hasattr(one, "columns") else None


def joined(data: Any, given: Any, count: int, argument: str, *, always: bool = False) -> Any:
    """Data with covariates behind their columns.

    Args:
        data: a datum ``[D]``, a table ``[N, D]``, a list of tables, an array ``[N, T, D]``, or
            ``Sequences``.
        given: the covariates, of the same make, with P columns.
        count: P, as the model has it.
        argument: what the error messages call ``data``.
        always: whether covariates matter also where nothing of the data is observed.

    Returns:
        The same with D + P columns, as arrays.

    Raises:
        ValueError: if the covariates do not fit the data or the model, or one is missing.
    """
    if given is None:
        raise ValueError(
            f"given should hold the {count} covariates that the model uses, but is None: pass "
            f"given=u with a row for each row of {argument}."
        )
    if isinstance(data, Sequences):
        own = given.values if isinstance(given, Sequences) else given
        return data._replace(values=_beside(data.values, own, count, argument, always))
    many = isinstance(data, list | tuple) or np.ndim(data) == 3
    if many:
        tables_given = len(given) if isinstance(given, list | tuple) or np.ndim(given) > 0 else 0
        if tables_given != len(data):
            raise ValueError(
                f"given should have a table for each of the {len(data)} sequences of {argument}, "
                f"but has {tables_given}: pass a list with the covariates of each, row by row."
            )
        pairs = zip(data, given, strict=True)
        tables = [_beside(one, own, count, argument, always) for one, own in pairs]
        return tables if isinstance(data, list | tuple) else np.stack(tables)
    if not hasattr(data, "columns") and np.ndim(data) == 1:
        one = np.asarray(data)[None]
        return _beside(one, np.atleast_1d(given)[None], count, argument, always)[0]
    return _beside(data, given, count, argument, always)


def series_and_inputs(
    x: Any, given: Any, columns: int, count: int, remedies: tuple[str, str]
) -> tuple[Sequences, np.ndarray | None]:
    """Sequences of so many columns, and the covariates of all steps one after another, or None.

    Args:
        x: one table ``[T, D]``, or a list of them.
        given: covariates of the same make, for a model that uses some.
        columns: D.
        count: P, as the model has it.
        remedies: what to do about other columns, with ``{}`` for their number; and about
            covariates that the model does not use.
    """
    read = read_sequences(x, argument="x")
    found = read.values.shape[1]
    if found != columns:
        wanted = f"{columns} column{'s' if columns > 1 else ''}"
        raise ValueError(
            f"x should have {wanted}, as the model has, but has {found}: "
            f"{remedies[0].format(found)}."
        )
    if count == 0:
        if given is not None:
            raise ValueError(
                f"given should be None, since the model has no regressors: {remedies[1]}."
            )
        return read, None
    rows = read_sequences(joined(x, given, count, "x"), argument="x").values
    return read, rows[:, columns:]


def _beside(data: Any, given: Any, count: int, argument: str, always: bool) -> np.ndarray:
    values = read_table(data, argument=argument).values
    own = read_table(given, argument="given").values
    if own.shape != (len(values), count):
        raise ValueError(
            f"given should have the shape ({len(values)}, {count}), a row for each row of "
            f"{argument} and a column for each covariate, but has {own.shape}."
        )
    # A row of which nothing is observed says nothing, whatever its covariates, but where a chain
    # goes on meanwhile.
    empty = np.asarray(np.isnan(values).all(axis=1)) & (not always)
    lacking = np.isnan(own).any(axis=1) & ~empty
    if lacking.any():
        raise ValueError(
            f"given should have no missing values, but row {int(np.argmax(lacking))} has one: the "
            "model does not describe covariates, so they cannot be integrated out; fill them in, "
            "or leave the row out."
        )
    return np.concatenate([values, np.where(empty[:, None], np.nan, own)], axis=1)
