"""Pictures, and other arrays of one shape, as one NumPy array, or a sentence on what is wrong."""

from math import prod
from typing import Any

import numpy as np

from .cells import refuse_sparse
from .table import read_table


def read_pictures(data: Any, shape: tuple[int, ...], argument: str) -> tuple[np.ndarray, bool]:
    """Read N data of one shape; what is missing or masked becomes NaN.

    Args:
        data: ``[N, *shape]``, ``[N, D]`` with D entries in the order of the shape, a list of such,
            or one datum without N. Data frames too, if the shape is a number of columns.
        shape: of one datum. A last size of 1 may be left out.
        argument: what the error messages call ``data``.

    Returns:
        ``[N, *shape]`` in float32 (or float64, if ``data`` are), and whether it was one datum.

    Raises:
        ValueError: if sizes differ or do not fit, there is nothing, or a value is infinite.
        TypeError: if ``data`` are no numbers, or sparse.
    """
    frame = hasattr(data, "columns")
    values = read_table(data, argument=argument).values if frame else as_array(data, argument)
    inner = values.shape[1:]
    forms = [shape, (prod(shape),), *([shape[:-1]] if shape[-1] == 1 else [])]
    single = values.shape in forms and (inner not in forms or len(values.shape) == len(shape))
    if not single and inner not in forms:
        raise ValueError(
            f"{argument} should be of the shape (N, {', '.join(map(str, shape))}), or N rows of "
            f"{prod(shape)} numbers, but has the shape {values.shape}: bring all to this size."
        )
    values = values.reshape(-1, *shape)
    if len(values) == 0:
        raise ValueError(f"{argument} should hold at least one datum, but is empty.")
    if np.isinf(values).any():
        raise ValueError(
            f"{argument} should be finite, but {_first(np.isinf(values))} is infinite."
        )
    return values, single


def require_support(values: np.ndarray, family: Any, unit: np.ndarray, argument: str) -> None:
    """Raise ``ValueError`` naming the first entry that the family gives no probability."""
    wrong = family.impossible(values / np.where(np.isnan(unit), 1.0, unit))
    if wrong.any():
        place = _first(wrong)
        found = values[tuple(np.argwhere(wrong)[0])]
        raise ValueError(
            f"{argument} should be {family.support} for {family.describe()}, but {place} is "
            f"{found:.6g}: rescale the data, or choose another family."
        )


def as_array(data: Any, argument: str) -> np.ndarray:
    """Numbers of any make as an array of floats, NaN where masked; see ``read_pictures``."""
    refuse_sparse(data, argument)
    try:
        if isinstance(data, np.ma.MaskedArray):
            data = np.ma.filled(data.astype(np.result_type(data, np.float32)), np.nan)
        values = np.asarray(data)
    except ValueError as error:
        sizes = sorted({np.shape(one) for one in data})[:4]
        raise ValueError(
            f"{argument} should be pictures of one size, but has the sizes "
            f"{', '.join(map(str, sizes))}: bring all to the same size."
        ) from error
    if values.dtype.kind not in "biuf":
        raise TypeError(
            f"{argument} should be an array of numbers, but is of {values.dtype}: pass the values "
            "of the pixels."
        )
    wide = values.dtype.kind == "f" and values.dtype.itemsize > 4
    return np.asarray(values, np.float64 if wide else np.float32)


def _first(wrong: np.ndarray) -> str:
    place = np.argwhere(wrong)[0]
    return f"entry {tuple(int(i) for i in place[1:])} of datum {int(place[0])}"
