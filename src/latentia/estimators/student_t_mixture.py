"""The mixture of Student t distributions: clusters among outliers."""

from functools import lru_cache
from numbers import Real
from typing import Any

import numpy as np

from latentia.distributions import DiagonalStudentT, StudentT
from latentia.distributions.scale_terms import HIGHEST_DF, LOWEST_DF
from latentia.latents import Discrete
from latentia.likelihoods import Switch
from latentia.model import LatentVariableModel

from .mixture_shell import MIXTURE, AbstractMixtureEstimator
from .parameters import one_of
from .summary import Report
from .validation import column_names, read_numbers

_FAMILIES = {"full": StudentT, "diag": DiagonalStudentT}


def degrees(value: Any) -> str:
    """None, or degrees of freedom within the range of the family."""
    real = isinstance(value, Real) and not isinstance(value, bool)
    fits = value is None or (real and LOWEST_DF <= float(value) <= HIGHEST_DF)
    return "" if fits else f"None, or a number from {LOWEST_DF:g} to {HIGHEST_DF:g}"


class StudentTMixture(AbstractMixtureEstimator):
    """A mixture of multivariate Student t distributions, fitted by maximum likelihood.

    Heavy tails take up the outliers that would bend the components of a Gaussian mixture, or call
    for components of their own (Peel and McLachlan 2000, "Robust mixture modelling using the t
    distribution"). It takes missing values, weights and partial labels.

    Args:
        n_components: K, how many components.
        covariance_type: "full", or "diag" for scatters without correlations.
        df: degrees of freedom from 0.5 to 1000, the same for all; None learns one for each
            component. 1 is Cauchy's distribution, and 1000 next to no different from a Gaussian.
        tol: the distance of the log-likelihood per row to its limit at which to stop.
        max_iter: the most passes over the data.
        n_init: how many starts; "auto" is a portfolio of 16, or one of a given ``init_params``.
        init_params: "auto", "kmeans", "k-means++", "random" or "random_from_data".
        random_state: a whole number, a RandomState or None, for the starts and the draws.
        warm_start: whether to begin where the last fit ended, if it was of the same sizes.
        verbose: whether to write the progress.
        verbose_interval: how many iterations are between two lines of it.
        covariance_floor: the smallest scatter allowed, relative to the variance of the data; 0 is
            none.

    Attributes:
        weights_: ``[K]``, in falling order.
        locations_: ``[K, D]``: the means, where ``df_`` is above 1.
        scatters_: ``[K, D, D]``, or ``[K, D]`` for "diag": times ``df_ / (df_ - 2)`` they are the
            covariances, where ``df_`` is above 2.
        df_: ``[K]``.
        converged_, n_iter_, lower_bound_, lower_bounds_: as in ``GaussianMixture``.
        model_: the core model.
        fit_: the core's ``Fit``.
    """

    _rules = {**MIXTURE, "covariance_type": one_of(*_FAMILIES), "df": degrees}

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        df: float | None = None,
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
        self.covariance_type = covariance_type
        self.df = df
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.covariance_floor = covariance_floor

    def _read(self, X: Any, reset: bool) -> np.ndarray:
        return read_numbers(self, X, reset=reset)

    def _begin(self, values: np.ndarray) -> tuple[Any, bool]:
        df = None if self.df is None else float(self.df)
        return _blank(self.covariance_type, int(self.n_components), values.shape[1], df), False

    def _publish(self) -> None:
        parts = self.model_.likelihood.parts
        full = self.covariance_type == "full"
        self.weights_ = self.model_.prior.weights.astype(self.dtype_)
        self.locations_ = parts.location.astype(self.dtype_)
        self.scatters_ = (parts.scatter if full else parts.scatters).astype(self.dtype_)
        self.df_ = (parts.fixed_df if parts.df is None else parts.df).astype(self.dtype_)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Draw rows ``[n_samples, D]`` and the component of each."""
        z, x = self._draw(n_samples, random_state)
        return x, z[:n_samples].astype(np.int64)

    def _report(self) -> Report:
        columns = zip(self.weights_, self.df_, *self.locations_.T, strict=True)
        rows = [(k, *row) for k, row in enumerate(columns)]
        title = f"{len(self.weights_)} Student t components, {self.covariance_type} scatters"
        return Report(title, ["component", "weight", "df", *column_names(self)], rows)


@lru_cache(maxsize=256)
def _blank(kind: str, states: int, dim: int, df: float | None) -> Any:
    family = _FAMILIES[kind](dim=dim, fixed_df=df)
    return LatentVariableModel(Discrete(states), Switch(family, states))
