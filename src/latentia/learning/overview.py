"""What a fit needs to know of partitioned data beforehand, from two passes over them."""

from contextlib import closing
from typing import NamedTuple

import numpy as np

from latentia.data.interface import AbstractPartitions, Source
from latentia.data.reading import ahead, weighted_batches
from latentia.data.table import require_states

from .condensing import Gathering
from .fitting import SAMPLE
from .planning import Sample
from .scaling import Level, Spread


class Overview(NamedTuple):
    """The rows at a glance.

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


class _Look(NamedTuple):
    """What the first pass over a partition finds: how many rows have weight, and the sum of it."""

    level: Level
    heavy: int
    mass: float
    total: float
    missing: bool


class _Frame(NamedTuple):
    """What the second pass over a partition needs to know of all the data, and of those before."""

    level: Level
    heavy: int
    mass: float
    seed: int
    passed: float


def overview(data: AbstractPartitions, seed: int, states: int) -> Overview:
    """Look over data twice.

    Args:
        data: under any engine.
        seed: decides which rows are drawn.
        states: K, which no known state may reach.

    Raises:
        ValueError: if no row has weight, or a known state is none of the model.
    """
    looks = data.gather(_look, [states] * data.count)
    level = looks[0].level
    for look in looks[1:]:
        level.join(look.level)
    heavy = sum(look.heavy for look in looks)
    if heavy == 0:
        raise ValueError("weights should have one above zero, but all are 0: raise one.")
    passed = np.cumsum([0.0, *(look.mass for look in looks)])
    frames = [_Frame(level, heavy, float(passed[-1]), seed, float(each)) for each in passed[:-1]]
    (spread, rows), *others = data.gather(_draw, frames)
    for squares, more in others:
        spread.join(squares)
        rows.join(more)
    points, mass = rows.condense(SAMPLE)
    known = None
    if data.source.labelled:
        points, known = points[:, :-1], points[:, -1].astype(np.int32)
    sample = Sample(points, mass, known, whole=False)
    reach = level.origin[:, None] + np.stack([level.low, level.high], axis=1)
    total = sum(look.total for look in looks)
    missing = any(look.missing for look in looks)
    return Overview(sample, *spread.summary(), level.mass, reach, total, missing)


def _look(part: Source, states: int) -> _Look:
    level = Level(part.width)
    heavy, mass, total, missing = 0, 0.0, 0.0, False
    with closing(ahead(weighted_batches(part))) as batches:
        for values, weight, label in batches:
            if label is not None:
                require_states(label, states)
            level.add(values, weight)
            kept = weight[weight > 0]
            heavy += len(kept)
            # In order, as it is drawn from.
            mass = float(np.cumsum(np.append(mass, kept))[-1])
            holes = np.isnan(values)
            missing = missing or bool(holes.any())
            total += float(weight[~holes.all(axis=1)].sum())
    return _Look(level, heavy, mass, total, missing)


def _draw(part: Source, frame: _Frame) -> tuple[Spread, Gathering]:
    spread = Spread(frame.level)
    columns = part.width + part.labelled
    rows = Gathering(frame.heavy, frame.mass, columns, frame.seed, frame.passed)
    with closing(ahead(weighted_batches(part))) as batches:
        for values, weight, label in batches:
            spread.add(values, weight)
            rows.add(values if label is None else np.column_stack([values, label]), weight)
    return spread, rows
