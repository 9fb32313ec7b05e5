"""Whether Markov chains have mixed: rank-normalised split R-hat and effective sample sizes.

Vehtari, Gelman, Simpson, Carpenter and Bürkner 2021.
"""

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata


def split(chains: np.ndarray) -> np.ndarray:
    """Chains ``[C, S, n]`` as twice as many of half the length."""
    half = chains.shape[1] // 2
    return np.concatenate([chains[:, :half], chains[:, -half:]])


def rank_normalised(chains: np.ndarray) -> np.ndarray:
    """Normal scores of the ranks that the draws ``[C, S, n]`` have among all chains."""
    count = chains.shape[0] * chains.shape[1]
    ranks = rankdata(chains.reshape(count, -1), axis=0)
    return ndtri((ranks - 0.375) / (count + 0.25)).reshape(chains.shape)


def r_hat(chains: np.ndarray) -> np.ndarray:
    """R-hat ``[n]``, the larger of that of location and that of spread."""
    parts = split(chains)
    folded = np.abs(parts - np.median(parts, axis=(0, 1)))
    return np.maximum(_ratio(rank_normalised(parts)), _ratio(rank_normalised(folded)))


def effective_sizes(chains: np.ndarray) -> np.ndarray:
    """Effective sample size ``[n]`` of the means of rank-normalised draws."""
    parts = rank_normalised(split(chains))
    count, length, _ = parts.shape
    gap = parts - parts.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(gap, n=2 * length, axis=1)) ** 2
    lagged = np.fft.irfft(power, axis=1)[:, :length] / length
    within = lagged[:, 0].mean(axis=0) * length / (length - 1)
    total = within * (length - 1) / length + parts.mean(axis=1).var(axis=0, ddof=1)
    correlation = 1 - (within - lagged.mean(axis=0) * length / (length - 1)) / total
    # Geyer 1992: sums of pairs are positive and fall, for a chain that is reversible.
    pairs = correlation[: 2 * (length // 2)].reshape(length // 2, 2, -1).sum(axis=1)
    kept = np.cumprod(pairs > 0, axis=0).astype(bool)
    pairs = np.minimum.accumulate(np.where(kept, pairs, 0.0), axis=0)
    time = np.maximum(2 * pairs.sum(axis=0) - 1, 1 / np.log10(count * length))
    return count * length / time


def _ratio(parts: np.ndarray) -> np.ndarray:
    length = parts.shape[1]
    within = parts.var(axis=1, ddof=1).mean(axis=0)
    between = parts.mean(axis=1).var(axis=0, ddof=1)
    return np.sqrt((length - 1) / length + between / np.maximum(within, 1e-300))
