"""The limited-memory quasi-Newton method, on the host, with the path that it took.

Broyden, Fletcher, Goldfarb and Shanno's updates from the last few steps (Nocedal and Wright 2006,
algorithm 7.4), with the line search by bisection of Lewis and Overton (2013), which needs no more
of a function than that it may be called.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Climbed = Callable[[np.ndarray], tuple[float, np.ndarray]]

_TRIALS = 30
# Of the slope at the start of a step: so much has to be gained, and so little left.
_GAIN, _LEFT = 1e-4, 0.9
# The gain of so many steps together tells whether the climb has ended.
_LAST = 5
# Curvature from no more steps than this may be far off.
_SURE = 2
_NOTHING = 1e-24


class Path(NamedTuple):
    """Where a climb went: ``points [P, n]`` and ``slopes [P, n]``, and the value at every step.

    ``converged`` says whether it ended because nothing was left to gain.
    """

    points: np.ndarray
    values: np.ndarray
    slopes: np.ndarray
    converged: bool


def ascend(
    function: Climbed,
    start: np.ndarray,
    steps: int = 200,
    memory: int = 10,
    enough: float = 1e-9,
    kept: int | None = None,
) -> Path:
    """Climb a smooth function of a vector.

    Args:
        function: the value at a point ``[n]`` and the slope there; neither has to be finite.
        start: ``[n]``, where the function is finite.
        steps: at most so many.
        memory: how many steps the curvature is estimated from.
        enough: the climb has ended when its last five steps gained less than this together, in
            units of 1 + |value|.
        kept: of the points the last so many are in the path; by default all.
    """
    value, slope = function(start)
    path, pairs = deque([(start, slope)], maxlen=kept), deque(maxlen=memory)
    values, converged = [value], False
    while len(values) <= steps and np.isfinite(value) and np.isfinite(slope).all():
        small = enough * (1 + abs(value))
        # The gain that the curvature promises, which means nothing before there is any.
        promised = float(slope @ direction(slope, pairs))
        if promised < (small if len(pairs) > _SURE else _NOTHING):
            converged = True
            break
        found = _step(function, (path[-1][0], value, slope), pairs)
        if found is None:
            break
        there, value, slope = found
        path.append((there, slope))
        values.append(value)
        if len(values) > _LAST and value - values[-1 - _LAST] < small:
            converged = True
            break
    points, slopes = zip(*path, strict=True)
    return Path(np.stack(points), np.array(values), np.stack(slopes), converged)


def _step(
    function: Climbed, begin: tuple, pairs: deque
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """One step, which the estimate of the curvature remembers; None if no length of it gains."""
    at, _, slope = begin
    found = _line(function, begin, direction(slope, pairs), 1.0) if pairs else None
    if found is None:
        # Along the slope itself, of which nothing but its direction is known.
        pairs.clear()
        length = min(1.0, 1 / max(float(np.linalg.norm(slope)), 1e-300))
        found = _line(function, begin, slope, length)
    if found is None:
        return None
    step, change = found[0] - at, slope - found[2]
    if step @ change > 1e-12 * (change @ change):
        pairs.append((step, change))
    return found


def direction(slope: np.ndarray, pairs: deque) -> np.ndarray:
    """The estimated inverse curvature times a slope, by the two loops over steps and changes."""
    move, rates = slope.copy(), []
    for step, change in reversed(pairs):
        rate = (step @ move) / (step @ change)
        rates.append(rate)
        move -= rate * change
    if pairs:
        step, change = pairs[-1]
        move *= (step @ change) / (change @ change)
    for (step, change), rate in zip(pairs, reversed(rates), strict=True):
        move += (rate - (change @ move) / (step @ change)) * step
    return move


def _line(
    function: Climbed, begin: tuple, move: np.ndarray, length: float
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """A step along ``move`` that gains enough and leaves a smaller slope, or None."""
    at, value, slope = begin
    rise, low, high, best = float(slope @ move), 0.0, np.inf, None
    rounding = 1e-13 * (1 + abs(value))
    for _ in range(_TRIALS):
        there = at + length * move
        new, its_slope = function(there)
        fine = np.isfinite(new) and np.isfinite(its_slope).all()
        if not fine or new < value + _GAIN * length * rise - rounding:
            high = length
        elif its_slope @ move > _LEFT * rise:
            best, low = (there, new, its_slope), length
        else:
            return there, new, its_slope
        length = 2 * low if np.isinf(high) else (low + high) / 2
    return best
