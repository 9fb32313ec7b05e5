"""Dynamic factor models: many series that a few factors move, which have dynamics of their own.

Geweke 1977; by EM with Kalman's smoother, Watson and Engle 1983. Here the factors are a vector
autoregression, the noise of the series is independent, and both are Gaussian.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from latentia.data.covariates import series_and_inputs
from latentia.data.sequences import Sequences
from latentia.latents import GaussianChain
from latentia.learning import EM, Fit
from latentia.likelihoods import LinearGaussian, LinearGaussianRegression, PerStep
from latentia.model import LatentVariableModel
from latentia.verbs import fit

_LOADINGS = "likelihood.emission.loadings"


def dynamic_factors(
    series: int, factors: int, *, lags: int = 1, regressors: int = 0, length: int = 100
) -> LatentVariableModel:
    """D series x that L factors f move, with noise of a variance for each series:

        x_t = loadings f_t + bias + noise,   f_t = A_1 f_{t-1} + ... + A_p f_{t-p} + e_t,

    with e_t standard normal, which is no restriction, and so is the start. z_t is
    (f_t, ..., f_{t-p+1}), and ``prior.transition`` the companion matrix, whose first L rows are
    A_1, ..., A_p. ``fit_dynamic_factors`` finds all that is not said here.

    Args:
        series: D.
        factors: L.
        lags: p.
        regressors: P, how many covariates have an effect on the series (``given=``).
        length: how many steps ``sample`` draws.
    """
    for name, value, least in (
        ("series", series, 1), ("factors", factors, 1), ("lags", lags, 1),
        ("regressors", regressors, 0),
    ):  # fmt: skip
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} should be a whole number from {least} up, but is {value!r}.")
    if factors > series:
        raise ValueError(
            f"factors should be no more than the {series} series, but is {factors}: choose fewer."
        )
    size = factors * lags
    transition = np.eye(size, k=-factors)
    transition[:factors] = np.nan
    loadings = np.full((series, size), np.nan)
    loadings[:, factors:] = 0.0
    chain = GaussianChain(
        transition=transition, variances=np.ones(1), groups=[0] * factors + [-1] * (size - factors),
        learned=("transition",), length=length,
    )  # fmt: skip
    emission = LinearGaussian(loadings)
    if regressors:
        emission = LinearGaussianRegression(loadings, covariates=int(regressors))
    return LatentVariableModel(chain, PerStep(emission))


def fit_dynamic_factors(
    model: LatentVariableModel, x: Any, *, given: Any = None, learner: Any = None, key: int = 0
) -> Fit:
    """Maximum likelihood of a dynamic factor model; what its form says stays as it is.

    Args:
        model: from ``dynamic_factors``.
        x: one table ``[T, D]``, or a list of them; NaN is missing, so series may begin late, end
            early, or be seen every third step only.
        given: covariates, ``[T, P]`` or a list of them, for a model with ``regressors``.
        learner: by default ``EM`` from two starts; without lags ``Gradient`` will do, too.
        key: decides the starts.

    Returns:
        A fit whose factors are turned such that the loadings are orthogonal in units of the noise,
        the most telling first, each with its largest loading positive.
    """
    prior: Any = model.prior
    factors = _factors(prior)
    read = _read(model, x, given)
    known, lagged = np.zeros((prior.dim, prior.dim), bool), np.zeros(prior.dim, bool)
    known[factors:], lagged[factors:] = True, True
    fixed = {}
    if prior.dim > factors:
        columns = model.likelihood.emission.loadings.shape[0]  # pyright: ignore
        fixed = {"prior.transition": known, _LOADINGS: np.tile(lagged, (columns, 1))}
    learner = EM(n_init=2) if learner is None else learner
    if fixed and not isinstance(learner, EM):
        raise ValueError(
            "learner should be EM for a model with lags, whose older factors have no noise of "
            f"their own, but is {learner!r}."
        )
    table, inputs = read
    found = fit(model, table, given=inputs, fixed=fixed, learner=learner, key=key)
    turned = _turned(found.model, factors)
    return replace(found, model=turned, degrees_of_freedom=_free(turned, factors))


def _factors(prior: Any) -> int:
    groups = getattr(prior, "groups", None) or ()
    if not isinstance(prior, GaussianChain) or 0 not in groups:
        raise ValueError(
            f"model should be one of dynamic_factors, but its prior is {prior.describe()}: write "
            "dynamic_factors(series, factors), or use fit."
        )
    return sum(group >= 0 for group in groups)


def _read(model: Any, x: Any, given: Any) -> tuple[Sequences, np.ndarray | None]:
    """The series, and the covariates of all steps one after another."""
    columns = model.likelihood.emission.loadings.shape[0]
    read, inputs = series_and_inputs(
        x, given, columns, model.likelihood.dim - columns,
        ("make the model with series={}", "write dynamic_factors(series, factors, regressors=P)"),
    )  # fmt: skip
    steps, unknown = len(read.values) - len(read.lengths), model.prior.dim
    if steps <= unknown:
        raise ValueError(
            f"x should have more than {unknown} moves from one step to the next, one for each "
            f"factor and lag, but has {steps}: choose fewer factors or lags."
        )
    return read, inputs


def _turned(model: Any, factors: int) -> LatentVariableModel:
    """The same model with the rotation that its form leaves free decided upon."""
    chain, emission = model.prior, model.likelihood.emission
    loadings = np.array(emission.loadings)
    scaled = loadings[:, :factors] / np.sqrt(emission.noise)[:, None]
    turn = np.linalg.svd(scaled, full_matrices=False)[2].T
    own = loadings[:, :factors] @ turn
    largest = np.take_along_axis(own, np.abs(own).argmax(axis=0)[None], axis=0)[0]
    turn = turn * np.where(largest < 0, -1.0, 1.0)
    loadings[:, :factors] = loadings[:, :factors] @ turn
    # Each lag is turned alike, so that what is 0 or 1 below the first rows stays so.
    transition = np.array(chain.transition)
    lags = transition[:factors].reshape(factors, -1, factors)
    moved = np.einsum("ia,alb,bj->ilj", turn.T, lags, turn)
    transition[:factors] = moved.reshape(factors, -1)
    prior = GaussianChain(
        mean=chain.mean, covariance=chain.covariance, transition=transition, drift=chain.drift,
        variances=chain.variances, groups=chain.groups, learned=chain.learned, length=chain.length,
    )  # fmt: skip
    made: Any = LinearGaussian(loadings, emission.bias, emission.noise)
    if isinstance(emission, LinearGaussianRegression):
        made = LinearGaussianRegression(
            loadings, emission.coefficients, emission.bias, emission.noise
        )
    return LatentVariableModel(prior, PerStep(made))


def _free(model: Any, factors: int) -> int:
    """How many parameters are free: a rotation of the factors is none of them."""
    emission = model.likelihood.emission
    columns = emission.loadings.shape[0]
    each = factors + 2 + getattr(emission, "covariates", 0)
    return columns * each - factors * (factors - 1) // 2 + factors * model.prior.dim
