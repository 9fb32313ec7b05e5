"""Factor analysis."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import equinox as eqx
import numpy as np

from latentia.distributions import DiagonalGaussian
from latentia.latents import Discrete, GaussianLatent
from latentia.likelihoods import LinearGaussian, Switch
from latentia.model import LatentVariableModel

from .factor_shell import AbstractFactorEstimator, linear_parts, loglike, require_columns
from .initial_values import read_array
from .parameters import COMMON, flag, one_of, whole
from .rotation import ROTATIONS, rotate


class FactorAnalysis(AbstractFactorEstimator):
    """A linear map of a few factors, with noise of its own on each column; by maximum likelihood.

    It takes every parameter of scikit-learn's class of this name, and has every attribute and
    method. Beyond, it takes missing values and weights.

    Args:
        n_components: L, how many factors; by default as many as columns.
        tol: the distance of the log-likelihood per row to its limit at which to stop (in
            scikit-learn the size of a step of the log-likelihood of all rows).
        copy: without effect; the data are never changed.
        max_iter: the most passes over the data.
        noise_variance_init: ``[D]``, where every start begins.
        svd_method: without effect; the fit is exact.
        iterated_power: without effect.
        rotation: "varimax", "quartimax" or None. Without rotation the factors are those of Lawley
            and Maxwell: independent given the data, the most telling first.
        random_state: a whole number, a RandomState or None, for the starts and the draws.
        n_init: how many starts; "auto" is 4.
        warm_start: whether to begin where the last fit ended, if it was of the same sizes.
        verbose: whether to write the progress.
        verbose_interval: how many iterations are between two lines of it.
        covariance_floor: the smallest noise variance allowed, relative to the variance of the
            column; 0 is none. The likelihood may grow without limit as a noise variance vanishes.

    Attributes:
        components_: ``[L, D]``, the loadings.
        noise_variance_: ``[D]``.
        mean_: ``[D]``.
        loglike_: the log-likelihood of all rows after each pass.
        n_iter_: how many passes.
        model_: the core model.
        fit_: the core's ``Fit``.
    """

    _rules = {
        **COMMON,
        "n_components": whole(0, None),
        "max_iter": whole(1),
        "copy": flag,
        "svd_method": one_of("lapack", "randomized"),
        "iterated_power": whole(0),
        "rotation": one_of(None, *ROTATIONS),
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        tol: float = 1e-6,
        copy: bool = True,
        max_iter: int = 1000,
        noise_variance_init: Any = None,
        svd_method: str = "randomized",
        iterated_power: int = 3,
        rotation: str | None = None,
        random_state: Any = 0,
        n_init: int | str = "auto",
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        covariance_floor: float = 1e-6,
    ) -> None:
        self.n_components = n_components
        self.tol = tol
        self.copy = copy
        self.max_iter = max_iter
        self.noise_variance_init = noise_variance_init
        self.svd_method = svd_method
        self.iterated_power = iterated_power
        self.rotation = rotation
        self.random_state = random_state
        self.n_init = n_init
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.covariance_floor = covariance_floor

    def _begin(self, values: np.ndarray) -> Any:
        dim = values.shape[1]
        factors = dim if self.n_components is None else int(self.n_components)
        require_columns(factors, dim, "n_components")
        noise = self.noise_variance_init
        if noise is not None:
            noise = read_array(noise, (dim,), "noise_variance_init")
            if (noise <= 0).any():
                raise ValueError(f"noise_variance_init should be above 0, but is {noise}.")
        if noise is None or factors == 0:
            return _blank(dim, factors)
        likelihood = LinearGaussian(np.full((dim, factors), np.nan), noise=noise)
        return LatentVariableModel(GaussianLatent(factors), likelihood)

    def _publish(self) -> None:
        if self.rotation is not None and self._has_factors:
            rotated = rotate(self.model_.likelihood.loadings, self.rotation)
            self.model_ = eqx.tree_at(lambda m: m.likelihood.loadings, self.model_, rotated)
            self.fit_ = self.fit_ and replace(self.fit_, model=self.model_)
        loadings, mean, noise = self._parts()
        self.components_ = loadings.T.astype(self.dtype_)
        self.mean_ = mean.astype(self.dtype_)
        self.noise_variance_ = noise.astype(self.dtype_)
        self.loglike_ = loglike(self.fit_)

    @property
    def _has_factors(self) -> bool:
        return isinstance(self.model_.likelihood, LinearGaussian)

    def _parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if self._has_factors:
            return linear_parts(self.model_)
        alone = self.model_.likelihood.parts
        return np.zeros((alone.dim, 0)), alone.mean[0], alone.variances[0]


@lru_cache(maxsize=256)
def _blank(dim: int, factors: int) -> Any:
    if factors == 0:
        # Nothing but noise: a Gaussian with independent columns.
        return LatentVariableModel(Discrete(1), Switch(DiagonalGaussian(dim=dim), 1))
    likelihood = LinearGaussian(dim=dim, latent_dim=factors)
    return LatentVariableModel(GaussianLatent(factors), likelihood)
