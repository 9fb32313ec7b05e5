"""Full-rank variational inference: the best Gaussian with any covariance, by natural gradients.

At the optimum the mean slope is zero and the precision is minus the mean curvature (Opper and
Archambeau 2009), both under the Gaussian itself; steps towards that are natural gradients of the
bound (Khan and Nielsen 2018). The draws are fixed, and their noise has covariance I exactly.
"""

import numpy as np

from latentia.inference.proposals import Proposal, whitened_normals
from latentia.inference.target import MOST_AVERAGED, Surface
from latentia.verdict import Verdict

from .interface import AbstractRung, Attempt, Climb, too_many

_STEPS = 40
_CONVERGED = 1e-5
# Below this share of the largest curvature, in scaled units, directions count as nearly flat.
_LEAST = 1e-4


class FullRank(AbstractRung):
    """The Gaussian of highest evidence lower bound, as a proposal."""

    @property
    def name(self) -> str:
        return "full-rank variational inference"

    def attempt(self, climb: Climb) -> Attempt:
        surface, begin = climb.surface, climb.so_far()
        if surface.dim > MOST_AVERAGED:
            return Attempt(self.name, too_many(surface, MOST_AVERAGED))
        found = climb_bound(surface, *begin, climb.seed)
        if found is None:
            reason = f"the bound found no maximum in {_STEPS} natural-gradient steps"
            return Attempt(self.name, Verdict("fail", reason))
        return climb.corrected(self.name, found)


def climb_bound(
    surface: Surface, mean: np.ndarray, covariance: np.ndarray, seed: int
) -> Proposal | None:
    """The optimum as a proposal, or None if the steps do not settle."""
    noise = whitened_normals(surface.dim, surface.rows, seed)
    precision, step, gain = np.linalg.inv(covariance), 1.0, np.inf
    for _ in range(_STEPS):
        root = np.linalg.cholesky(covariance)
        found = surface.expand(mean + noise @ root.T)
        if not all(np.isfinite(leaf).all() for leaf in found):
            # Too wide for the region of finite density, or too far off.
            covariance, step = covariance / 4, step / 2
            precision = np.linalg.inv(covariance)
            continue
        wanted = _positive(-found.bends.mean(axis=0))
        change = np.linalg.norm(root.T @ wanted @ root - np.eye(surface.dim))
        slope = found.slopes.mean(axis=0)
        move = np.linalg.solve(wanted, slope)
        gain = float(slope @ move)
        if gain < _CONVERGED and change < 100 * _CONVERGED:
            return Proposal.single(mean, covariance)
        # A far step would be taken on the word of a curvature that does not hold there.
        far = np.sqrt(gain / surface.dim)
        mean = mean + step * move / max(1.0, far)
        precision = (1 - step) * precision + step * wanted
        covariance = np.linalg.inv(precision)
        covariance = (covariance + covariance.T) / 2
        step = max(0.5 * step, 0.3) if change > surface.dim else min(1.0, 1.2 * step)
    # Nearly there is good enough for a proposal, which is judged anyway.
    return Proposal.single(mean, covariance) if gain < 0.01 * surface.dim else None


def _positive(curvature: np.ndarray) -> np.ndarray:
    """The nearest matrix with positive curvatures, in units that make its diagonal 1."""
    scale = np.sqrt(np.maximum(np.abs(np.diagonal(curvature)), 1e-300))
    values, axes = np.linalg.eigh(curvature / np.outer(scale, scale))
    kept = np.maximum(np.abs(values), _LEAST * np.abs(values).max())
    return (axes * kept) @ axes.T * np.outer(scale, scale)
