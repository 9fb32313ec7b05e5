"""What a fit needs to know of a stream beforehand, from two passes over it."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from .condensing import Gathering
from .fitting import SAMPLE
from .planning import Sample
from .scaling import Level, Spread

Batches = Iterable[tuple[np.ndarray, np.ndarray]]


class Overview(NamedTuple):
    """A stream of rows at a glance.

    Attributes:
        sample: the rows that starts look at, the same that they would see in memory.
        centre: ``[D]``, the weighted mean of each column.
        spread: ``[D]``, the standard deviation of each column.
        observed: ``[D]``, the weight of the observed entries of each column.
        reach: ``[D, 2]``, the smallest and the largest value of each column.
        total: the weight of the rows with an observed entry.
        missing: whether any entry is missing.
    """

    sample: Sample
    centre: np.ndarray
    spread: np.ndarray
    observed: np.ndarray
    reach: np.ndarray
    total: float
    missing: bool

    def radius(self, centre: np.ndarray, scale: np.ndarray) -> float:
        """A bound on how far, in these units, any row is from their centre."""
        farthest = np.abs(self.reach - centre[:, None]).max(axis=1) / scale
        return float(np.sqrt(np.sum(farthest**2)))


def overview(columns: int, passes: Callable[[], Batches], seed: int) -> Overview:
    """Look over a stream twice.

    Args:
        columns: D.
        passes: starts one more pass over the values ``[B, D]`` and weights ``[B]``.
        seed: decides which rows are drawn.
    """
    level = Level(columns)
    heavy, mass, total, missing = 0, 0.0, 0.0, False
    for values, weight in passes():
        level.add(values, weight)
        kept = weight[weight > 0]
        heavy += len(kept)
        # In order, as it is drawn from.
        mass = np.cumsum(np.append(mass, kept))[-1]
        holes = np.isnan(values)
        missing = missing or bool(holes.any())
        total += float(weight[~holes.all(axis=1)].sum())
    spread = Spread(level)
    rows = Gathering(heavy, mass, seed)
    for values, weight in passes():
        spread.add(values, weight)
        rows.add(values, weight)
    sample = Sample(*rows.condense(SAMPLE), labels=None, whole=False)
    reach = level.origin[:, None] + np.stack([level.low, level.high], axis=1)
    return Overview(sample, *spread.summary(), level.mass, reach, total, missing)
