"""The centre and spread of the columns: fits work in units in which both are gone."""

import numpy as np

# How many rows are summed at once: so few that batches of a stream, which mostly are multiples of
# it, give the same sums to the last bit as all the data at once.
_CHUNK = 2048


def column_summary(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and standard deviation ``[D]`` of the observed entries, in two passes.

    A constant column gets the size of its value (or 1) as its spread, which keeps its units.
    """
    level = Level(values.shape[1])
    level.add(values, weight)
    spread = Spread(level)
    spread.add(values, weight)
    return spread.summary()


class Level:
    """The first pass: sums of the columns, batch by batch.

    Attributes:
        count: ``[D]``, the weight of the observed entries of each column.
        origin: ``[D]``, the first observed value, from which all else is measured, so that an
            offset of the column does not round.
        low: ``[D]``, the smallest distance from the origin (at most 0), of rows with weight.
        high: ``[D]``, the largest.
    """

    def __init__(self, columns: int) -> None:
        self.mass = np.zeros(columns)
        self.origin = np.zeros(columns)
        self.low = np.zeros(columns)
        self.high = np.zeros(columns)
        self._total = np.zeros(columns)

    def add(self, values: np.ndarray, weight: np.ndarray) -> None:
        """Count the rows ``values [B, D]`` with ``weight [B]``."""
        for part in _chunks(values):
            self._add(values[part], weight[part])

    def _add(self, values: np.ndarray, weight: np.ndarray) -> None:
        started = self.mass > 0
        if not started.all():
            self.origin = np.where(started, self.origin, _first(values, weight))
        gap = _gap(values, self.origin)
        self.mass += weight @ ~np.isnan(gap)
        gap = np.nan_to_num(gap)
        self._total += weight @ gap
        gap *= (weight > 0)[:, None]
        self.low = np.minimum(self.low, gap.min(axis=0))
        self.high = np.maximum(self.high, gap.max(axis=0))

    def join(self, other: "Level") -> None:
        """Count the rows that another has counted, which come after these."""
        started, more = self.mass > 0, other.mass > 0
        self.origin = np.where(started, self.origin, other.origin)
        step = np.where(more, other.origin - self.origin, 0.0)
        self._total += other._total + other.mass * step
        self.low = np.minimum(self.low, np.where(more, other.low + step, 0.0))
        self.high = np.maximum(self.high, np.where(more, other.high + step, 0.0))
        self.mass += other.mass

    @property
    def shift(self) -> np.ndarray:
        """``[D]``: from the origin to the mean."""
        return self._total / self._some

    @property
    def largest(self) -> np.ndarray:
        """``[D]``: the largest distance from the origin."""
        return np.maximum(-self.low, self.high)

    @property
    def _some(self) -> np.ndarray:
        return np.where(self.mass > 0, self.mass, 1.0)


class Spread:
    """The second pass: sums of squares about the means that the first pass found."""

    def __init__(self, level: Level) -> None:
        self._level = level
        self._shift = level.shift
        self._unit = np.where(level.largest > 0, level.largest, 1.0)
        self._square = np.zeros(len(level.mass))

    def add(self, values: np.ndarray, weight: np.ndarray) -> None:
        """Count the rows ``values [B, D]`` with ``weight [B]``."""
        origin, shift, unit = self._level.origin, self._shift, self._unit
        for part in _chunks(values):
            gap = np.nan_to_num((_gap(values[part], origin) - shift) / unit)
            self._square += weight[part] @ gap**2

    def join(self, other: "Spread") -> None:
        """Count the rows that another, about the same means, has counted."""
        self._square += other._square

    def summary(self) -> tuple[np.ndarray, np.ndarray]:
        """What ``column_summary`` returns, once all rows are counted."""
        level = self._level
        spread = np.sqrt(self._square / level._some) * self._unit
        centre = level.origin + self._shift
        # What is left of a constant column is rounding.
        constant = spread <= 1e-14 * level.largest
        constant |= level.largest == 0
        size = np.where(centre != 0, np.abs(centre), 1.0)
        return np.where(constant, level.origin, centre), np.where(constant, size, spread)


def _chunks(values: np.ndarray) -> list[slice]:
    return [slice(i, i + _CHUNK) for i in range(0, len(values), _CHUNK)]


def _gap(values: np.ndarray, origin: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float64) - origin


def _first(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    seen = ~np.isnan(values) & (weight > 0)[:, None]
    first = np.argmax(seen, axis=0)
    found = np.asarray(values[first, np.arange(values.shape[1])], np.float64)
    return np.where(np.any(seen, axis=0), found, 0.0)
