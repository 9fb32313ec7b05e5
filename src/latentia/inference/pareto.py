"""Pareto-smoothed importance weights (Vehtari, Simpson, Gelman, Yao and Gabry 2024)."""

import numpy as np


def smooth(log_ratios: np.ndarray) -> tuple[np.ndarray, float]:
    """Log weights ``[S]`` whose largest follow a generalised Pareto tail, and its shape k-hat.

    k-hat is NaN if there are too few finite ratios to fit a tail, and minus infinity if the largest
    are all alike. The weights are as they were given then.
    """
    ratios = np.asarray(log_ratios, float)
    finite = np.isfinite(ratios)
    count = int(finite.sum())
    tail = int(min(0.2 * count, 3 * np.sqrt(count)))
    if tail < 5:
        return ratios, float("nan")
    order = np.argsort(np.where(finite, ratios, -np.inf), kind="stable")
    largest = order[-tail:]
    top, cut = ratios[order[-1]], ratios[order[-tail - 1]]
    excess = np.exp(ratios[largest] - top) - np.exp(cut - top)
    if excess[-1] <= 1e-14:
        return ratios, -float("inf")
    shape, scale = fit_tail(np.maximum(excess, 1e-300))
    chances = (np.arange(tail) + 0.5) / tail
    steps = -np.log1p(-chances)
    stretched = steps if abs(shape) < 1e-12 else np.expm1(shape * steps) / shape
    smoothed = np.log(scale * stretched + np.exp(cut - top))
    out = ratios.copy()
    out[largest] = np.minimum(smoothed, 0.0) + top
    return out, shape


def fit_tail(excess: np.ndarray) -> tuple[float, float]:
    """Shape k and scale of a generalised Pareto distribution, from values ``[M]`` in order.

    The estimate of Zhang and Stephens (2009), an average over a profile likelihood; k is drawn to
    0.5 as if by ten more values, as Vehtari et al. do.
    """
    count = len(excess)
    grid = 30 + int(np.sqrt(count))
    quartile = excess[int(count / 4 + 0.5) - 1]
    places = 1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))
    rates = places / (3 * quartile) + 1 / excess[-1]
    shapes = np.mean(np.log1p(-rates[:, None] * excess), axis=1)
    profile = count * (np.log(-rates / shapes) - shapes - 1)
    weights = np.exp(profile - profile.max())
    rate = float(np.sum(rates * weights) / weights.sum())
    shape = float(np.mean(np.log1p(-rate * excess)))
    scale = -shape / rate
    return (count * shape + 5) / (count + 10), scale
