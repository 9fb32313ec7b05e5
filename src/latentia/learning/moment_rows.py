"""Few rows that stand for all the data where only their mean and covariance matter."""

import numpy as np

_CHUNK = 16384


def second_moment_rows(
    values: np.ndarray, weight: np.ndarray, centre: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """2D rows, and their weights, with the weight, mean and covariance of complete data.

    Where log p(x) is quadratic in x they stand for the data exactly: every total over them is the
    same, so EM needs the data only once.

    Args:
        values: ``[N, D]``, without missing entries.
        weight: ``[N]``.
        centre: the mean of each column.
        spread: a scale for each column.
    """
    moments = SecondMoments(centre, spread)
    moments.add(values, weight)
    return moments.rows()


class SecondMoments:
    """The weight, mean and covariance of complete data, summed batch by batch; see above."""

    def __init__(self, centre: np.ndarray, spread: np.ndarray) -> None:
        dim = len(centre)
        self._centre = centre
        self._spread = spread
        self._total = 0.0
        self._first = np.zeros(dim)
        self._scatter = np.zeros((dim, dim))

    def add(self, values: np.ndarray, weight: np.ndarray) -> None:
        """Count the rows ``values [B, D]`` with ``weight [B]``."""
        self._total += float(weight.sum())
        even = bool((weight == 1).all())
        for start in range(0, len(values), _CHUNK):
            gap = np.subtract(values[start : start + _CHUNK], self._centre, dtype=np.float64)
            gap /= self._spread
            heavy = gap if even else gap * weight[start : start + _CHUNK, None]
            self._first += heavy.sum(axis=0)
            self._scatter += heavy.T @ gap

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """What ``second_moment_rows`` returns, once all rows are counted."""
        # The distance from the given centre to the exact mean is rounding: nothing cancels here.
        mean = self._first / self._total
        scatter = self._scatter - self._total * np.outer(mean, mean)
        rows, mass = rows_with_moments(mean, scatter, self._total)
        return self._centre + self._spread * rows, mass


def rows_with_moments(
    mean: np.ndarray, scatter: np.ndarray, total: float
) -> tuple[np.ndarray, np.ndarray]:
    """2D rows, and their weights, that have these moments."""
    dim = len(mean)
    spectrum, axes = np.linalg.eigh(scatter)
    arms = axes * np.sqrt(np.maximum(spectrum, 0.0) * dim / total)
    rows = np.concatenate([mean + arms.T, mean - arms.T])
    return rows, np.full(2 * dim, total / (2 * dim))
