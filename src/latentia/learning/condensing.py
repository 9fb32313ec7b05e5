"""A short sorted list of the distinct rows of the data, which starts look at in its place."""

import numpy as np
from numpy import ndarray
from numpy.random import Generator, default_rng

# With more rows than MANY, only SAMPLED of them are sorted, so that the cost stays bounded.
MANY = 50_000
SAMPLED = 20_000
# Fewer if they are wide: a gigabyte of numbers, but always those of small data (SMALL in
# ``fitting``), which are fitted as the rows that are kept here.
NUMBERS = 2**27
LEAST = 4096


def condense(
    points: ndarray, weights: ndarray, limit: int = 2000, seed: int = 0
) -> tuple[ndarray, ndarray, ndarray | None]:
    """Find the distinct rows, sorted, with the sums of their weights; rows of weight zero go.

    NaN counts as a value like any other. Of more than ``limit`` distinct rows a sample is taken by
    weight, and of very many rows too; only that second sample depends on the order of the rows.

    Returns:
        The points ``[U, E]``; their weights ``[U]``, all positive; and for each row of the data its
        place among the points, or -1 if its weight is zero. The places are None after sampling.
    """
    rng = _chance(seed)
    rows = np.flatnonzero(weights > 0)
    kept = weights[rows]
    many, some = _bounds(points.shape[1])
    if sampled := len(rows) > many:
        total = np.cumsum(kept)[-1]
        drawn = by_weight(kept, rng.random(some))
        rows, kept = rows[drawn], np.full(some, total / some)
    unique, mass, group = distinct(points[rows], kept, limit, rng)
    if group is None or sampled:
        return unique, mass, None
    inverse = np.full(len(points), -1)
    inverse[rows] = group
    return unique, mass, inverse


def _bounds(columns: int) -> tuple[int, int]:
    """With more rows than the first of so many columns, only the second of them are sorted."""
    room = max(LEAST, NUMBERS // max(columns, 1))
    return min(MANY, room), min(SAMPLED, room)


def _chance(seed: int) -> Generator:
    """The source of chance of ``condense``."""
    # Three words, so that these are not the draws of any start.
    return default_rng([seed, 0, 1])


def distinct(
    candidates: ndarray, kept: ndarray, limit: int, rng: Generator
) -> tuple[ndarray, ndarray, ndarray | None]:
    """What ``condense`` returns of rows ``candidates [C, E]`` whose weights are all positive."""
    # Adding zero turns -0 into 0.
    candidates = candidates + 0.0
    # The weight is the last key, so that equal rows are always summed in the same order.
    order = np.lexsort((kept, *candidates.T[::-1]))
    candidates, kept = candidates[order], kept[order]
    before, after = candidates[:-1], candidates[1:]
    same = ((before == after) | (np.isnan(before) & np.isnan(after))).all(axis=1)
    first = np.append(True, ~same)[: len(candidates)]
    group = np.cumsum(first) - 1
    unique, mass = candidates[first], np.bincount(group, kept)
    if len(unique) > limit:
        drawn, count = np.unique(by_weight(mass, rng.random(limit)), return_counts=True)
        return unique[drawn], count * (mass.sum() / limit), None
    places = np.empty(len(candidates), int)
    places[order] = group
    return unique, mass, places


class Gathering:
    """The rows that ``condense`` looks at, gathered batch by batch: the same ones to the last bit.

    Args:
        heavy: how many rows have a weight above zero.
        total: the sum of all weights, added up in the order of the rows.
        columns: E, how many columns the rows have.
        seed: as for ``condense``.
        passed: the weight of the rows before the first.
    """

    def __init__(
        self, heavy: int, total: float, columns: int, seed: int, passed: float = 0.0
    ) -> None:
        self._rng = _chance(seed)
        self._levels = None
        many, self._some = _bounds(columns)
        if heavy > many:
            self._levels = levels(self._rng.random(self._some), total)
        self._total = total
        self._passed = passed
        self._rows: list[ndarray] = []
        self._kept: list[ndarray] = []

    def add(self, values: ndarray, weight: ndarray) -> None:
        """Look through the next rows ``values [B, E]`` with ``weight [B]``."""
        rows = np.flatnonzero(weight > 0)
        kept = weight[rows]
        if self._levels is not None:
            cumulative = np.cumsum(np.append(self._passed, kept))
            first, last = np.searchsorted(self._levels, cumulative[[0, -1]])
            at = self._levels[first:last]
            self._passed = cumulative[-1]
            rows = rows[np.searchsorted(cumulative[1:], at, side="right")]
            kept = np.full(len(rows), self._total / self._some)
        self._rows.append(values[rows])
        self._kept.append(kept)

    def join(self, other: "Gathering") -> None:
        """Take over the rows that another has gathered, which come after these."""
        self._rows += other._rows
        self._kept += other._kept

    def condense(self, limit: int) -> tuple[ndarray, ndarray]:
        """The points and weights that ``condense`` returns, once all rows were looked through."""
        rows, kept = np.concatenate(self._rows), np.concatenate(self._kept)
        return distinct(rows, kept, limit, self._rng)[:2]


def by_weight(weights: ndarray, places: ndarray) -> ndarray:
    """Rows, ascending, one from each of as many equally heavy stretches as there are places."""
    cumulative = np.cumsum(weights)
    return np.searchsorted(cumulative, levels(places, cumulative[-1]), side="right")


def levels(places: ndarray, total: float) -> ndarray:
    """Levels of cumulative weight, ascending: one in each stretch, at a place from 0 to 1 in it."""
    at = (np.arange(len(places)) + places) / len(places) * total
    # Below the total, should rounding reach the very end, so that every level is in some row.
    return np.minimum(at, np.nextafter(total, 0.0))
