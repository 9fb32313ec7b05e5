"""What comes after a sequence: missing steps, whose distribution is the posterior's."""

from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from latentia.data.sequences import read_sequences
from latentia.data.table import read_table
from latentia.distributions.given import inputs
from latentia.latents import DrivenGaussianChain, GaussianChain
from latentia.likelihoods import LinearGaussian, LinearGaussianRegression, PerStep
from latentia.model import LatentVariableModel
from latentia.verbs import infer


class Forecast(NamedTuple):
    """``mean [H, D]`` and ``variance [H, D]`` of the steps to come, each a Gaussian."""

    mean: np.ndarray
    variance: np.ndarray

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """The bounds, ``[H, D]`` each, between which a value lies with probability ``level``."""
        if not 0 < level < 1:
            raise ValueError(f"level should be between 0 and 1, but is {level!r}.")
        reach = stats.norm.ppf(0.5 + level / 2) * np.sqrt(self.variance)
        return self.mean - reach, self.mean + reach


def forecast(model: LatentVariableModel, x: Any, steps: int, *, given: Any = None) -> Forecast:
    """Predict the steps after a sequence, noise of the observations included.

    Args:
        model: a ``GaussianChain`` or ``DrivenGaussianChain`` with ``PerStep`` and a
            ``LinearGaussian`` or ``LinearGaussianRegression``, its parameters set.
        x: one sequence ``[T, D]``; NaN is missing.
        steps: H, how many steps to predict.
        given: covariates, for a model that uses some: ``[T + H, P]``, those of the sequence and
            after them those of the steps to come.

    Raises:
        ValueError: if ``steps`` is no whole number from 1 up, the model is another one, or
            covariates are lacking.
    """
    if not isinstance(steps, int | np.integer) or isinstance(steps, bool) or steps < 1:
        raise ValueError(f"steps should be a whole number of at least 1, but is {steps!r}.")
    values = _one_sequence(model, x)
    coming = np.full((int(steps), values.shape[1]), np.nan, values.dtype)
    longer = np.concatenate([values, coming])
    if inputs(model.likelihood):
        given = _covariates(model, given, len(values), int(steps))
    mean, variance = _seen_through(model, longer, given, len(values))
    noise = np.asarray(model.likelihood.emission.noise)  # pyright: ignore
    return Forecast(mean, variance + noise)


def signal(model: LatentVariableModel, x: Any, *, given: Any = None) -> Forecast:
    """Of the steps of the sequence itself what is no noise: the mean of x_t given z_t, smoothed.

    Args are those of ``forecast``, but with covariates of the sequence alone.
    """
    return Forecast(*_seen_through(model, _one_sequence(model, x), given, 0))


def _one_sequence(model: Any, x: Any) -> np.ndarray:
    dynamic = isinstance(model.prior, GaussianChain | DrivenGaussianChain)
    linear = isinstance(model.likelihood, PerStep) and isinstance(
        model.likelihood.emission, LinearGaussian | LinearGaussianRegression
    )
    if not dynamic or not linear:
        raise ValueError(
            "model should be a GaussianChain with PerStep(LinearGaussian(...)), but is "
            f"{model.prior.describe()}, {model.likelihood.describe()}."
        )
    read = read_sequences(x, argument="x")
    if len(read.lengths) != 1:
        raise ValueError(
            f"x should be one sequence [T, D], but holds {len(read.lengths)}: call once for each."
        )
    return read.values


def _covariates(model: Any, given: Any, seen: int, steps: int) -> np.ndarray:
    """Those of all steps, seen and to come."""
    count = inputs(model.likelihood)
    whole = f"({seen} + {steps}, {count})"
    if given is None:
        raise ValueError(
            f"given should hold the {count} covariates that the model uses, but is None: pass an "
            f"array of shape {whole}, the covariates of x and then those of the steps to come."
        )
    values = read_table(given, argument="given").values
    if values.shape != (seen + steps, count):
        raise ValueError(
            f"given should have the shape {whole}, the covariates of x and then those of the steps "
            f"to come, but has {values.shape}."
        )
    lacking = np.isnan(values[seen:]).any(axis=1)
    if lacking.any():
        raise ValueError(
            "given should have no missing values in the steps to come, but row "
            f"{seen + int(np.argmax(lacking))} has one: fill it in."
        )
    return values


def _seen_through(
    model: Any, values: np.ndarray, given: Any, first: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance ``[T, D]`` of the signal from step ``first`` on."""
    posterior: Any = infer(model, values, given=given)
    emission = model.likelihood.emission
    loadings = np.asarray(emission.loadings)
    mean = posterior.mean[first:] @ loadings.T + np.asarray(emission.bias)
    if count := inputs(emission):
        effects = np.asarray(given, mean.dtype)[first:, :count]
        mean = mean + effects @ np.asarray(emission.coefficients).T
    return mean, np.einsum("di,tij,dj->td", loadings, posterior.covariance[first:], loadings)
