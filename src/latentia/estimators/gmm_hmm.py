"""A hidden Markov model whose emissions are Gaussian mixtures."""

from typing import Any

import numpy as np

from latentia.distributions import DiagonalGaussian, Gaussian, Mixture, SphericalGaussian

from .hidden_markov_shell import AbstractHiddenMarkov
from .parameters import COMMON, one_of, whole

_KINDS = {"full": Gaussian, "tied": Gaussian, "diag": DiagonalGaussian,
          "spherical": SphericalGaussian}  # fmt: skip
_NAMES = {"full": "covariance", "tied": "covariance", "diag": "variances", "spherical": "variance"}


class GMMHMM(AbstractHiddenMarkov):
    """A sequence of hidden states, each with a Gaussian mixture of its own.

    The interface is hmmlearn's; for the parameters that are not listed see ``GaussianHMM``.

    Args:
        n_components: K, how many states.
        n_mix: M, how many Gaussians each state has.
        covariance_type: "diag", "full", "tied" (one covariance for the M of a state) or
            "spherical".
        weights_prior: 1, which is no prior.
        means_prior, means_weight, covars_prior, covars_weight: None or 0, which is no prior.
        params: which parameters are learned: s(tart), t(ransitions), m(eans), c(ovariances),
            w(eights).
        init_params: which parameters are started from the data; the others have to be set.

    Attributes:
        startprob_: ``[K]``.
        transmat_: ``[K, K]``.
        weights_: ``[K, M]``.
        means_: ``[K, M, D]``.
        covars_: ``[K, M, D, D]`` if full, ``[K, D, D]`` if tied, ``[K, M, D]`` if diagonal and
            ``[K, M]`` if spherical.
        monitor_, model_, fit_: as in ``GaussianHMM``.
    """

    _rules = {
        **AbstractHiddenMarkov._rules,
        "covariance_type": one_of(*_KINDS),
        "covariance_floor": COMMON["covariance_floor"],
        "n_mix": whole(1),
    }
    _no_priors = {
        **AbstractHiddenMarkov._no_priors, "weights_prior": 1.0,
        "means_prior": 0, "means_weight": 0, "covars_prior": None, "covars_weight": None,
    }  # fmt: skip
    _letters = {
        **AbstractHiddenMarkov._letters,
        "m": ("means_", ()), "c": ("covars_", ()), "w": ("weights_", ()),
    }  # fmt: skip

    def __init__(
        self,
        n_components: int = 1,
        n_mix: int = 1,
        min_covar: float = 1e-3,
        startprob_prior: Any = 1.0,
        transmat_prior: Any = 1.0,
        weights_prior: Any = 1.0,
        means_prior: Any = 0.0,
        means_weight: Any = 0.0,
        covars_prior: Any = None,
        covars_weight: Any = None,
        algorithm: str = "viterbi",
        covariance_type: str = "diag",
        random_state: Any = None,
        n_iter: int = 1000,
        tol: float = 1e-6,
        verbose: bool = False,
        params: str = "stmcw",
        init_params: str = "stmcw",
        implementation: str = "log",
        *,
        n_init: int | str = "auto",
        covariance_floor: float = 1e-6,
        pseudo_count: float = 0.0,
        stationary: bool = False,
    ) -> None:
        self.n_components = n_components
        self.n_mix = n_mix
        self.min_covar = min_covar
        self.startprob_prior = startprob_prior
        self.transmat_prior = transmat_prior
        self.weights_prior = weights_prior
        self.means_prior = means_prior
        self.means_weight = means_weight
        self.covars_prior = covars_prior
        self.covars_weight = covars_weight
        self.algorithm = algorithm
        self.covariance_type = covariance_type
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
        where = {"m": "parts.mean", "c": f"parts.{_NAMES[self.covariance_type]}", "w": "weights"}
        if letter in where:
            return (f"likelihood.emission.parts.{where[letter]}",)
        return super()._names(letter)

    def _emission(self, columns: int, known: str) -> Any:
        size = (self.n_components, self.n_mix)
        if "m" in known:
            columns = np.shape(self.means_)[-1]
        square, kind = (columns, columns), self.covariance_type
        shape = {"full": square, "tied": square, "diag": (columns,), "spherical": ()}[kind]
        mean = np.asarray(self.means_, float) if "m" in known else np.full((*size, columns), np.nan)
        spread = np.full((*size, *shape), np.nan)
        if "c" in known:
            given = np.asarray(self.covars_, float)
            spread[:] = given[:, None] if kind == "tied" else given
        weights = np.asarray(self.weights_, float) if "w" in known else np.full(size, np.nan)
        tied = {"tied": kind == "tied"} if kind in ("full", "tied") else {}
        return Mixture(weights, _KINDS[kind](mean, spread, **tied))

    def _publish_emission(self, parts: Any) -> None:
        self.weights_ = np.array(parts.weights)
        self.means_ = np.array(parts.parts.mean)
        spread = np.array(getattr(parts.parts, _NAMES[self.covariance_type]))
        self.covars_ = spread[:, 0] if self.covariance_type == "tied" else spread
