"""Names, quantiles and variances of weighted draws."""

from typing import Any

import numpy as np


def entry_names(draws: Any) -> tuple[str, ...]:
    """A name for each entry of z, of which there are draws with a leading axis."""
    if not isinstance(draws, dict):
        return _entries("z", np.shape(draws)[1:])
    return sum((_entries(n, np.shape(v)[1:]) for n, v in draws.items()), ())


def flat_draws(draws: Any) -> np.ndarray:
    """Draws ``[S, P]`` of all entries of z."""
    leaves = draws.values() if isinstance(draws, dict) else [draws]
    return np.concatenate([np.reshape(v, (len(v), -1)) for v in leaves], axis=1)


def _entries(name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    if shape == ():
        return (name,)
    return tuple(f"{name}[{', '.join(map(str, place))}]" for place in np.ndindex(*shape))


def variance(weights: Any, values: np.ndarray) -> np.ndarray:
    """The weighted variance of values ``[S, ...]``."""
    gap = values - np.tensordot(weights, values, axes=1)
    return np.tensordot(weights, gap**2, axes=1)


def quantiles(weights: Any, values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Weighted quantiles ``[Q, ...]`` of values ``[S, ...]``."""
    flat = np.reshape(values, (len(values), -1))
    out = np.empty((len(shares), flat.shape[1]))
    for column in range(flat.shape[1]):
        order = np.argsort(flat[:, column])
        # Half of a draw's own weight lies below it.
        mass = np.cumsum(np.asarray(weights)[order]) - 0.5 * np.asarray(weights)[order]
        out[:, column] = np.interp(shares, mass, flat[order, column])
    return out.reshape(len(shares), *np.shape(values)[1:])
