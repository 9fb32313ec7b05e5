"""Modes of a smooth log density: Newton's method from several starts at once."""

from typing import Any, NamedTuple

import numpy as np

from latentia.numerics import LOG_2PI

from .target import PIECE, Surface

_STEPS = 80
# Curvatures below this share of the largest, in units that make the diagonal 1, count as none.
_FLAT = 1e-10
# Two points are one mode if they are nearer than this, in posterior standard deviations, squared.
_SAME = 1e-3
# So many standard deviations from a mode even a Cauchy density has fallen by more than one nat; and
# another mode that lies at one of these distances does not lie at the others.
_FAR = np.array([50.0, 170.0, 1100.0])
# Where the log density is known to no more than this, in nats, its shape is lost in rounding.
_ROUNDED, _EPS = 0.01, float(np.finfo(float).eps)


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
    return all_uphill(slope[None], bend[None])[0]


def all_uphill(slopes: np.ndarray, bends: np.ndarray) -> list[Direction]:
    """The same at many points: ``slopes [G, n]`` and ``bends [G, n, n]``."""
    scale = np.sqrt(np.abs(np.diagonal(bends, axis1=1, axis2=2)))
    scale = np.where(scale > 0, scale, 1.0)
    curvature, axes = np.linalg.eigh(-bends / (scale[:, :, None] * scale[:, None, :]))
    top = np.maximum(np.abs(curvature).max(axis=1), 1e-300)
    size = np.maximum(np.abs(curvature), 1e-8 * top[:, None])
    along = np.einsum("gij,gi->gj", axes, slopes / scale)
    moves = np.einsum("gij,gj->gi", axes, along / size) / scale
    decrements = np.sum(along**2 / size, axis=1)
    least, flat = curvature[:, 0] / top, np.argmax(np.abs(axes[:, :, 0]), axis=1)
    columns = zip(moves, decrements.tolist(), least.tolist(), flat.tolist(), strict=True)
    return [Direction(*each) for each in columns]


def starting_points(surface: Surface, seed: int) -> np.ndarray:
    """The origin of the free numbers, and points around it: ``[8, n]``."""
    noise = np.random.default_rng([seed, surface.dim]).uniform(-2, 2, (PIECE - 1, surface.dim))
    return np.concatenate([np.zeros((1, surface.dim)), noise])


def find_modes(surface: Surface, starts: np.ndarray, stretch: float = 1.0) -> Search:
    """Climb from all starts at once, and tell the modes apart.

    Raises:
        ValueError: if the log density is finite at no start, or its slope is not.
    """
    climbers = _Climbers(surface, starts, stretch)
    _require_some(climbers)
    origin = climbers.points[int(np.argmax(climbers.alive))].copy()
    for _ in range(_STEPS):
        if not climbers.step():
            break
    return _conclude(climbers, origin)


class _Climbers:
    """Points ``[C, n]`` on their way up: what the density is there, and who has arrived."""

    def __init__(self, surface: Surface, starts: np.ndarray, stretch: float) -> None:
        self.surface, self.stretch = surface, stretch
        self.starts, self.points = starts, np.array(starts, float)
        found = surface.expand(self.points, stretch)
        self.values, self.slopes, self.bends = (np.array(leaf) for leaf in found)
        self.finite = np.isfinite(self.values)
        self.alive = self.finite & _smooth(self.slopes, self.bends)
        self.ends: dict[int, Direction] = {}
        self.stuck: set[int] = set()
        self.shares = np.ones(len(self.points))

    def step(self) -> bool:
        """One step of each that has not arrived; whether there is any."""
        ways = self._ways()
        if not ways:
            return False
        trials = self.points.copy()
        for i, way in ways.items():
            trials[i] += self.shares[i] * way.move
        values, slopes, bends = self.surface.expand(trials, self.stretch)
        good = _smooth(slopes, bends)
        for i, way in ways.items():
            enough = 1e-4 * self.shares[i] * way.decrement - 1e-12 * (1 + abs(self.values[i]))
            if good[i] and values[i] - self.values[i] > enough:
                self.points[i], self.values[i] = trials[i], values[i]
                self.slopes[i], self.bends[i] = slopes[i], bends[i]
                self.shares[i] = min(1.0, 4 * self.shares[i])
            else:
                self.shares[i] *= 0.25
        return True

    def _ways(self) -> dict[int, Direction]:
        """Where those still go that have not arrived, and are not stuck."""
        ways = {}
        there = [int(i) for i in np.flatnonzero(self.alive)]
        there = [i for i in there if i not in self.ends and i not in self.stuck]
        for i, way in zip(there, all_uphill(self.slopes[there], self.bends[there]), strict=True):
            rounding = 20 * np.finfo(float).eps * (1 + abs(self.values[i]))
            if way.decrement < 1e-12 + rounding and way.least > -1e-8:
                self.ends[i] = way
            elif self.shares[i] < 1e-8:
                self.stuck.add(i)
            else:
                ways[i] = way
        return ways


def _smooth(slopes: np.ndarray, bends: np.ndarray) -> Any:
    """Which points have a slope and a curvature."""
    return np.isfinite(slopes).all(axis=1) & np.isfinite(bends).all(axis=(1, 2))


def _conclude(climbers: _Climbers, origin: np.ndarray) -> Search:
    modes: list[Mode] = []
    names, ends = climbers.surface.names, climbers.ends
    for i in (i for i, way in ends.items() if way.least >= _FLAT):
        mode = _mode(climbers.points[i], climbers.values[i], climbers.bends[i])
        if all(_distance(mode, other) > _SAME for other in modes):
            modes.append(mode)
    modes.sort(key=lambda mode: -mode.log_mass)
    if modes and abs(modes[0].value) * _EPS > _ROUNDED:
        raise ValueError(
            f"The log density of the model should be a number whose changes of a nat can be told, "
            f"but is {modes[0].value:.3g} at its highest: bring data and latent variables to a "
            "scale near one."
        )
    ridges = {i: way for i, way in ends.items() if way.least < _FLAT}
    flat = [names[way.flat] for i, way in ridges.items() if _stays(climbers, i)]
    if modes and (name := _never_falls(climbers, modes[0])):
        flat, modes = [*flat, name], []
    trouble = ""
    if flat and not modes:
        trouble = f"the posterior looks improper, since its density does not change along {flat[0]}"
    elif ridges and not modes:
        way = next(iter(ridges.values()))
        trouble = (
            f"the density is as high along a whole curve, which starts along {names[way.flat]}"
        )
    elif not modes:
        trouble = _still_rising(climbers)
    reached = len(ends) - len(ridges)
    return Search(modes, reached, len(climbers.points), origin, trouble, bool(flat) and not modes)


def _stays(climbers: _Climbers, place: int) -> bool:
    """Whether a density that is flat in some direction at an end stays so far from it."""
    bend = -climbers.bends[place]
    scale = np.sqrt(np.abs(np.diagonal(bend)))
    scale = np.where(scale > 0, scale, 1.0)
    along = np.linalg.eigh(bend / np.outer(scale, scale))[1][:, 0] / scale
    return _stays_high(climbers, climbers.points[place], climbers.values[place], along)


def _never_falls(climbers: _Climbers, mode: Mode) -> str:
    """The name of a free number along which a mode is none, since the density stays as high."""
    scale = np.sqrt(np.diagonal(mode.covariance))
    spread, axes = np.linalg.eigh(mode.covariance / np.outer(scale, scale))
    along = axes[:, -1] * np.sqrt(spread[-1]) * scale
    stays = _stays_high(climbers, mode.point, mode.value, along)
    return climbers.surface.names[int(np.argmax(np.abs(along / scale)))] if stays else ""


def _stays_high(climbers: _Climbers, point: np.ndarray, value: float, along: np.ndarray) -> bool:
    far = np.concatenate([point + _FAR[:, None] * along, point - _FAR[:, None] * along])
    values = climbers.surface.expand(far, climbers.stretch).values
    high = np.nan_to_num(values, nan=-np.inf) > value - 1.0
    return bool(high.reshape(2, -1).all(axis=1).any())


def _still_rising(climbers: _Climbers) -> str:
    best = int(np.argmax(np.where(climbers.alive, climbers.values, -np.inf)))
    point = climbers.points[best]
    place = int(np.argmax(np.abs(point - climbers.starts[best])))
    return (
        f"the density has no highest point that Newton's method reaches in {_STEPS} steps: it "
        f"still rises along {climbers.surface.names[place]} (unconstrained value "
        f"{point[place]:.3g}), so that the posterior may be improper"
    )


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


def _require_some(climbers: _Climbers) -> None:
    """Raise ``ValueError`` if there is no start with a finite density and slope."""
    surface = climbers.surface
    if (climbers.values == np.inf).any():
        at = int(np.argmax(climbers.values == np.inf))
        raise ValueError(
            f"The log density of the model should be finite or minus infinity, but "
            f"{surface.blame(climbers.points[at])}: guard divisions and logarithms."
        )
    if not climbers.finite.any():
        raise ValueError(
            f"The log density of the model should be finite somewhere near the start, but at all "
            f"{len(climbers.points)} starts {surface.blame(climbers.points[0])}: check the data "
            "and the supports, or guard logarithms and divisions."
        )
    if not climbers.alive.any():
        at = int(np.argmax(climbers.finite))
        bad = np.flatnonzero(~np.isfinite(climbers.slopes[at]))
        name = surface.names[int(bad[0])] if len(bad) else "some latent variable"
        raise ValueError(
            f"The log density of the model should have a finite slope and curvature, but they are "
            f"not along {name}, where the density is {climbers.values[at]:.4g}"
            f"{surface.blame_slope(climbers.points[at])}: replace square "
            "roots, absolute values and branches that have no derivative there."
        )
