"""Modes of a smooth log density: Newton's method from several starts at once."""

from typing import NamedTuple

import numpy as np

from latentia.numerics import LOG_2PI

from .target import PIECE, Surface

_STEPS = 80
# Curvatures below this share of the largest, in units that make the diagonal 1, count as none.
_FLAT = 1e-10
# Two points are one mode if they are nearer than this, in posterior standard deviations, squared.
_SAME = 1e-3


class Mode(NamedTuple):
    """A maximum: ``point [n]``, its ``value``, and the ``covariance [n, n]`` of its curvature.

    ``log_mass`` is the log of the integral of the Gaussian there: Laplace's log evidence.
    """

    point: np.ndarray
    value: float
    covariance: np.ndarray
    log_mass: float


class Search(NamedTuple):
    """What Newton's method found: modes, the heaviest first, and why there is none if so.

    ``reached`` is how many of the ``starts`` ended at some mode; ``origin`` a point of finite
    density, and ``improper`` whether the density does not change in some direction.
    """

    modes: list[Mode]
    reached: int
    starts: int
    origin: np.ndarray
    trouble: str
    improper: bool

    def shares(self) -> np.ndarray:
        """How much of the posterior lies at each mode, by its curvature there."""
        masses = np.array([mode.log_mass for mode in self.modes])
        weights = np.exp(masses - masses.max())
        return weights / weights.sum()


class Direction(NamedTuple):
    """A step ``move [n]`` uphill, how much it would gain, and the least curvature beside it.

    ``decrement`` is the square of Newton's decrement, ``least`` the smallest eigenvalue of the
    scaled curvature in units of the largest, and ``flat`` the place of the coordinate that its
    eigenvector points along.
    """

    move: np.ndarray
    decrement: float
    least: float
    flat: int


def uphill(slope: np.ndarray, bend: np.ndarray) -> Direction:
    """Newton's step where the function is concave, with the curvature's size where it is not."""
    scale = np.sqrt(np.abs(np.diagonal(bend)))
    scale = np.where(scale > 0, scale, 1.0)
    curvature, axes = np.linalg.eigh(-bend / np.outer(scale, scale))
    top = max(float(np.abs(curvature).max()), 1e-300)
    size = np.maximum(np.abs(curvature), 1e-8 * top)
    along = axes.T @ (slope / scale)
    return Direction(
        move=(axes @ (along / size)) / scale,
        decrement=float(np.sum(along**2 / size)),
        least=float(curvature[0]) / top,
        flat=int(np.argmax(np.abs(axes[:, 0]))),
    )


def starting_points(surface: Surface, seed: int) -> np.ndarray:
    """The origin of the free numbers, and points around it: ``[8, n]``."""
    noise = np.random.default_rng([seed, surface.dim]).uniform(-2, 2, (PIECE - 1, surface.dim))
    return np.concatenate([np.zeros((1, surface.dim)), noise])


def find_modes(surface: Surface, starts: np.ndarray, stretch: float = 1.0) -> Search:
    """Climb from all starts at once, and tell the modes apart.

    Raises:
        ValueError: if the log density is finite at no start, or its slope is not.
    """
    points = np.array(starts, float)
    here = surface.expand(points, stretch)
    values, slopes, bends = (np.array(leaf) for leaf in here)
    alive = np.isfinite(values)
    smooth = np.isfinite(slopes).all(axis=1) & np.isfinite(bends).all(axis=(1, 2))
    _require_some(surface, points, values, slopes, alive, smooth)
    alive &= smooth
    origin = points[np.argmax(alive)].copy()
    ends: dict[int, Direction] = {}
    stuck: dict[int, Direction] = {}
    shares = np.ones(len(points))
    for _ in range(_STEPS):
        active = [i for i in np.flatnonzero(alive) if i not in ends and i not in stuck]
        ways = {i: uphill(slopes[i], bends[i]) for i in active}
        for i in active:
            rounding = 20 * np.finfo(float).eps * (1 + abs(values[i]))
            if ways[i].decrement < 1e-12 + rounding and ways[i].least > -1e-8:
                ends[i] = ways[i]
            elif shares[i] < 1e-8:
                stuck[i] = ways[i]
        active = [i for i in active if i not in ends and i not in stuck]
        if not active:
            break
        trials = points.copy()
        for i in active:
            trials[i] += shares[i] * ways[i].move
        there = surface.expand(trials, stretch)
        for i in active:
            gain = there.values[i] - values[i]
            finite = np.isfinite(there.slopes[i]).all() and np.isfinite(there.bends[i]).all()
            slack = 1e-12 * (1 + abs(values[i]))
            if finite and gain > 1e-4 * shares[i] * ways[i].decrement - slack:
                points[i], values[i] = trials[i], there.values[i]
                slopes[i], bends[i] = there.slopes[i], there.bends[i]
                shares[i] = min(1.0, 4 * shares[i])
            else:
                shares[i] *= 0.25
    return _conclude(surface, points, values, bends, slopes, ends, alive, origin)


def _conclude(surface, points, values, bends, slopes, ends, alive, origin) -> Search:
    modes: list[Mode] = []
    flat = ""
    for i, way in ends.items():
        if way.least < _FLAT:
            flat = flat or surface.names[way.flat]
            continue
        mode = _mode(points[i], values[i], bends[i])
        if all(_distance(mode, other) > _SAME for other in modes):
            modes.append(mode)
    modes.sort(key=lambda mode: -mode.log_mass)
    trouble = ""
    if flat and not modes:
        trouble = f"the posterior looks improper, since its density does not change along {flat}"
    elif not modes:
        best = int(np.argmax(np.where(alive, values, -np.inf)))
        way = uphill(slopes[best], bends[best])
        place = int(np.argmax(np.abs(way.move) / (1 + np.abs(points[best]))))
        trouble = (
            f"the density has no highest point that Newton's method reaches in {_STEPS} steps: it "
            f"still rises along {surface.names[place]} (unconstrained value {points[best][place]:.3g})"
        )
    reached = sum(way.least >= _FLAT for way in ends.values())
    return Search(modes, reached, len(points), origin, trouble, bool(flat) and not modes)


def _mode(point: np.ndarray, value: float, bend: np.ndarray) -> Mode:
    scale = np.sqrt(np.diagonal(-bend))
    curvature, axes = np.linalg.eigh(-bend / np.outer(scale, scale))
    root = axes / np.sqrt(curvature) / scale[:, None]
    log_det = np.sum(np.log(curvature)) + 2 * np.sum(np.log(scale))
    log_mass = float(value + 0.5 * (point.size * LOG_2PI - log_det))
    return Mode(point.copy(), float(value), root @ root.T, log_mass)


def _distance(one: Mode, other: Mode) -> float:
    gap = one.point - other.point
    return float(gap @ np.linalg.solve(other.covariance, gap)) / gap.size


def _require_some(surface, points, values, slopes, alive, smooth) -> None:
    """Raise ``ValueError`` if there is no start with a finite density and slope."""
    if not alive.any():
        raise ValueError(
            f"The log density of the model should be finite somewhere near the start, but at all "
            f"{len(points)} starts {surface.blame(points[0])}: check the data and the supports, or "
            "guard logarithms and divisions."
        )
    if not (alive & smooth).any():
        at = int(np.argmax(alive))
        bad = np.flatnonzero(~np.isfinite(slopes[at]))
        name = surface.names[int(bad[0])] if len(bad) else "some latent variable"
        raise ValueError(
            f"The log density of the model should have a finite slope and curvature, but they are "
            f"not along {name}, where the density is {values[at]:.4g}: replace square roots, "
            "absolute values and branches that have no derivative there."
        )
