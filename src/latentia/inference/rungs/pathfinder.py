"""Pathfinder: the best of the Gaussians that a quasi-Newton path to the mode passes by.

Zhang, Carpenter, Gelman and Vehtari 2022. Each point of the path comes with an estimate of the
inverse curvature, so with a Gaussian; that of highest evidence lower bound is kept. Paths from
several starts make a mixture, which importance sampling corrects.
"""

from collections import deque
from typing import NamedTuple

import equinox as eqx
import numpy as np
from scipy.special import softmax

from latentia.inference.factored import Factor, FactoredProposal
from latentia.inference.modes import starting_points
from latentia.inference.quasi_newton import Path, ascend
from latentia.inference.target import Surface
from latentia.numerics import LOG_2PI

from .interface import AbstractRung, Attempt, Climb, nowhere_finite

_STEPS, _MEMORY = 200, 6
# Draws for each bound, in opposite pairs.
_DRAWS = 16
# A path whose bound is so many nats below the best has no part in the mixture; others have at
# least this share of the draws.
_WORSE, _LEAST = 9.0, 0.02


class Pathfinder(AbstractRung):
    """The Gaussians of highest bound along paths to the modes (Zhang et al. 2022), as a mixture.

    It needs slopes and no curvatures, and works in thousands of dimensions.

    Args:
        paths: from so many starts, 1 to 8.
    """

    paths: int = eqx.field(static=True, default=8)

    def __check_init__(self) -> None:
        if not 1 <= self.paths <= 8:
            raise ValueError(f"paths should be a whole number from 1 to 8, but is {self.paths!r}.")

    @property
    def name(self) -> str:
        return "Pathfinder"

    def attempt(self, climb: Climb) -> Attempt:
        if failed := climb.improper(self.name):
            return failed
        found = find_gaussians(climb.surface, climb.seed, self.paths)
        if not found:
            return Attempt(self.name, nowhere_finite(climb))
        bounds = np.array([each.bound for each in found])
        kept = [each for each in found if each.bound > bounds.max() - _WORSE]
        shares = np.maximum(softmax([each.bound for each in kept]), _LEAST)
        proposal = FactoredProposal(
            shares / shares.sum(),
            np.stack([each.mean for each in kept]),
            tuple(each.factor for each in kept),
        )
        return climb.corrected(self.name, proposal)


class Passed(NamedTuple):
    """A Gaussian on the way of a path: its ``mean [n]``, root and evidence lower bound."""

    mean: np.ndarray
    factor: Factor
    bound: float


def find_gaussians(surface: Surface, seed: int, paths: int) -> list[Passed]:
    """The best Gaussian of each path that has one."""

    def climbed(point: np.ndarray) -> tuple[float, np.ndarray]:
        values, slopes = surface.slope(point[None])
        return float(values[0]), slopes[0]

    best = []
    for start in starting_points(surface, seed)[:paths]:
        path = ascend(climbed, start, _STEPS, _MEMORY)
        passed = _judged(surface, list(gaussians(path)), seed)
        if passed:
            best.append(max(passed, key=lambda each: each.bound))
    return best


def gaussians(path: Path) -> list[tuple[np.ndarray, Factor]]:
    """Mean and root of the Gaussian at each point of a path after the first."""
    scales, pairs, found = np.ones(path.points.shape[1]), deque(maxlen=_MEMORY), []
    for i in range(1, len(path.points)):
        step = path.points[i] - path.points[i - 1]
        change = path.slopes[i - 1] - path.slopes[i]
        if step @ change > 1e-12 * (change @ change):
            scales = _scales(scales, step, change)
            pairs.append((step, change))
        if not pairs:
            continue
        try:
            factor = inverse_curvature(scales, pairs)
        except np.linalg.LinAlgError:
            continue
        # One step of Newton's from the point, in the estimated curvature.
        slope = path.slopes[i][None]
        mean = path.points[i] + factor.apply(factor.apply_transposed(slope))[0]
        found.append((mean, factor))
    return found


def _scales(scales: np.ndarray, step: np.ndarray, change: np.ndarray) -> np.ndarray:
    """The diagonal of the inverse curvature after one more step (Gilbert and Lemaréchal 1989)."""
    along, both = change @ (scales * change), change @ step
    back = step @ (step / scales)
    return 1 / (along / (both * scales) + change**2 / both
                - along * step**2 / (both * back * scales**2))  # fmt: skip


def inverse_curvature(scales: np.ndarray, pairs: deque) -> Factor:
    """The root of the inverse curvature that steps and changes of slope tell, from a diagonal.

    The compact form of Byrd, Nocedal and Schnabel (1994), as in algorithm 4 of Zhang et al.
    """
    steps, changes = (np.stack(each, axis=1) for each in zip(*pairs, strict=True))
    upper = np.triu(steps.T @ changes)
    solved = np.linalg.inv(upper)
    inner = np.diag(np.diagonal(upper)) + changes.T @ (scales[:, None] * changes)
    zero = np.zeros_like(upper)
    middle = np.block([[zero, -solved], [-solved.T, solved.T @ inner @ solved]])
    root = np.sqrt(scales)
    axes, along = np.linalg.qr(np.concatenate([root[:, None] * changes, steps / root[:, None]], 1))
    core = np.eye(len(along)) + along @ middle @ along.T
    return Factor(root, axes, np.linalg.cholesky((core + core.T) / 2))


def _judged(surface: Surface, found: list[tuple[np.ndarray, Factor]], seed: int) -> list[Passed]:
    """Those with a finite bound, estimated from the same noise for all."""
    if not found:
        return []
    half = np.random.default_rng([seed, 11]).normal(size=(_DRAWS // 2, surface.dim))
    noise = np.concatenate([half, -half])
    points = np.concatenate([mean + factor.apply(noise) for mean, factor in found])
    values = surface.slope(points)[0].reshape(len(found), _DRAWS)
    normal = -0.5 * np.sum(noise**2, axis=1) - 0.5 * surface.dim * LOG_2PI
    bounds = [
        float(np.mean(value - normal) + factor.log_volume)
        for value, (_, factor) in zip(values, found, strict=True)
    ]
    return [Passed(*each, bound) for each, bound in zip(found, bounds, strict=True)
            if np.isfinite(bound)]  # fmt: skip
