"""What every mixture offers: clusters, hard and soft, and draws with their component."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import with_callbacks

from latentia.data.table import read_labels

from .online import follow
from .parameters import COMMON, INITIALS, Rule, check_parameters, whole
from .running import learner_of, run_fit, same_sizes
from .shell import AbstractEstimator
from .validation import read_sample_weight, require_rows

MIXTURE: dict[str, Rule] = {**COMMON, "n_components": whole(1), "init_params": INITIALS}


def state_probabilities(posterior: Any) -> Any:
    """What ``predict_proba`` asks of a posterior."""
    return posterior.probabilities


class AbstractMixtureEstimator(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, AbstractEstimator
):
    """A mixture: every row comes from one of K components."""

    n_components: int
    warm_start: bool
    _rules: dict[str, Rule]
    # One component has one optimum, if nothing else is hidden in it, so that one start will do.
    _one_optimum_alone = True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "density_estimator"
        return tags

    @abstractmethod
    def _begin(self, values: np.ndarray) -> tuple[Any, bool]:
        """The model to fit to these rows, and whether to start from its parameters alone."""

    def _prepare(self, X: Any, sample_weight: Any = None) -> np.ndarray:
        """The rows to fit, once columns and their kinds are known."""
        return self._read(X, reset=True)

    @with_callbacks
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, labels: Any = None) -> Self:
        """Fit by maximum likelihood.

        Args:
            X: ``[N, D]``, an array or a data frame; NaN and null are missing and integrated out.
            y: ignored.
            sample_weight: ``[N]``, not negative: 2 counts a row twice, 0 leaves it out.
            labels: ``[N]``, the component of rows where it is known, -1 elsewhere.
        """
        check_parameters(self, self._rules)
        self._init_callback_context(max_subtasks=None)  # pyright: ignore[reportArgumentType]
        values = self._prepare(X, sample_weight)
        weight = read_sample_weight(sample_weight, values)
        known = read_labels(labels, len(values), self.n_components)
        reason = f"n_components = {self.n_components}"
        require_rows(values, weight, self.n_components, reason)
        model, given = self._begin(values)
        if self.warm_start and same_sizes(getattr(self, "model_", None), model):
            model, given = self.model_, True
        learner = learner_of(self, given=given)
        run_fit(self, model, values, weight, known, learner)
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from one more batch, by online EM; the first is fitted as ``fit`` does.

        Later batches need not have a row for each component. Arguments are those of ``fit``.
        """
        check_parameters(self, self._rules)
        if hasattr(self, "model_"):
            follow(self, self.model_, self._read(X, reset=False), sample_weight)
            return self
        values = self._prepare(X, sample_weight)
        weight = read_sample_weight(sample_weight, values)
        reason = f"n_components = {self.n_components} in the first batch"
        require_rows(values, weight, self.n_components, reason)
        follow(self, self._begin(values)[0], values, sample_weight)
        return self

    def fit_predict(
        self, X: Any, y: Any = None, sample_weight: Any = None, labels: Any = None
    ) -> np.ndarray:
        """Fit, and the most probable component of each row, ``[N]``."""
        return self.fit(X, sample_weight=sample_weight, labels=labels).predict(X)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable component of each row, ``[N]``."""
        probabilities, _ = self._ask(X, state_probabilities)
        return np.argmax(probabilities, axis=1)

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each component for each row, ``[N, K]``."""
        probabilities, values = self._ask(X, state_probabilities)
        return probabilities.astype(values.dtype, copy=False)

    def transform(self, X: Any) -> np.ndarray:
        """As ``predict_proba``: the soft clusters, for a pipeline."""
        return self.predict_proba(X)

    def icl(self, X: Any, sample_weight: Any = None) -> float:
        """The integrated completed likelihood: BIC plus twice the entropy of the components."""
        probabilities, values = self._ask(X, state_probabilities)
        weight = read_sample_weight(sample_weight, values)
        logs = np.log(probabilities, where=probabilities > 0, out=np.zeros_like(probabilities))
        seen = ~np.isnan(values).all(axis=1)
        return self.bic(X, sample_weight) - 2 * float(
            (weight * seen) @ (probabilities * logs).sum(axis=1)
        )

    @property
    def _n_features_out(self) -> int:
        return self.model_.likelihood.states
