"""The centre and spread of the columns: fits work in units in which both are gone."""

import numpy as np

_CHUNK = 65536


def column_summary(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and standard deviation ``[D]`` of the observed entries, in two passes.

    A constant column gets the size of its value (or 1) as its spread, which keeps its units.
    """
    chunks = [slice(i, i + _CHUNK) for i in range(0, len(values), _CHUNK)]
    count = np.zeros(values.shape[1])
    total = np.zeros(values.shape[1])
    largest = np.zeros(values.shape[1])
    # From the first observed value on, so that an offset of the column does not round.
    origin = _first(values, weight)
    for part in chunks:
        gap, w = _gap(values[part], origin), weight[part]
        count += w @ ~np.isnan(gap)
        gap = np.nan_to_num(gap)
        total += w @ gap
        largest = np.maximum(largest, np.max(np.abs(gap) * (w > 0)[:, None], axis=0))
    some = np.where(count > 0, count, 1.0)
    shift = total / some
    unit = np.where(largest > 0, largest, 1.0)
    square = np.zeros(values.shape[1])
    for part in chunks:
        gap = np.nan_to_num((_gap(values[part], origin) - shift) / unit)
        square += weight[part] @ gap**2
    spread = np.sqrt(square / some) * unit
    centre = origin + shift
    # What is left of a constant column is rounding.
    constant = spread <= 1e-14 * largest
    constant |= largest == 0
    size = np.where(centre != 0, np.abs(centre), 1.0)
    return np.where(constant, origin, centre), np.where(constant, size, spread)


def _gap(values: np.ndarray, origin: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float64) - origin


def _first(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    head = values[:_CHUNK]
    seen = ~np.isnan(head) & (weight[:_CHUNK] > 0)[:, None]
    first = np.argmax(seen, axis=0)
    found = np.asarray(head[first, np.arange(values.shape[1])], np.float64)
    return np.where(np.any(seen, axis=0), found, 0.0)
