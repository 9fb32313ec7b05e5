"""Structural time series: a level, a trend and a season, each a state of a Gaussian chain.

Harvey (1989), "Forecasting, Structural Time Series Models and the Kalman Filter"; the start is
diffuse, as in Durbin and Koopman (2012).
"""

from typing import Any

import numpy as np
from scipy.linalg import block_diag

from latentia.data.sequences import read_sequences
from latentia.latents import GaussianChain
from latentia.learning import Fit, Gradient
from latentia.likelihoods import LinearGaussian, PerStep
from latentia.model import LatentVariableModel
from latentia.verbs import fit

# What a fit of a structural model leaves alone.
FIXED = ("likelihood.emission.loadings", "likelihood.emission.bias")


def structural(
    *,
    trend: bool = False,
    period: int | None = None,
    seasonal: str = "dummy",
    variances: Any = None,
    noise: float = 1.0,
    length: int = 100,
) -> LatentVariableModel:
    """A series as a level, perhaps a slope and a season, and noise.

    The level is a random walk; with ``trend`` it moves by a slope that is a random walk itself. A
    "dummy" season sums to noise over ``period`` steps; a "trigonometric" one is a sum of waves
    whose coefficients are random walks with one variance.

    Args:
        trend: whether there is a slope.
        period: how many steps a season has; None is no season.
        seasonal: "dummy" or "trigonometric".
        variances: of the noise of level, slope (if there is one) and season (likewise); ones by
            default.
        noise: the variance of the noise of the observations.
        length: how many steps ``sample`` draws.

    Returns:
        A model with a diffuse start, whose ``prior.variances`` and ``likelihood.emission.noise``
        ``fit_structural`` estimates.
    """
    if seasonal not in ("dummy", "trigonometric"):
        raise ValueError(f"seasonal should be 'dummy' or 'trigonometric', but is {seasonal!r}.")
    moves, rows, groups = [np.eye(1)], [np.ones(1)], [0]
    if trend:
        moves, rows, groups = [np.array([[1.0, 1.0], [0.0, 1.0]])], [np.array([1.0, 0.0])], [0, 1]
    if period is not None:
        if not isinstance(period, int | np.integer) or isinstance(period, bool) or period < 2:
            raise ValueError(f"period should be a whole number from 2 up, but is {period!r}.")
        move, row, noisy = (_dummy if seasonal == "dummy" else _waves)(int(period))
        moves.append(move)
        rows.append(row)
        groups += [max(groups) + 1 if own else -1 for own in noisy]
    count = max(groups) + 1
    variances = np.ones(count) if variances is None else np.asarray(variances, float)
    if variances.shape != (count,):
        raise ValueError(
            f"variances should hold {count} numbers, for the level, the slope and the season that "
            f"the model has, but has shape {variances.shape}."
        )
    chain = GaussianChain(
        transition=block_diag(*moves), variances=variances, groups=groups, diffuse=True,
        learned=("noise",), length=length,
    )  # fmt: skip
    loadings = np.concatenate(rows)[None]
    return LatentVariableModel(
        chain, PerStep(LinearGaussian(loadings, np.zeros(1), np.array([float(noise)])))
    )


def fit_structural(model: LatentVariableModel, x: Any, *, learner: Any = None) -> Fit:
    """Estimate the variances of a structural model by maximum likelihood.

    Args:
        model: from ``structural``. Its variances are where the search begins, as shares of the
            variance of the differences of the series.
        x: one series ``[T, 1]``, or a list of them; NaN is missing.
        learner: by default ``Gradient``; EM reaches the same maximum, in more steps.
    """
    read = read_sequences(x, argument="x")
    states, steps = model.prior.dim, int((~np.isnan(read.values)).all(axis=1).sum())  # pyright: ignore
    if steps <= states:
        raise ValueError(
            f"x should have more than {states} observed steps, one for each unknown of the start, "
            f"but has {steps}: leave out the season, or pass a longer series."
        )
    begun = _scaled(model, read.values)
    learner = Gradient(start="given", n_init=1) if learner is None else learner
    return fit(begun, read, fixed=FIXED, learner=learner)


def _scaled(model: Any, values: np.ndarray) -> LatentVariableModel:
    """The model with its variances in the units of the data."""
    changes = np.diff(values[~np.isnan(values)])
    scale = float(np.mean(changes**2)) or 1.0
    chain, emission = model.prior, model.likelihood.emission
    chain = GaussianChain(
        transition=chain.transition, variances=0.1 * scale * np.asarray(chain.variances),
        groups=chain.groups, diffuse=chain.diffuse, learned=chain.learned, length=chain.length,
    )  # fmt: skip
    noise = 0.3 * scale * np.asarray(emission.noise)
    return LatentVariableModel(
        chain, PerStep(LinearGaussian(emission.loadings, emission.bias, noise))
    )


def _dummy(period: int) -> tuple[np.ndarray, np.ndarray, list[bool]]:
    """The last ``period - 1`` effects; the next is minus their sum, and noise."""
    move = np.eye(period - 1, k=-1)
    move[0] = -1.0
    return move, np.eye(period - 1)[0], [True] + [False] * (period - 2)


def _waves(period: int) -> tuple[np.ndarray, np.ndarray, list[bool]]:
    """Sine and cosine of every harmonic; the last of an even period needs one only."""
    moves, rows = [], []
    for harmonic in range(1, period // 2 + 1):
        angle = 2 * np.pi * harmonic / period
        if 2 * harmonic == period:
            moves.append(np.array([[-1.0]]))
            rows.append(np.ones(1))
        else:
            c, s = np.cos(angle), np.sin(angle)
            moves.append(np.array([[c, s], [-s, c]]))
            rows.append(np.array([1.0, 0.0]))
    row = np.concatenate(rows)
    return np.asarray(block_diag(*moves)), row, [True] * len(row)
