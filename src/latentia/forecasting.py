"""What comes after a sequence: missing steps, whose distribution is the posterior's."""

from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from latentia.data.sequences import read_sequences
from latentia.latents import GaussianChain
from latentia.likelihoods import LinearGaussian, PerStep
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


def forecast(model: LatentVariableModel, x: Any, steps: int) -> Forecast:
    """Predict the steps after a sequence, noise of the observations included.

    Args:
        model: a ``GaussianChain`` with ``PerStep(LinearGaussian(...))``, its parameters set.
        x: one sequence ``[T, D]``; NaN is missing.
        steps: H, how many steps to predict.

    Raises:
        ValueError: if ``steps`` is no whole number from 1 up, or the model is another one.
    """
    if not isinstance(steps, int | np.integer) or isinstance(steps, bool) or steps < 1:
        raise ValueError(f"steps should be a whole number of at least 1, but is {steps!r}.")
    values = _one_sequence(model, x)
    coming = np.full((int(steps), values.shape[1]), np.nan, values.dtype)
    mean, variance = _seen_through(model, np.concatenate([values, coming]), len(values))
    noise = np.asarray(model.likelihood.emission.noise)  # pyright: ignore
    return Forecast(mean, variance + noise)


def signal(model: LatentVariableModel, x: Any) -> Forecast:
    """Of the steps of the sequence itself what is no noise: ``loadings z + bias``, smoothed."""
    return Forecast(*_seen_through(model, _one_sequence(model, x), 0))


def _one_sequence(model: Any, x: Any) -> np.ndarray:
    dynamic = isinstance(model.prior, GaussianChain) and isinstance(model.likelihood, PerStep)
    if not dynamic or not isinstance(model.likelihood.emission, LinearGaussian):
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


def _seen_through(model: Any, values: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance ``[T, D]`` of the signal from step ``first`` on."""
    posterior: Any = infer(model, values)
    emission = model.likelihood.emission
    loadings = np.asarray(emission.loadings)
    mean = posterior.mean[first:] @ loadings.T + np.asarray(emission.bias)
    return mean, np.einsum("di,tij,dj->td", loadings, posterior.covariance[first:], loadings)
