"""The Gaussian mixture."""

from functools import lru_cache
from typing import Any

import numpy as np

from latentia.latents import Discrete
from latentia.likelihoods import Switch
from latentia.model import LatentVariableModel

from .conditioning import Components
from .covariance_kinds import KINDS
from .gaussian_shell import AbstractGaussianEstimator
from .initial_values import read_means, read_precisions, read_weights_init
from .mixture_shell import MIXTURE, AbstractMixtureEstimator
from .parameters import number, one_of
from .summary import Report
from .validation import column_names


class GaussianMixture(AbstractMixtureEstimator, AbstractGaussianEstimator):
    """A mixture of Gaussians, fitted by maximum likelihood.

    It takes every parameter of scikit-learn's class of this name, in the same sense, and has every
    attribute and method. Beyond, it takes missing values, weights and partial labels.

    Args:
        n_components: K, how many components.
        covariance_type: "full", "tied", "diag" or "spherical".
        tol: the distance of the log-likelihood per row to its limit at which to stop (in
            scikit-learn the size of a step, which says little about what is left to gain).
        reg_covar: a number added to all variances; 0, as here by default, adds nothing.
        max_iter: the most passes over the data.
        n_init: how many starts; "auto" is a portfolio of 16, or one of a given ``init_params``.
        init_params: "kmeans", "k-means++", "random" or "random_from_data" as in scikit-learn;
            "auto" is a portfolio of these and others.
        weights_init: ``[K]``. What is given is where every start begins; with all three given there
            is one start.
        means_init: ``[K, D]``.
        precisions_init: inverse covariances, in the shape of ``covariances_``.
        random_state: a whole number or a RandomState. None fits as 0 does, and draws new samples
            every time.
        warm_start: whether to begin where the last fit ended, if it was of the same sizes.
        verbose: whether to write the progress.
        verbose_interval: how many iterations are between two lines of it.
        covariance_floor: the smallest variance allowed, relative to that of the data; 0 is none. A
            mixture without it has no maximum of the likelihood.

    Attributes:
        weights_: ``[K]``, in falling order.
        means_: ``[K, D]``.
        covariances_: ``[K, D, D]``, ``[D, D]``, ``[K, D]`` or ``[K]``.
        precisions_: their inverses.
        precisions_cholesky_: the upper factors of these.
        converged_: whether the fit is within ``tol`` of its limit.
        n_iter_: the passes over the data of the best start.
        lower_bound_: the log-likelihood per row.
        lower_bounds_: the same after each pass.
        model_: the core model.
        fit_: the core's ``Fit``.
    """

    _rules = {
        **MIXTURE,
        "covariance_type": one_of(*KINDS),
        "reg_covar": number(),
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-6,
        reg_covar: float = 0.0,
        max_iter: int = 1000,
        n_init: int | str = "auto",
        init_params: str = "auto",
        weights_init: Any = None,
        means_init: Any = None,
        precisions_init: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        covariance_floor: float = 1e-6,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.covariance_floor = covariance_floor

    def _begin(self, values: np.ndarray) -> tuple[Any, bool]:
        sizes = self.covariance_type, int(self.n_components), values.shape[1]
        initial = self.weights_init, self.means_init, self.precisions_init
        if all(value is None for value in initial):
            return _blank(*sizes), False
        model = _mixture(
            self.covariance_type,
            read_weights_init(self.weights_init, sizes[1]),
            read_means(self.means_init, *sizes[1:]),
            read_precisions(self.precisions_init, *sizes),
        )
        return model, all(value is not None for value in initial)

    def _publish(self) -> None:
        kind = KINDS[self.covariance_type]
        parts = self.model_.likelihood.parts
        covariances = kind.covariances(parts)
        factors = kind.precisions_cholesky(covariances)
        self.weights_ = self.model_.prior.weights.astype(self.dtype_)
        self.means_ = parts.mean.astype(self.dtype_)
        self.covariances_ = covariances.astype(self.dtype_)
        self.precisions_cholesky_ = factors.astype(self.dtype_)
        self.precisions_ = kind.precisions(factors).astype(self.dtype_)

    def _components(self) -> Components:
        parts = self.model_.likelihood.parts
        kind = KINDS[self.covariance_type]
        matrices = kind.expand(kind.covariances(parts), *parts.mean.shape)
        return Components(self.model_.prior.weights, parts.mean, matrices)

    def _kind(self) -> str:
        return self.covariance_type

    def _component_probabilities(self, X: Any) -> np.ndarray:
        return self.predict_proba(X)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Draw rows ``[n_samples, D]`` and the component of each."""
        z, x = self._draw(n_samples, random_state)
        return x, z[:n_samples].astype(np.int64)

    def _report(self) -> Report:
        rows = zip(range(len(self.weights_)), self.weights_, *self.means_.T, strict=True)
        title = f"{len(self.weights_)} components, {self.covariance_type} covariances"
        return Report(title, ["component", "weight", *column_names(self)], list(rows))


def from_parameters(
    mixture: Components, covariance_type: str, dtype: Any, names: list[str] | None = None
) -> GaussianMixture:
    """A fitted ``GaussianMixture`` with these parameters, which no data were fitted to."""
    kind = KINDS[covariance_type]
    estimator = GaussianMixture(len(mixture.weights), covariance_type=covariance_type)
    estimator.model_ = _mixture(
        covariance_type, mixture.weights, mixture.means, kind.compress(mixture.covariances)
    )
    estimator.fit_ = None
    estimator.dtype_ = np.dtype(dtype)
    estimator.n_features_in_ = mixture.means.shape[1]
    if names is not None:
        estimator.feature_names_in_ = np.array(names, dtype=object)
    estimator.converged_ = True
    estimator.n_iter_ = 0
    estimator._publish()
    return estimator


def _mixture(kind: str, weights: Any, means: np.ndarray, covariances: np.ndarray) -> Any:
    return LatentVariableModel(Discrete(weights), Switch(KINDS[kind].stack(means, covariances)))


@lru_cache(maxsize=256)
def _blank(kind: str, states: int, dim: int) -> Any:
    # Kept, since building a model checks that its parts fit, which costs more than a small fit.
    return LatentVariableModel(Discrete(states), Switch(KINDS[kind].family(dim), states))
