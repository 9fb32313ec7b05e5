"""What every factor model offers: factors from data and data from factors."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import with_callbacks
from sklearn.utils.validation import check_is_fitted

from .conditioning import Components
from .gaussian_shell import AbstractGaussianEstimator
from .online import follow
from .parameters import Rule, check_parameters
from .running import learner_of, run_fit, same_sizes
from .summary import Report
from .validation import column_names, read_sample_weight, require_rows


def factor_means(posterior: Any) -> Any:
    """What ``transform`` asks of a posterior."""
    return posterior.mean


class AbstractFactorEstimator(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, AbstractGaussianEstimator
):
    """A factor model: every row is a linear map of a few factors, plus noise."""

    warm_start: bool
    components_: np.ndarray
    mean_: np.ndarray
    _rules: dict[str, Rule]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @abstractmethod
    def _begin(self, values: np.ndarray) -> Any:
        """The model to fit to these rows."""

    @abstractmethod
    def _parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Loadings ``[D, L]``, mean ``[D]`` and noise variances ``[D]`` in full precision."""

    @with_callbacks
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit by maximum likelihood.

        Args:
            X: ``[N, D]``, an array or a data frame; NaN and null are missing and integrated out.
            y: ignored.
            sample_weight: ``[N]``, not negative: 2 counts a row twice, 0 leaves it out.
        """
        check_parameters(self, self._rules)
        self._init_callback_context(max_subtasks=None)  # pyright: ignore[reportArgumentType]
        values = self._read(X, reset=True)
        weight = read_sample_weight(sample_weight, values)
        require_rows(values, weight, 2, "a covariance")
        model = self._begin(values)
        again = self.warm_start and same_sizes(getattr(self, "model_", None), model)
        learner = learner_of(self, given=again)
        run_fit(self, self.model_ if again else model, values, weight, None, learner)
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from one more batch, by online EM; the first is fitted as ``fit`` does.

        Arguments are those of ``fit``.
        """
        check_parameters(self, self._rules)
        fitted = hasattr(self, "model_")
        values = self._read(X, reset=not fitted)
        if not fitted:
            weight = read_sample_weight(sample_weight, values)
            require_rows(values, weight, 2, "a covariance in the first batch")
        follow(self, self.model_ if fitted else self._begin(values), values, sample_weight)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The posterior means of the factors, ``[N, L]``; ``posterior`` has their covariances."""
        check_is_fitted(self, "model_")
        if not len(self.components_):
            values = self._read(X, reset=False)
            return np.zeros((len(values), 0), values.dtype)
        means, values = self._ask(X, factor_means)
        return means.astype(values.dtype)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """The rows expected for factors ``X [N, L]``."""
        check_is_fitted(self, "model_")
        factors = np.asarray(X)
        loadings, mean, _ = self._parts()
        if factors.ndim != 2 or factors.shape[1] != loadings.shape[1]:
            raise ValueError(
                f"X should have {loadings.shape[1]} columns, one for each factor, but has the "
                f"shape {factors.shape}."
            )
        return (factors @ loadings.T + mean).astype(self.dtype_)

    def get_covariance(self) -> np.ndarray:
        """The covariance of the data under the model, ``[D, D]``."""
        check_is_fitted(self, "model_")
        loadings, _, noise = self._parts()
        return (loadings @ loadings.T + np.diag(noise)).astype(self.dtype_)

    def get_precision(self) -> np.ndarray:
        """The inverse of the covariance."""
        check_is_fitted(self, "model_")
        loadings, _, noise = self._parts()
        scale = 1 / np.sqrt(noise)
        # With the loadings in units of the noise, so that no large numbers cancel.
        axes, values, _ = np.linalg.svd(loadings * scale[:, None])
        shrunk = np.ones(len(noise))
        shrunk[: len(values)] = 1 / (1 + values**2)
        return (((axes * shrunk) @ axes.T) * scale[:, None] * scale).astype(self.dtype_)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Draw rows ``[n_samples, D]`` and the factors of each, ``[n_samples, L]``."""
        z, x = self._draw(n_samples, random_state)
        factors = z[:n_samples].reshape(n_samples, -1)[:, : len(self.components_)]
        return x, factors.astype(self.dtype_)

    def _components(self) -> Components:
        loadings, mean, noise = self._parts()
        covariance = loadings @ loadings.T + np.diag(noise)
        return Components(np.ones(1), mean[None], covariance[None])

    def _kind(self) -> str:
        return "full"

    def _component_probabilities(self, X: Any) -> np.ndarray:
        return np.ones((len(self._read(X, reset=False)), 1))

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def _report(self) -> Report:
        loadings, mean, noise = self._parts()
        heading = ["column", "mean", *(f"factor {j}" for j in range(loadings.shape[1])), "noise"]
        rows = zip(column_names(self), mean, *loadings.T, noise, strict=True)
        title = f"{loadings.shape[1]} factors of {len(mean)} columns (loadings, noise variances)"
        return Report(title, heading, list(rows))


def linear_parts(model: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Loadings, mean and noise of a linear Gaussian model."""
    likelihood = model.likelihood
    return likelihood.loadings, likelihood.bias, likelihood.noise


def loglike(fit: Any) -> list[float]:
    """The log-likelihood of all rows after each pass, if there was a fit to all rows."""
    return [] if fit is None else (fit.trace * fit.weight).tolist()


def require_columns(factors: int, dim: int, name: str) -> None:
    """Raise ``ValueError`` if there are more factors than columns."""
    if factors > dim:
        raise ValueError(
            f"{name} should be at most {dim}, the number of columns of X, but is {factors}."
        )
