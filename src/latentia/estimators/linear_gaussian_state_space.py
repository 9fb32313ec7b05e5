"""A linear dynamical system as an estimator."""

import warnings
from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from latentia.data.sequences import Sequences, sequences
from latentia.forecasting import Forecast, forecast
from latentia.latents import GaussianChain, GaussianMoments
from latentia.learning import EM
from latentia.learning.status import Status
from latentia.likelihoods import LinearGaussian, PerStep
from latentia.model import LatentVariableModel
from latentia.verbs import fit, infer, sample, score

from .parameters import COMMON, check_parameters, seed_of, whole
from .summary import Report, summary_text
from .validation import column_names, read_numbers


class LinearGaussianStateSpace(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A few hidden coordinates that move linearly, seen through loadings and noise.

    It is ``LatentVariableModel(GaussianChain(...), PerStep(LinearGaussian(...)))``, fitted by EM,
    with noise of the hidden coordinates that is standard normal: loadings make up for any other.

    Args:
        n_states: L, how many hidden coordinates.
        tol: the distance of the log-likelihood per step to its limit at which to stop.
        max_iter: the most passes over the data.
        n_init: how many starts; "auto" is 4.
        random_state: for the starts and the draws.
        covariance_floor: the smallest noise variance allowed, relative to that of the column.

    Attributes:
        transition_: ``[L, L]``.
        components_: ``[L, D]``, the loadings; the hidden coordinates are rotated such that these
            are orthogonal in units of the noise, the most telling first.
        mean_, noise_variance_: ``[D]``.
        initial_mean_, initial_covariance_: ``[L]`` and ``[L, L]``, of the first step. The
            covariance is learned from several sequences only: one says nothing of it.
        n_iter_, converged_: how the fit ended.
        model_: the core model.
        fit_: the core's ``Fit``.
    """

    _rules = {
        "n_states": whole(1),
        **{name: COMMON[name] for name in ("tol", "max_iter", "n_init", "random_state")},
        "covariance_floor": COMMON["covariance_floor"],
    }

    def __init__(
        self,
        n_states: int = 2,
        *,
        tol: float = 1e-6,
        max_iter: int = 1000,
        n_init: int | str = "auto",
        random_state: Any = 0,
        covariance_floor: float = 1e-6,
    ) -> None:
        self.n_states = n_states
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.random_state = random_state
        self.covariance_floor = covariance_floor

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _sequences(self, X: Any, lengths: Any, *, reset: bool = False) -> Sequences:
        if not reset:
            check_is_fitted(self, "model_")
        return sequences(self._read(X, reset=reset), lengths)

    def _read(self, X: Any, *, reset: bool) -> np.ndarray:
        return read_numbers(self, X, reset=reset).astype(np.float64, copy=False)

    def fit(self, X: Any, y: Any = None, *, lengths: Any = None) -> Self:
        """Fit by maximum likelihood.

        Args:
            X: ``[R, D]``, the steps of all sequences one after another; NaN is missing.
            y: ignored.
            lengths: ``[N]``, the steps of each sequence; None is one sequence.

        Raises:
            ValueError: if an argument does not fit, or the fit failed; the message says why.
        """
        check_parameters(self, self._rules)
        data = self._sequences(X, lengths, reset=True)
        if len(data.values) < 2:
            raise ValueError(
                f"X should have at least 2 steps, but has n_samples = {len(data.values)}."
            )
        several = len(data.lengths) > 1
        learned = ("mean", "covariance", "transition") if several else ("mean", "transition")
        model = LatentVariableModel(
            GaussianChain(self.n_states, learned=learned),
            PerStep(LinearGaussian(dim=data.values.shape[1], latent_dim=self.n_states)),
        )
        learner = EM(
            max_iter=int(self.max_iter),
            tol=float(self.tol),
            covariance_floor=float(self.covariance_floor),
            n_init=4 if self.n_init == "auto" else int(self.n_init),
        )
        found = fit(model, data, learner=learner, key=seed_of(self.random_state))
        if found.status in (Status.FELL, Status.NON_FINITE):
            raise ValueError(f"{type(self).__name__} could not be fitted. {found.status}")
        self.model_ = _rotated(found.model)
        self.fit_ = replace(found, model=self.model_)
        self.dtype_ = np.dtype(np.float64)
        self.n_iter_, self.converged_ = found.iterations, found.converged
        self._publish()
        if found.status in (Status.STEP_LIMIT, Status.DEGENERATE):
            warnings.warn(str(found.status), ConvergenceWarning, stacklevel=2)
        return self

    def _publish(self) -> None:
        model: Any = self.model_
        chain, emission = model.prior, model.likelihood.emission
        self.transition_ = np.array(chain.transition)
        self.initial_mean_ = np.array(chain.mean)
        self.initial_covariance_ = np.array(chain.covariance)
        self.components_ = np.array(emission.loadings).T
        self.mean_, self.noise_variance_ = np.array(emission.bias), np.array(emission.noise)

    @property
    def _n_features_out(self) -> int:
        return self.components_.shape[0]

    def smooth(self, X: Any, lengths: Any = None) -> GaussianMoments:
        """Hidden coordinates given whole sequences: ``mean [R, L]``, ``covariance [R, L, L]``."""
        found: Any = infer(self.model_, self._sequences(X, lengths))
        return _joined([(one.mean, one.covariance) for one in found])

    def filter(self, X: Any, lengths: Any = None) -> GaussianMoments:
        """The same given each sequence up to the step itself."""
        found: Any = infer(self.model_, self._sequences(X, lengths))
        return _joined([one.filtered for one in found])

    def transform(self, X: Any) -> np.ndarray:
        """The smoothed means ``[T, L]`` of one sequence."""
        return np.asarray(self.smooth(X).mean)

    def forecast(self, X: Any, steps: int = 1) -> Forecast:
        """The steps after a sequence: mean, variance, and intervals."""
        return forecast(self.model_, self._sequences(X, None).values, steps)

    def score(self, X: Any, y: Any = None, *, lengths: Any = None) -> float:
        """The log-likelihood for each step with an observed entry."""
        data = self._sequences(X, lengths)
        seen = int((~np.isnan(data.values)).any(axis=1).sum())
        return float(np.sum(score(self.model_, data))) / max(seen, 1)

    def summary(self) -> str:
        """The fitted model in the words of the field, as plain text."""
        check_is_fitted(self, "model_")
        count = self.components_.shape[0]
        pace = ", ".join(f"{abs(value):.3g}" for value in np.linalg.eigvals(self.transition_))
        columns = zip(
            column_names(self), self.mean_, self.noise_variance_, self.components_.T, strict=True
        )
        rows = [[name, float(m), float(v), *map(float, row)] for name, m, v, row in columns]
        heading = ["column", "mean", "noise variance", *(f"loading {j}" for j in range(count))]
        plural = "s" if count > 1 else ""
        title = f"{count} hidden coordinate{plural}, eigenvalues of the transition of size {pace}"
        return summary_text(self, Report(title, heading, rows), self.fit_.degrees_of_freedom)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Draw one sequence: steps ``[n_samples, D]`` and hidden coordinates ``[n_samples, L]``."""
        check_is_fitted(self, "model_")
        if not isinstance(n_samples, int | np.integer) or n_samples < 1:
            raise ValueError(f"n_samples should be a whole number from 1 up, but is {n_samples!r}.")
        chain: Any = self.model_.prior
        longer = GaussianChain(
            mean=chain.mean, covariance=chain.covariance, transition=chain.transition,
            drift=chain.drift, noise=chain.noise, length=int(n_samples),
        )  # fmt: skip
        seed = seed_of(self.random_state if random_state is None else random_state, None)
        drawn = sample(LatentVariableModel(longer, self.model_.likelihood), seed)
        return drawn.x, drawn.z


def _joined(parts: list[Any]) -> GaussianMoments:
    joined: Any = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
    return GaussianMoments(*joined)


def _rotated(model: Any) -> LatentVariableModel:
    """The same model, its hidden coordinates turned: noise that is standard normal allows it."""
    chain, emission = model.prior, model.likelihood.emission
    scale = np.sqrt(emission.noise)[:, None]
    right = np.linalg.svd(emission.loadings / scale)[2].T
    loadings = emission.loadings @ right
    largest = np.take_along_axis(loadings, np.abs(loadings).argmax(axis=0)[None], axis=0)[0]
    turn = right * np.where(largest < 0, -1.0, 1.0)
    prior = GaussianChain(
        mean=turn.T @ chain.mean, covariance=turn.T @ chain.covariance @ turn,
        transition=turn.T @ chain.transition @ turn, learned=chain.learned, length=chain.length,
    )  # fmt: skip
    turned = LinearGaussian(emission.loadings @ turn, emission.bias, emission.noise)
    return LatentVariableModel(prior, PerStep(turned))
