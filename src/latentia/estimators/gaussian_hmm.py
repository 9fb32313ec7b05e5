"""A hidden Markov model with Gaussian emissions."""

from typing import Any

import numpy as np

from latentia.distributions import DiagonalGaussian, Gaussian, SphericalGaussian

from .hidden_markov_shell import AbstractHiddenMarkov
from .parameters import COMMON, one_of

_KINDS = {"full": Gaussian, "tied": Gaussian, "diag": DiagonalGaussian,
          "spherical": SphericalGaussian}  # fmt: skip
_NAMES = {"full": "covariance", "tied": "covariance", "diag": "variances", "spherical": "variance"}


class GaussianHMM(AbstractHiddenMarkov):
    """A sequence of hidden states, each with a Gaussian of its own.

    The interface is hmmlearn's. Other than there, the default is the maximum of the likelihood:
    many starts, accelerated EM to the tolerance, no priors, and values that are missing (NaN) are
    integrated out.

    Args:
        n_components: K, how many states.
        covariance_type: "diag", "full", "tied" or "spherical".
        min_covar: has no effect, as in hmmlearn; see ``covariance_floor``.
        startprob_prior, transmat_prior: 1, which is no prior.
        means_prior, means_weight, covars_prior, covars_weight: None or 0, which is no prior.
        algorithm: how ``predict`` decodes: "viterbi", or "map" for each step by itself.
        random_state: a whole number, a RandomState or None, for the starts and the draws.
        n_iter: the most passes over the data.
        tol: the distance of the log-likelihood per step to its limit at which to stop.
        verbose: has no effect; ``monitor_`` has the history.
        params: which parameters are learned: s(tart), t(ransitions), m(eans), c(ovariances).
        init_params: which parameters are started from the data; the others have to be set.
        implementation: has no effect: scaling is used where it is safe, and logarithms elsewhere.
        n_init: how many starts; "auto" is a portfolio of 16.
        covariance_floor: the smallest variance, relative to that of the data.
        pseudo_count: the weight of imaginary data for each state, distributed as all the data.
        stationary: whether the first state has the stationary distribution.

    Attributes:
        startprob_: ``[K]``.
        transmat_: ``[K, K]``.
        means_: ``[K, D]``.
        covars_: ``[K, D, D]``, whatever the type; set it in the shape of its type.
        monitor_: ``history``, ``converged`` and ``iter`` of the fit.
        model_: the core model.
        fit_: the core's ``Fit``.
    """

    _rules = {
        **AbstractHiddenMarkov._rules,
        "covariance_type": one_of(*_KINDS),
        "covariance_floor": COMMON["covariance_floor"],
    }
    _no_priors = {
        **AbstractHiddenMarkov._no_priors,
        "means_prior": 0, "means_weight": 0, "covars_prior": None, "covars_weight": None,
    }  # fmt: skip
    _letters = {**AbstractHiddenMarkov._letters, "m": ("means_", ()), "c": ("_covars_", ())}

    def __init__(
        self,
        n_components: int = 1,
        covariance_type: str = "diag",
        min_covar: float = 1e-3,
        startprob_prior: Any = 1.0,
        transmat_prior: Any = 1.0,
        means_prior: Any = 0,
        means_weight: Any = 0,
        covars_prior: Any = None,
        covars_weight: Any = None,
        algorithm: str = "viterbi",
        random_state: Any = None,
        n_iter: int = 1000,
        tol: float = 1e-6,
        verbose: bool = False,
        params: str = "stmc",
        init_params: str = "stmc",
        implementation: str = "log",
        *,
        n_init: int | str = "auto",
        covariance_floor: float = 1e-6,
        pseudo_count: float = 0.0,
        stationary: bool = False,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.min_covar = min_covar
        self.startprob_prior = startprob_prior
        self.transmat_prior = transmat_prior
        self.means_prior = means_prior
        self.means_weight = means_weight
        self.covars_prior = covars_prior
        self.covars_weight = covars_weight
        self.algorithm = algorithm
        self.random_state = random_state
        self.n_iter = n_iter
        self.tol = tol
        self.verbose = verbose
        self.params = params
        self.init_params = init_params
        self.implementation = implementation
        self.n_init = n_init
        self.covariance_floor = covariance_floor
        self.pseudo_count = pseudo_count
        self.stationary = stationary

    def _names(self, letter: str) -> tuple[str, ...]:
        where = {"m": "mean", "c": _NAMES[self.covariance_type]}
        if letter in where:
            return (f"likelihood.emission.parts.{where[letter]}",)
        return super()._names(letter)

    def _emission(self, columns: int, known: str) -> Any:
        mean = np.asarray(self.means_, float) if "m" in known else None
        columns = columns if mean is None else mean.shape[1]
        states, kind = self.n_components, self.covariance_type
        shape = {"full": (columns, columns), "tied": (columns, columns), "diag": (columns,),
                 "spherical": ()}[kind]  # fmt: skip
        spread = self._covars_ if "c" in known else np.full((states, *shape), np.nan)
        mean = np.full((states, columns), np.nan) if mean is None else mean
        if kind in ("full", "tied"):
            return Gaussian(mean, spread, tied=kind == "tied")
        return _KINDS[kind](mean, spread)

    def _publish_emission(self, parts: Any) -> None:
        self.means_ = np.array(parts.mean)
        self._covars_ = np.array(getattr(parts, _NAMES[self.covariance_type]))

    @property
    def covars_(self) -> np.ndarray:
        """``[K, D, D]``, the covariance of each state."""
        held = self._covars_
        columns = np.shape(self.means_)[1]
        if self.covariance_type in ("full", "tied"):
            return held.copy()
        each = held if self.covariance_type == "diag" else held[:, None]
        return each[:, None] * np.eye(columns)

    @covars_.setter
    def covars_(self, value: Any) -> None:
        array = np.array(value, float)
        axes = {"full": 3, "tied": 2, "diag": 2, "spherical": 1}[self.covariance_type]
        if array.ndim != axes:
            raise ValueError(
                f"covars_ should have {axes} axes for covariance_type={self.covariance_type!r}, "
                f"but has the shape {array.shape}: give one row for each state, or one matrix for "
                "'tied'."
            )
        if self.covariance_type == "tied":
            array = np.tile(array, (self.n_components, 1, 1))
        self._covars_ = array
