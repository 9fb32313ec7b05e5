"""A hidden Markov model with Poisson emissions."""

from typing import Any

import numpy as np

from latentia.distributions import Poisson

from .hidden_markov_shell import AbstractHiddenMarkov


class PoissonHMM(AbstractHiddenMarkov):
    """A sequence of hidden states, each with rates of its own for counts.

    The interface is hmmlearn's; for the parameters that are not listed see ``GaussianHMM``.

    Args:
        n_components: K, how many states.
        lambdas_prior, lambdas_weight: 0, which is no prior.
        params: which parameters are learned: s(tart), t(ransitions), l(ambdas).
        init_params: which parameters are started from the data; the others have to be set.

    Attributes:
        startprob_: ``[K]``.
        transmat_: ``[K, K]``.
        lambdas_: ``[K, D]``, the rates.
        monitor_, model_, fit_: as in ``GaussianHMM``.
    """

    _no_priors = {**AbstractHiddenMarkov._no_priors, "lambdas_prior": 0, "lambdas_weight": 0}
    _letters = {
        **AbstractHiddenMarkov._letters,
        "l": ("lambdas_", ("likelihood.emission.parts.rates",)),
    }

    def __init__(
        self,
        n_components: int = 1,
        startprob_prior: Any = 1.0,
        transmat_prior: Any = 1.0,
        lambdas_prior: Any = 0.0,
        lambdas_weight: Any = 0.0,
        algorithm: str = "viterbi",
        random_state: Any = None,
        n_iter: int = 1000,
        tol: float = 1e-6,
        verbose: bool = False,
        params: str = "stl",
        init_params: str = "stl",
        implementation: str = "log",
        *,
        n_init: int | str = "auto",
        pseudo_count: float = 0.0,
        stationary: bool = False,
    ) -> None:
        self.n_components = n_components
        self.startprob_prior = startprob_prior
        self.transmat_prior = transmat_prior
        self.lambdas_prior = lambdas_prior
        self.lambdas_weight = lambdas_weight
        self.algorithm = algorithm
        self.random_state = random_state
        self.n_iter = n_iter
        self.tol = tol
        self.verbose = verbose
        self.params = params
        self.init_params = init_params
        self.implementation = implementation
        self.n_init = n_init
        self.pseudo_count = pseudo_count
        self.stationary = stationary

    def _emission(self, columns: int, known: str) -> Any:
        unset = np.full((self.n_components, columns), np.nan)
        return Poisson(np.asarray(self.lambdas_, float) if "l" in known else unset)

    def _publish_emission(self, parts: Any) -> None:
        self.lambdas_ = np.array(parts.rates)
