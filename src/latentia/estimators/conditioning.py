"""Marginals, conditionals and missing entries of Gaussian mixtures, in closed form."""

from typing import NamedTuple

import numpy as np

from latentia.numerics import LOG_2PI


class Components(NamedTuple):
    """A mixture of Gaussians: ``weights [K]``, ``means [K, D]``, ``covariances [K, D, D]``."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


class Regression(NamedTuple):
    """The absent columns of each component, given its present ones.

    Their mean is ``absent + slope @ (present columns - present)``, their covariance ``spread``.
    """

    absent: np.ndarray
    present: np.ndarray
    slope: np.ndarray
    spread: np.ndarray


def marginal(mixture: Components, places: list[int]) -> Components:
    """The distribution of some columns."""
    return Components(
        mixture.weights,
        mixture.means[:, places],
        mixture.covariances[:, places][:, :, places],
    )


def conditional(mixture: Components, places: list[int], values: np.ndarray) -> Components:
    """The distribution of the other columns, once those in ``places`` have ``values``."""
    present = np.zeros(mixture.means.shape[1], bool)
    present[places] = True
    ordered = values[np.argsort(places)]
    there = regress(mixture, present)
    gap = ordered - there.present
    weights = _reweighted(mixture, present, gap)
    means = there.absent + np.einsum("kao,ko->ka", there.slope, gap)
    return Components(weights, means, there.spread)


def regress(mixture: Components, present: np.ndarray) -> Regression:
    """What the columns where ``present [D]`` say about the others."""
    # Correlations, so that the units of the columns do not matter.
    scale = np.sqrt(np.diagonal(mixture.covariances, axis1=1, axis2=2))
    correlations = mixture.covariances / scale[:, :, None] / scale[:, None, :]
    absent = ~present
    across = correlations[:, present][:, :, absent]
    slope = np.swapaxes(np.linalg.solve(correlations[:, present][:, :, present], across), 1, 2)
    spread = correlations[:, absent][:, :, absent] - slope @ across
    outer = scale[:, absent, None] * scale[:, None, absent]
    return Regression(
        mixture.means[:, absent],
        mixture.means[:, present],
        slope * scale[:, absent, None] / scale[:, None, present],
        spread * outer,
    )


def impute_means(mixture: Components, values: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Rows with each missing entry at its mean given the row's observed ones."""
    filled = values.copy()
    for present, rows in patterns(values):
        there = regress(mixture, present)
        gap = values[rows][:, present] - there.present[:, None]
        means = there.absent[:, None] + gap @ np.swapaxes(there.slope, 1, 2)
        mean = np.einsum("nk,kna->na", probabilities[rows], means)
        filled[np.ix_(rows, ~present)] = mean
    return filled


def impute_draws(
    mixture: Components, values: np.ndarray, states: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Rows with each missing entry drawn given the observed ones and the row's component."""
    filled = values.copy()
    for present, rows in patterns(values):
        there = regress(mixture, present)
        chosen = states[rows]
        gap = values[rows][:, present] - there.present[chosen]
        mean = there.absent[chosen] + np.einsum("nao,no->na", there.slope[chosen], gap)
        spectrum, axes = np.linalg.eigh(there.spread)
        roots = axes * np.sqrt(np.maximum(spectrum, 0.0))[:, None]
        noise = rng.standard_normal(mean.shape)
        filled[np.ix_(rows, ~present)] = mean + np.einsum("nab,nb->na", roots[chosen], noise)
    return filled


def patterns(values: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Which columns are present, ``[D]``, and in which rows, for every pattern that lacks any."""
    present = ~np.isnan(values)
    kinds, which = np.unique(present, axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(which.ravel()))[:-1])
    return [(kind, rows) for kind, rows in zip(kinds, groups, strict=True) if not kind.all()]


def draw_states(probabilities: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A component for each row, by its probabilities ``[N, K]``."""
    cumulative = np.cumsum(probabilities, axis=1)
    at = rng.random((len(probabilities), 1)) * cumulative[:, -1:]
    return np.minimum((cumulative <= at).sum(axis=1), probabilities.shape[1] - 1)


def _reweighted(mixture: Components, present: np.ndarray, gap: np.ndarray) -> np.ndarray:
    covariances = mixture.covariances[:, present][:, :, present]
    scale = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    lower = np.linalg.cholesky(covariances / scale[:, :, None] / scale[:, None, :])
    whitened = np.linalg.solve(lower, (gap / scale)[:, :, None])[:, :, 0]
    log_det = np.log(scale).sum(axis=1) + np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
    logs = -0.5 * (whitened**2).sum(axis=1) - log_det - 0.5 * gap.shape[1] * LOG_2PI
    with np.errstate(divide="ignore"):
        logs = logs + np.log(mixture.weights)
    shares = np.exp(logs - logs.max())
    return shares / shares.sum()
