"""Whether two tables are drawn from the same distribution, without a model of either."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .complete import read_complete


@dataclass(frozen=True)
class TwoSample:
    """What ``two_sample`` found.

    Attributes:
        distance: the energy distance between the two tables; 0 for equal distributions.
        p_value: how often as large a distance comes by chance, if the distributions are equal.
    """

    distance: float
    p_value: float

    def __repr__(self) -> str:
        return f"TwoSample: energy distance {self.distance:.4g}, p = {self.p_value:.3g}"


def two_sample(first: Any, second: Any, *, permutations: int = 999, key: int = 0) -> TwoSample:
    """Test whether the rows of two tables come from the same distribution, by permutations.

    The statistic is the energy distance (Székely and Rizzo 2004, equation 5), which is 0 for equal
    distributions only, and needs neither a classifier nor a width of a kernel. Columns count by
    their own units: divide them by their standard deviations if these mean nothing.

    Args:
        first: ``[N, D]``.
        second: ``[M, D]``.
        permutations: how many, so that the p-value is at least 1 / (permutations + 1).
        key: a whole number that decides them.

    Raises:
        ValueError: if a table has fewer than two rows, entries that are not finite, or another
            number of columns than the other, or ``permutations`` is not a positive whole number.
    """
    tables = read_complete(first, "first", 2), read_complete(second, "second", 2)
    if tables[0].shape[1] != tables[1].shape[1]:
        raise ValueError(
            f"second should have {tables[0].shape[1]} columns, as first has, but has "
            f"{tables[1].shape[1]}: compare the same columns."
        )
    if not isinstance(permutations, int | np.integer) or permutations < 1:
        raise ValueError(
            f"permutations should be a whole number of at least 1, but is {permutations!r}."
        )
    count, rows = len(tables[0]), len(tables[0]) + len(tables[1])
    distances = _distances(np.concatenate(tables))
    rng = np.random.default_rng(int(key))
    labels = np.zeros((int(permutations) + 1, rows))
    labels[:, :count] = 1
    labels[1:] = rng.permuted(labels[1:], axis=1)
    found = _energy(labels, distances, count)
    # What differs by rounding only is as large.
    as_large = np.sum(found[1:] >= found[0] * (1 - 1e-9))
    return TwoSample(float(found[0]), float((1 + as_large) / (1 + permutations)))


def _energy(labels: np.ndarray, distances: np.ndarray, count: int) -> np.ndarray:
    """The energy distance for each way ``[P, N + M]`` of choosing ``count`` rows as the first."""
    others = labels.shape[1] - count
    reached = labels @ distances
    within = np.sum(reached * labels, axis=1)
    between = np.sum(reached, axis=1) - within
    rest = np.sum(distances) - within - 2 * between
    return 2 * between / (count * others) - within / count**2 - rest / others**2


def _distances(rows: np.ndarray) -> np.ndarray:
    """Euclidean distances between all rows, ``[N, N]``."""
    rows = rows - rows.mean(axis=0)
    square = np.sum(rows**2, axis=1)
    squares = square[:, None] + square - 2 * rows @ rows.T
    np.fill_diagonal(squares, 0.0)
    return np.sqrt(np.maximum(squares, 0.0))
