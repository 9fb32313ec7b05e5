"""What every estimator does with its core model: score, criteria, draws, and a summary."""

from abc import ABCMeta, abstractmethod
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.validation import check_is_fitted

from latentia.inference.batches import for_rows, log_evidence
from latentia.precision import precision_of
from latentia.verbs import infer, sample

from .parameters import seed_of
from .summary import Report, summary_text
from .validation import observed_weight, read_sample_weight


class AbstractEstimator(CallbackSupportMixin, BaseEstimator, metaclass=ABCMeta):
    """A model with scikit-learn's manners.

    After ``fit``, ``model_`` is the core model, for the verbs of the library, and ``fit_`` the
    ``Fit``: how it ended, the objective of every start, and how far to trust it.
    """

    model_: Any
    fit_: Any
    dtype_: np.dtype
    n_features_in_: int
    feature_names_in_: np.ndarray
    converged_: bool
    n_iter_: int
    lower_bound_: float
    lower_bounds_: list[float]

    @abstractmethod
    def _read(self, X: Any, reset: bool) -> np.ndarray:
        """The rows as the core model takes them."""

    @abstractmethod
    def _publish(self) -> None:
        """Set the attributes that say what ``model_`` holds."""

    @abstractmethod
    def _report(self) -> Report:
        """What ``summary`` prints of the parameters."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _ask(self, X: Any, question: Any) -> tuple[Any, np.ndarray]:
        """The answers of the posteriors of all rows, and the rows."""
        check_is_fitted(self, "model_")
        values = self._read(X, reset=False)
        wide = values.astype(np.float64, copy=False)
        with precision_of(wide):
            return for_rows(self.model_, wide, question), values

    def score_samples(self, X: Any) -> np.ndarray:
        """The log-likelihood of each row, ``[N]``; 0 for a row without an observed entry."""
        evidence, values = self._ask(X, log_evidence)
        return evidence.astype(values.dtype)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """The mean log-likelihood of the rows with an observed entry."""
        total, count = self._totals(X, sample_weight)
        return total / count if count > 0 else 0.0

    def aic(self, X: Any, sample_weight: Any = None) -> float:
        """Akaike's information criterion: lower is better."""
        total, _ = self._totals(X, sample_weight)
        return 2 * self._n_parameters() - 2 * total

    def bic(self, X: Any, sample_weight: Any = None) -> float:
        """The Bayesian information criterion: lower is better."""
        total, count = self._totals(X, sample_weight)
        return self._n_parameters() * float(np.log(count)) - 2 * total

    def _totals(self, X: Any, sample_weight: Any) -> tuple[float, float]:
        """The weighted log-likelihood of all rows, and the weight of those that say anything."""
        evidence, values = self._ask(X, log_evidence)
        weight = observed_weight(values, read_sample_weight(sample_weight, values))
        counted = weight > 0
        return float(weight[counted] @ evidence[counted]), float(weight.sum())

    def _n_parameters(self) -> int:
        """How many free parameters the model has."""
        prior, likelihood = self.model_.prior, self.model_.likelihood
        return prior.degrees_of_freedom() + likelihood.degrees_of_freedom(1)

    def posterior(self, X: Any) -> Any:
        """The core's posterior of each row: probabilities, moments, modes and log evidence."""
        check_is_fitted(self, "model_")
        return infer(self.model_, self._read(X, reset=False).astype(np.float64, copy=False))

    def _draw(self, n_samples: int, random_state: Any) -> tuple[Any, np.ndarray]:
        """Latent variables and rows, drawn together."""
        check_is_fitted(self, "model_")
        if not isinstance(n_samples, int | np.integer) or n_samples < 1:
            raise ValueError(
                f"n_samples should be a whole number of at least 1, but is {n_samples!r}."
            )
        # Drawn in a few different numbers, so that few programs are compiled.
        enough = max(64, 1 << int(n_samples - 1).bit_length())
        seed = seed_of(self.random_state if random_state is None else random_state, None)  # pyright: ignore
        drawn = sample(self.model_, seed, enough)
        return drawn.z, drawn.x[:n_samples].astype(self.dtype_)

    def summary(self) -> str:
        """The fitted model in the words of the field, as plain text."""
        check_is_fitted(self, "model_")
        return summary_text(self, self._report(), self._n_parameters())
