"""Few rows that stand for all the data where only their mean and covariance matter."""

from typing import Any

import numpy as np

_CHUNK = 16384
# The least variance, relative to the greatest, that squares keep to 1e-10 of itself.
_SAFE = 1e-6


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
    dim = values.shape[1]
    scatter = np.zeros((dim, dim))
    for start in range(0, len(values), _CHUNK):
        gap = _gap(values, weight, start, centre, spread)
        scatter += gap.T @ gap
    variances, axes = np.linalg.eigh(scatter)
    # A constant column has no variance to lose.
    constant = int(np.sum(scatter.diagonal() == 0))
    if constant < dim and variances[constant] > _SAFE * variances[-1]:
        variances = np.maximum(variances, 0.0)
        total = float(weight.sum())
        return _arms(axes.T * np.sqrt(variances)[:, None], centre, spread, total)
    # The squares have lost the small variances; the QR factor, which takes longer, keeps them.
    moments = SecondMoments(centre, spread)
    moments.add(values, weight)
    return moments.rows()


def _gap(
    values: np.ndarray, weight: np.ndarray, start: int, centre: np.ndarray, spread: np.ndarray
) -> np.ndarray:
    """The chunk from ``start`` on, each row times the root of its weight."""
    part = slice(start, start + _CHUNK)
    gap = np.subtract(values[part], centre, dtype=np.float64)
    gap /= spread
    if not (weight[part] == 1).all():
        gap *= np.sqrt(weight[part, None])
    return gap


def _arms(
    root: np.ndarray, centre: np.ndarray, spread: np.ndarray, total: float
) -> tuple[np.ndarray, np.ndarray]:
    """2D rows about the centre, and their weights, from ``root`` with root' root the scatter."""
    dim = len(centre)
    arms = np.zeros((dim, dim))
    arms[: len(root)] = root * np.sqrt(dim / total)
    # The given centre is the mean but for rounding, which the arms, in pairs, leave alone.
    return centre + spread * np.concatenate([arms, -arms]), np.full(2 * dim, total / (2 * dim))


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
        for start in range(0, len(values), _CHUNK):
            gap = _gap(values, weight, start, self._centre, self._spread)
            factor: Any = np.linalg.qr(np.concatenate([self._root, gap]), mode="r")
            self._root = factor

    def join(self, other: "SecondMoments") -> None:
        """Count the rows that another, about the same centre, has counted."""
        self._total += other._total
        factor: Any = np.linalg.qr(np.concatenate([self._root, other._root]), mode="r")
        self._root = factor

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """What ``second_moment_rows`` returns, once all rows are counted."""
        return _arms(self._root, self._centre, self._spread, self._total)
