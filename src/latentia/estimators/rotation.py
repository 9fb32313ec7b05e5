"""Orthogonal rotations of factors to a simple structure.

The orthomax criterion is the sum over factors of sum(l⁴) - c / D (sum l²)², with c = 1 for varimax
(Kaiser 1958) and c = 0 for quartimax. Each step replaces the rotation by the orthogonal matrix
closest to the gradient, which cannot lower the criterion, since that is convex along the way.
"""

from typing import Final

import numpy as np

_SHARE: Final = {"varimax": 1.0, "quartimax": 0.0}
ROTATIONS: Final = tuple(_SHARE)


def rotate(loadings: np.ndarray, method: str) -> np.ndarray:
    """Rotated loadings ``[D, L]``, the largest factor first, its largest loading positive."""
    rotated = loadings @ _rotation(loadings, _SHARE[method])
    order = np.argsort(-(rotated**2).sum(axis=0), kind="stable")
    rotated = rotated[:, order]
    largest = np.take_along_axis(rotated, np.argmax(abs(rotated), axis=0)[None], axis=0)
    return rotated * np.where(largest < 0, -1.0, 1.0)


def criterion(loadings: np.ndarray, method: str) -> float:
    """What the rotation maximises."""
    squares = loadings**2
    spread = squares.sum(axis=0) ** 2 / len(loadings)
    return float((squares**2).sum() - _SHARE[method] * spread.sum())


def _rotation(loadings: np.ndarray, share: float, steps: int = 1000) -> np.ndarray:
    rotation = np.eye(loadings.shape[1])
    scale = np.sqrt((loadings**2).max(initial=0.0)) or 1.0
    loadings = loadings / scale
    best = -np.inf
    for _ in range(steps):
        rotated = loadings @ rotation
        pull = share * (rotated**2).mean(axis=0)
        left, values, right = np.linalg.svd(loadings.T @ (rotated**3 - rotated * pull))
        if values.sum() <= best * (1 + 1e-12):
            break
        rotation, best = left @ right, values.sum()
    return rotation
