"""The Gaussian mixture with a prior on its weights, means and covariances."""

from typing import Any, Self

import numpy as np
from scipy.special import logsumexp
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from latentia.learning.normal_wishart import KINDS as LAWS
from latentia.learning.variational_mixture import log_joint, mean_weights

from . import bayesian_running as running
from .covariance_kinds import KINDS
from .parameters import COMMON, INITIALS, check_parameters, number, one_of, whole
from .validation import read_numbers, read_sample_weight


class BayesianGaussianMixture(BaseEstimator):
    """A mixture of Gaussians with conjugate priors, by variational inference.

    It takes every parameter of scikit-learn's class of this name and has every attribute and
    method. ``lower_bound_`` is a true lower bound of the log evidence, which can be compared
    across numbers of components and kinds of priors; components that the data do not need end up
    empty, also by merges.

    Args:
        n_components: K, the most components.
        covariance_type: "full", "tied", "diag" or "spherical".
        tol: the gain of the bound per row below which ascent ends.
        reg_covar: a number added to the variances of ``covariance_prior``.
        max_iter: the most steps.
        n_init: how many starts; "auto" is 4.
        init_params: "kmeans", "k-means++", "random" or "random_from_data"; "auto" is "kmeans".
        weight_concentration_prior_type: "dirichlet_process" or "dirichlet_distribution".
        weight_concentration_prior: above 0; None is 1 / K.
        mean_precision_prior: above 0; None is 1.
        mean_prior: ``[D]``; None is the mean of the data.
        degrees_of_freedom_prior: above D - 1; None is D.
        covariance_prior: in the shape of one of ``covariances_``; None is that of the data.
        random_state: a whole number, a RandomState or None, which acts as 0.
        warm_start: whether to begin where the last fit ended.
        verbose: whether to write the bound of each start.
        verbose_interval: without effect.

    Attributes:
        weights_, means_, covariances_, precisions_, precisions_cholesky_: expected values, in the
            shapes of ``GaussianMixture``; covariances are the inverses of the expected precisions.
        weight_concentration_, mean_precision_, degrees_of_freedom_: parameters of the posterior;
            the first is a pair ``(a, b)`` of arrays for a Dirichlet process.
        weight_concentration_prior_, mean_precision_prior_, mean_prior_: the priors that were used.
        degrees_of_freedom_prior_, covariance_prior_: likewise.
        converged_, n_iter_: how the best start ended.
        lower_bound_, lower_bounds_: the evidence lower bound of all rows, at the end and after
            each step.
        verdict_: whether the bound is at its maximum, and how many starts found it.
    """

    dtype_: np.dtype
    prior_: Any
    state_: Any
    centre_: np.ndarray
    _rules = {
        **{key: COMMON[key] for key in ("tol", "max_iter", "n_init", "random_state", "warm_start")},
        "verbose": COMMON["verbose"],
        "verbose_interval": whole(1),
        "n_components": whole(1),
        "covariance_type": one_of(*KINDS),
        "reg_covar": number(),
        "init_params": INITIALS,
        "weight_concentration_prior_type": one_of("dirichlet_process", "dirichlet_distribution"),
        "weight_concentration_prior": number(None),
        "mean_precision_prior": number(None),
        "degrees_of_freedom_prior": number(None),
    }

    def __init__(
        self,
        *,
        n_components: int = 1,
        covariance_type: str = "full",
        tol: float = 1e-6,
        reg_covar: float = 0.0,
        max_iter: int = 1000,
        n_init: int | str = "auto",
        init_params: str = "auto",
        weight_concentration_prior_type: str = "dirichlet_process",
        weight_concentration_prior: float | None = None,
        mean_precision_prior: float | None = None,
        mean_prior: Any = None,
        degrees_of_freedom_prior: float | None = None,
        covariance_prior: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weight_concentration_prior_type = weight_concentration_prior_type
        self.weight_concentration_prior = weight_concentration_prior
        self.mean_precision_prior = mean_precision_prior
        self.mean_prior = mean_prior
        self.degrees_of_freedom_prior = degrees_of_freedom_prior
        self.covariance_prior = covariance_prior
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "density_estimator"
        return tags

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Climb to the highest bound that the starts lead to.

        Args:
            X: ``[N, D]``, an array or a data frame without missing entries.
            y: ignored.
            sample_weight: ``[N]``, not negative: 2 counts a row twice, 0 leaves it out.
        """
        check_parameters(self, self._rules)
        values = self._read(X, reset=True)
        weight = read_sample_weight(sample_weight, values)
        running.fit(self, values, weight)
        return self

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """Fit, and the most probable component of each row, ``[N]``."""
        return self.fit(X, sample_weight=sample_weight).predict(X)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable component of each row, ``[N]``."""
        return np.argmax(self._logs(X), axis=1)

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each component for each row, ``[N, K]``."""
        logs = self._logs(X)
        shares = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        return shares.astype(self.dtype_, copy=False)

    def score_samples(self, X: Any) -> np.ndarray:
        """The log posterior-predictive density of each row, ``[N]``: a mixture of Student ts.

        It accounts for what the data leave open of means and covariances; scikit-learn's is the
        density at their expected values.
        """
        check_is_fitted(self, "state_")
        rows = self._read(X, reset=False).astype(np.float64) - self.centre_
        logs = LAWS[self.covariance_type].predictive(self.state_.law, rows)
        weights = np.log(np.maximum(mean_weights(self.prior_, self.state_.counts), 1e-300))
        return np.asarray(logsumexp(logs + weights, axis=1)).astype(self.dtype_, copy=False)

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of ``score_samples``."""
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1, random_state: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Draw rows ``[n_samples, D]`` and the component of each, at the expected parameters."""
        check_is_fitted(self, "state_")
        return running.draw(self, n_samples, random_state)

    def summary(self) -> str:
        """The components in use, in the words of the field, as plain text."""
        check_is_fitted(self, "state_")
        return running.summary(self)

    def _logs(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "state_")
        rows = self._read(X, reset=False).astype(np.float64) - self.centre_
        return log_joint(self.prior_, self.state_, rows)

    def _read(self, X: Any, reset: bool) -> np.ndarray:
        values = read_numbers(self, X, reset=reset)
        if np.isnan(values).any():
            row, column = np.argwhere(np.isnan(values))[0]
            raise ValueError(
                f"X should have no missing entries, but holds NaN in row {row}, column {column}: "
                "use GaussianMixture, which integrates them out."
            )
        return values
