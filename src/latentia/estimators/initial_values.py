"""Initial values from the caller, checked; what is not given is NaN, for the starts to fill."""

from typing import Any

import numpy as np

from .covariance_kinds import KINDS


def read_weights_init(weights: Any, states: int) -> np.ndarray:
    """Probabilities ``[K]``."""
    if weights is None:
        return np.full(states, np.nan)
    values = read_array(weights, (states,), "weights_init")
    if (values < 0).any() or not np.isclose(values.sum(), 1, atol=1e-6):
        raise ValueError(
            f"weights_init should be probabilities that sum to 1, but is {values}: divide them by "
            "their sum."
        )
    return values


def read_means(means: Any, states: int, dim: int) -> np.ndarray:
    """Means ``[K, D]``."""
    if means is None:
        return np.full((states, dim), np.nan)
    return read_array(means, (states, dim), "means_init")


def read_precisions(precisions: Any, kind: str, states: int, dim: int) -> np.ndarray:
    """Covariances from precisions, in scikit-learn's shape for the kind."""
    shape = KINDS[kind].shape(states, dim)
    if precisions is None:
        return np.full(shape, np.nan)
    values = read_array(precisions, shape, "precisions_init")
    matrices = KINDS[kind].expand(values, states, dim)
    symmetric = np.allclose(matrices, np.swapaxes(matrices, -1, -2))
    if not symmetric or (np.linalg.eigvalsh(matrices) <= 0).any():
        raise ValueError(
            f"precisions_init should be symmetric and positive definite for {kind!r} covariances, "
            "but is not: pass the inverses of covariances."
        )
    return KINDS[kind].invert(values)


def read_array(value: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Finite numbers of a shape."""
    try:
        values = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        values = None
    if values is None or values.shape != shape or not np.isfinite(values).all():
        found = "no array of numbers" if values is None else f"of shape {values.shape}"
        raise ValueError(f"{name} should be finite numbers of shape {shape}, but is {found}.")
    return values
