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
    """The weight, mean and covariance of complete data, summed batch by batch; see above.

    Kept as a triangular root of the scatter, which the QR factor of the rows updates: the scatter
    itself would square the condition number, and lose variances that are 1e-12 of the others.
    """

    def __init__(self, centre: np.ndarray, spread: np.ndarray) -> None:
        dim = len(centre)
        self._centre = centre
        self._spread = spread
        self._total = 0.0
        self._root = np.zeros((0, dim))

    def add(self, values: np.ndarray, weight: np.ndarray) -> None:
        """Count the rows ``values [B, D]`` with ``weight [B]``."""
        self._total += float(weight.sum())
        even = bool((weight == 1).all())
        for start in range(0, len(values), _CHUNK):
            gap = np.subtract(values[start : start + _CHUNK], self._centre, dtype=np.float64)
            gap /= self._spread
            if not even:
                gap *= np.sqrt(weight[start : start + _CHUNK, None])
            self._root = np.linalg.qr(np.concatenate([self._root, gap]), mode="r")

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """What ``second_moment_rows`` returns, once all rows are counted."""
        # The given centre is the mean but for rounding, which the arms, in pairs, leave alone.
        dim = len(self._centre)
        arms = np.zeros((dim, dim))
        arms[: len(self._root)] = self._root * np.sqrt(dim / self._total)
        rows = self._centre + self._spread * np.concatenate([arms, -arms])
        return rows, np.full(2 * dim, self._total / (2 * dim))
