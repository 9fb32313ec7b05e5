"""The mixture of factor analysers."""

from functools import lru_cache
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from latentia.latents import Branching, GaussianLatent
from latentia.likelihoods import LinearGaussian, Switch
from latentia.model import LatentVariableModel

from .conditioning import Components
from .factor_shell import require_columns
from .gaussian_shell import AbstractGaussianEstimator
from .mixture_shell import MIXTURE, AbstractMixtureEstimator
from .parameters import whole
from .summary import Report
from .validation import column_names


def component_factors(posterior: Any) -> Any:
    """What ``component_factors`` asks of a posterior."""
    return posterior.inner.mean


class MixtureOfFactorAnalyzers(AbstractMixtureEstimator, AbstractGaussianEstimator):
    """A mixture of Gaussians whose covariances are a few factors plus noise; by maximum likelihood.

    Each component has L loadings and a noise variance for each column (Ghahramani and Hinton 1996),
    so that covariances can be learned in many dimensions.

    Args:
        n_components: K, how many components.
        n_factors: L, how many factors each component has.
        tol: the distance of the log-likelihood per row to its limit at which to stop.
        max_iter: the most passes over the data.
        n_init: how many starts; "auto" is a portfolio of 16, or one of a given ``init_params``.
        init_params: "auto", "kmeans", "k-means++", "random" or "random_from_data".
        random_state: a whole number, a RandomState or None, for the starts and the draws.
        warm_start: whether to begin where the last fit ended, if it was of the same sizes.
        verbose: whether to write the progress.
        verbose_interval: how many iterations are between two lines of it.
        covariance_floor: the smallest noise variance allowed, relative to the variance of the
            column; 0 is none.

    Attributes:
        weights_: ``[K]``, in falling order.
        means_: ``[K, D]``.
        loadings_: ``[K, D, L]``.
        noise_variances_: ``[K, D]``.
        covariances_: ``[K, D, D]``, of the data.
        converged_, n_iter_, lower_bound_, lower_bounds_: as in ``GaussianMixture``.
        model_: the core model.
        fit_: the core's ``Fit``.
    """

    # What pictures of Gaussian mixtures ask for.
    covariance_type = "full"
    _one_optimum_alone = False
    _rules = {**MIXTURE, "n_factors": whole(1)}

    def __init__(
        self,
        n_components: int = 2,
        n_factors: int = 1,
        *,
        tol: float = 1e-6,
        max_iter: int = 1000,
        n_init: int | str = "auto",
        init_params: str = "auto",
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        covariance_floor: float = 1e-6,
    ) -> None:
        self.n_components = n_components
        self.n_factors = n_factors
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.covariance_floor = covariance_floor

    def _begin(self, values: np.ndarray) -> tuple[Any, bool]:
        dim = values.shape[1]
        require_columns(int(self.n_factors), dim, "n_factors")
        return _blank(dim, int(self.n_components), int(self.n_factors)), False

    def _publish(self) -> None:
        parts = self.model_.likelihood.parts
        weights, means, covariances = self._components()
        self.weights_ = weights.astype(self.dtype_)
        self.means_ = means.astype(self.dtype_)
        self.covariances_ = covariances.astype(self.dtype_)
        self.loadings_ = parts.loadings.astype(self.dtype_)
        self.noise_variances_ = parts.noise.astype(self.dtype_)

    def _components(self) -> Components:
        parts = self.model_.likelihood.parts
        noise = parts.noise[:, :, None] * np.eye(parts.noise.shape[1])
        shared = parts.loadings @ np.swapaxes(parts.loadings, 1, 2)
        return Components(self.model_.prior.choice.weights, parts.bias, shared + noise)

    def _kind(self) -> str:
        return "full"

    def _component_probabilities(self, X: Any) -> np.ndarray:
        return self.predict_proba(X)

    def component_factors(self, X: Any) -> np.ndarray:
        """The posterior means of the factors, for each row in each component: ``[N, K, L]``."""
        check_is_fitted(self, "model_")
        means, values = self._ask(X, component_factors)
        return means.astype(values.dtype)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Draw rows ``[n_samples, D]`` and the component of each."""
        z, x = self._draw(n_samples, random_state)
        return x, z[0][:n_samples].astype(np.int64)

    def _report(self) -> Report:
        rows = zip(range(len(self.weights_)), self.weights_, *self.means_.T, strict=True)
        title = f"{len(self.weights_)} components, {self.loadings_.shape[2]} factors in each"
        return Report(title, ["component", "weight", *column_names(self)], list(rows))


@lru_cache(maxsize=256)
def _blank(dim: int, states: int, factors: int) -> Any:
    return LatentVariableModel(
        Branching(states, GaussianLatent(factors)),
        Switch(LinearGaussian(dim=dim, latent_dim=factors), states),
    )
