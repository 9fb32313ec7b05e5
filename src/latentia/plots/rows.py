"""The data of a picture: numbers, their columns' names, and a way back to the caller's table."""

from typing import Any, NamedTuple

import narwhals as nw
import numpy as np


class Rows(NamedTuple):
    """A data table as numbers.

    ``values`` is a float64 array of shape (N, D), with NaN where a value is missing; ``names`` are
    the D names of its columns; ``source`` is the table as the caller gave it.
    """

    values: np.ndarray
    names: tuple[str, ...]
    source: Any

    def take(self, keep: Any) -> Any:
        """The rows where the booleans ``keep`` are true, as the kind of table the caller gave."""
        if keep.all():
            return self.source
        frame = nw.from_native(self.source, eager_only=True, pass_through=True)
        if isinstance(frame, nw.DataFrame):
            return frame.filter(keep.tolist()).to_native()
        return self.values[keep]

    def like(self, values: np.ndarray) -> Any:
        """Other numbers for the same columns, as the kind of table the caller gave."""
        frame = nw.from_native(self.source, eager_only=True, pass_through=True)
        if isinstance(frame, nw.DataFrame):
            columns = dict(zip(frame.columns, values.T, strict=True))
            return nw.from_dict(columns, backend=frame.implementation).to_native()
        return values


def read_rows(estimator: Any, X: Any) -> Rows:
    """Read a data table of numbers.

    Args:
        estimator: a fitted estimator; the names that it was fitted with, ``feature_names_in_``,
            name the columns of an array.
        X: an array of shape (N, D) or a data frame of numbers. NaN, masked and null mean missing.

    Returns:
        The table as ``Rows``.

    Raises:
        ValueError: if ``X`` is not a table of numbers.
    """
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    try:
        if isinstance(frame, nw.DataFrame):
            values = frame.select(nw.all().cast(nw.Float64)).to_numpy()
        else:
            values = np.ma.filled(np.ma.asarray(X, dtype=np.float64), np.nan)
    except (ValueError, TypeError, nw.exceptions.NarwhalsError) as error:
        raise ValueError(
            f"X should hold only numbers, but does not ({error}): leave other columns out."
        ) from error
    values = np.array(values, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(
            f"X should have 2 dimensions, rows and columns, but has {values.ndim}: "
            "reshape it to (N, D)."
        )
    return Rows(values, _names(estimator, frame, values.shape[1]), X)


def _names(estimator: Any, frame: Any, count: int) -> tuple[str, ...]:
    if isinstance(frame, nw.DataFrame):
        return tuple(str(name) for name in frame.columns)
    fitted = getattr(estimator, "feature_names_in_", ())
    if len(fitted) == count:
        return tuple(str(name) for name in fitted)
    return tuple(f"column {index}" for index in range(count))
