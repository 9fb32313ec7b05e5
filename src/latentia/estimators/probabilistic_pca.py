"""Probabilistic principal component analysis."""

from functools import lru_cache
from typing import Any

import numpy as np

from latentia.latents import GaussianLatent
from latentia.likelihoods import LinearGaussian
from latentia.model import LatentVariableModel

from .factor_shell import AbstractFactorEstimator, linear_parts, loglike, require_columns
from .parameters import COMMON, whole


class ProbabilisticPCA(AbstractFactorEstimator):
    """A linear map of a few factors, with the same noise on all columns; by maximum likelihood.

    The factors are the principal components of the data (Tipping and Bishop 1999), here as a
    density, with missing values and weights.

    Args:
        n_components: L, how many components; by default 1.
        tol: the distance of the log-likelihood per row to its limit at which to stop.
        max_iter: the most passes over the data.
        n_init: how many starts; "auto" is 4.
        random_state: a whole number, a RandomState or None, for the starts and the draws.
        warm_start: whether to begin where the last fit ended, if it was of the same sizes.
        verbose: whether to write the progress.
        verbose_interval: how many iterations are between two lines of it.
        covariance_floor: the smallest noise variance allowed, relative to the largest variance of a
            column; 0 is none.

    Attributes:
        components_: ``[L, D]``, the loadings: principal axes, each as long as the standard
            deviation along it that the noise does not explain.
        explained_variance_: ``[L]``, the variance along each axis, noise included.
        noise_variance_: the variance of the noise, a number.
        mean_: ``[D]``.
        loglike_: the log-likelihood of all rows after each pass.
        n_iter_: how many passes.
        model_: the core model.
        fit_: the core's ``Fit``.
    """

    _rules = {**COMMON, "n_components": whole(1)}

    def __init__(
        self,
        n_components: int = 1,
        *,
        tol: float = 1e-6,
        max_iter: int = 1000,
        n_init: int | str = "auto",
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        covariance_floor: float = 1e-6,
    ) -> None:
        self.n_components = n_components
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.covariance_floor = covariance_floor

    def _begin(self, values: np.ndarray) -> Any:
        require_columns(int(self.n_components), values.shape[1], "n_components")
        return _blank(values.shape[1], int(self.n_components))

    def _publish(self) -> None:
        loadings, mean, noise = self._parts()
        self.components_ = loadings.T.astype(self.dtype_)
        self.mean_ = mean.astype(self.dtype_)
        self.noise_variance_ = float(noise[0])
        explained = (loadings**2).sum(axis=0) + noise[0]
        self.explained_variance_ = explained.astype(self.dtype_)
        self.loglike_ = loglike(self.fit_)

    def _parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return linear_parts(self.model_)


@lru_cache(maxsize=256)
def _blank(dim: int, factors: int) -> Any:
    likelihood = LinearGaussian(dim=dim, latent_dim=factors, isotropic=True)
    return LatentVariableModel(GaussianLatent(factors), likelihood)
