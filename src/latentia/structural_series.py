"""Structural time series: a level, a trend and a season, each a state of a Gaussian chain.

Harvey (1989), "Forecasting, Structural Time Series Models and the Kalman Filter"; the start is
diffuse, as in Durbin and Koopman (2012).
"""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.linalg import block_diag

from latentia.data.covariates import series_and_inputs
from latentia.data.sequences import Sequences
from latentia.latents import GaussianChain
from latentia.learning import Fit, Gradient
from latentia.likelihoods import LinearGaussian, LinearGaussianRegression, PerStep
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
    regressors: int = 0,
    coefficients: Any = None,
    length: int = 100,
) -> LatentVariableModel:
    """A series as a level, perhaps a slope, a season and effects of covariates, and noise.

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
        regressors: P, how many covariates have an effect, which ``given=`` takes; an intervention
            is one that is 0 before and 1 from some step on.
        coefficients: ``[P]``, the effects, where they are known; a fit begins there.
        length: how many steps ``sample`` draws.

    Returns:
        A model with a diffuse start, whose ``prior.variances`` and ``likelihood.emission.noise``
        (and ``coefficients``) ``fit_structural`` estimates.
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
    effects = _effects(regressors, coefficients)
    return _model(chain, loadings, effects, np.zeros(1), np.array([float(noise)]))


def _effects(regressors: int, coefficients: Any) -> np.ndarray:
    """``[1, P]``."""
    if coefficients is not None:
        found = np.asarray(coefficients, float)
        if found.ndim != 1 or regressors not in (0, found.size):
            raise ValueError(
                f"coefficients should hold a number for each of the {regressors} regressors, but "
                f"has shape {found.shape}: give as many, or leave one of the two out."
            )
        return found[None]
    if not isinstance(regressors, int | np.integer) or isinstance(regressors, bool):
        raise ValueError(f"regressors should be a whole number from 0 up, but is {regressors!r}.")
    if regressors < 0:
        raise ValueError(f"regressors should be a whole number from 0 up, but is {regressors}.")
    return np.full((1, int(regressors)), np.nan)


def _model(
    chain: GaussianChain, loadings: Any, effects: Any, bias: Any, noise: Any
) -> LatentVariableModel:
    plain = LinearGaussian(loadings, bias, noise)
    driven = effects.shape[1] > 0
    emission = LinearGaussianRegression(loadings, effects, bias, noise) if driven else plain
    return LatentVariableModel(chain, PerStep(emission))


def fit_structural(
    model: LatentVariableModel, x: Any, *, given: Any = None, learner: Any = None
) -> Fit:
    """Estimate the variances of a structural model, and its effects, by maximum likelihood.

    Args:
        model: from ``structural``. Its variances are where the search begins, as shares of the
            variance of the differences of the series.
        x: one series ``[T, 1]``, or a list of them; NaN is missing.
        given: covariates, ``[T, P]`` or a list of them, for a model with ``regressors``.
        learner: by default ``Gradient``; EM reaches the same maximum, in more steps.
    """
    count = model.likelihood.dim - 1  # pyright: ignore
    plain, inputs = series_and_inputs(
        x,
        given,
        1,
        count,
        (
            "a series is one column, so fit one after another, or see dynamic_factors",
            "write structural(regressors=P)",
        ),
    )
    inputs = np.empty((len(plain.values), 0)) if inputs is None else inputs
    read = plain._replace(values=np.column_stack([plain.values, inputs]))
    _need_steps(model, read)
    # In units of their own, as the series is: the gradient treats all numbers alike.
    scale = np.nanstd(read.values[:, 1:], axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    inputs = inputs / scale
    begun = _scaled(model, read._replace(values=read.values / np.append(1.0, scale)), scale)
    learner = Gradient(start="given", n_init=1) if learner is None else learner
    found = fit(begun, plain, given=inputs if count else None, fixed=FIXED, learner=learner)
    # Of the loadings nothing is free: the variances of the parts, that of the noise, the effects.
    chain: Any = begun.prior
    found = replace(found, degrees_of_freedom=len(chain.variances) + 1 + count)
    if not count:
        return found
    part: Any = found.model.likelihood.emission  # pyright: ignore
    chain = found.model.prior
    effects = part.coefficients / scale
    return replace(found, model=_model(chain, part.loadings, effects, part.bias, part.noise))


def _need_steps(model: Any, read: Sequences) -> None:
    """Raise a ValueError if there is too little to tell the unknowns of the model apart."""
    values = read.values
    states, seen = model.prior.dim, ~np.isnan(values[:, 0])
    count = values.shape[1] - 1
    if seen.sum() <= states + count:
        raise ValueError(
            f"x should have more than {states + count} observed steps, one for each unknown of the "
            f"start and each regressor, but has {seen.sum()}: leave out the season or regressors, "
            "or pass a longer series."
        )
    if count == 0:
        return
    # What the start does to every step: a regressor that is a sum of these has no effect to find.
    row, starts = model.likelihood.emission.loadings[0], []
    for _ in range(int(read.lengths.max())):
        starts.append(np.asarray(row))
        row = row @ model.prior.transition
    blocks = [np.stack(starts[:length]) for length in read.lengths]
    design: Any = np.column_stack([np.asarray(block_diag(*blocks)), values[:, 1:]])[seen]
    size = np.linalg.norm(design, axis=0)
    design = design / np.where(size > 0, size, 1.0)
    if np.linalg.matrix_rank(design) < np.linalg.matrix_rank(design[:, :-count]) + count:
        raise ValueError(
            "given should hold covariates that differ from each other and from the level, slope "
            "and season that the model has, but one is a combination of these (a constant, say): "
            "leave it out."
        )


def _scaled(model: Any, read: Sequences, scale: np.ndarray) -> LatentVariableModel:
    """The model with its variances in the units of the data."""
    values = read.values[~np.isnan(read.values[:, 0])]
    changes = np.diff(values, axis=0)
    chain, emission = model.prior, model.likelihood.emission
    effects = np.zeros((1, len(scale)))
    if len(scale):
        effects = np.array(emission.coefficients) * scale
        # Differences have no level, which would pass for an effect.
        best = np.linalg.lstsq(changes[:, 1:], changes[:, 0])[0]
        effects = np.where(np.isnan(effects), best, effects)
    unit = float(np.mean((changes[:, :1] - changes[:, 1:] @ effects.T) ** 2)) or 1.0
    chain = GaussianChain(
        transition=chain.transition, variances=0.1 * unit * np.asarray(chain.variances),
        groups=chain.groups, diffuse=chain.diffuse, learned=chain.learned, length=chain.length,
    )  # fmt: skip
    noise = 0.3 * unit * np.asarray(emission.noise)
    return _model(chain, emission.loadings, effects, emission.bias, noise)


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
