"""A hidden Markov model with categorical emissions."""

from typing import Any

import numpy as np

from latentia.distributions import Categorical

from .hidden_markov_shell import AbstractHiddenMarkov


class CategoricalHMM(AbstractHiddenMarkov):
    """A sequence of hidden states, each of which chooses among categories in its own way.

    The interface is hmmlearn's; for the parameters that are not listed see ``GaussianHMM``. ``X``
    is one column of whole numbers from 0, and NaN where a category is missing.

    Args:
        n_components: K, how many states.
        emissionprob_prior: 1, which is no prior.
        n_features: how many categories there are; None is as many as ``fit`` sees.
        params: which parameters are learned: s(tart), t(ransitions), e(missions).
        init_params: which parameters are started from the data; the others have to be set.

    Attributes:
        startprob_: ``[K]``.
        transmat_: ``[K, K]``.
        emissionprob_: ``[K, n_features]``.
        monitor_, model_, fit_: as in ``GaussianHMM``.
    """

    _no_priors = {**AbstractHiddenMarkov._no_priors, "emissionprob_prior": 1.0}
    _letters = {
        **AbstractHiddenMarkov._letters,
        "e": ("emissionprob_", ("likelihood.emission.parts.probabilities",)),
    }

    def __init__(
        self,
        n_components: int = 1,
        startprob_prior: Any = 1.0,
        transmat_prior: Any = 1.0,
        *,
        emissionprob_prior: Any = 1.0,
        n_features: int | None = None,
        algorithm: str = "viterbi",
        random_state: Any = None,
        n_iter: int = 1000,
        tol: float = 1e-6,
        verbose: bool = False,
        params: str = "ste",
        init_params: str = "ste",
        implementation: str = "log",
        n_init: int | str = "auto",
        pseudo_count: float = 0.0,
        stationary: bool = False,
    ) -> None:
        self.n_components = n_components
        self.startprob_prior = startprob_prior
        self.transmat_prior = transmat_prior
        self.emissionprob_prior = emissionprob_prior
        self.n_features = n_features
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

    def _read(self, X: Any, *, reset: bool) -> np.ndarray:
        values = super()._read(X, reset=reset)
        if values.shape[1] != 1:
            raise ValueError(
                f"X should have 1 column, the categories, but has {values.shape[1]}: use "
                "HiddenMarkovModel with a Categorical emission for several."
            )
        seen = values[~np.isnan(values)]
        if (seen < 0).any() or (seen != np.floor(seen)).any():
            raise ValueError("X should hold whole numbers from 0, the categories: code them first.")
        most = int(seen.max(initial=-1)) + 1
        if reset:
            self._levels = most if self.n_features is None else int(self.n_features)
        levels = self._levels if reset else np.shape(self.emissionprob_)[1]
        if most > levels:
            raise ValueError(
                f"X should hold categories from 0 to {levels - 1}, but has {most - 1}: set "
                "n_features to the number of categories."
            )
        return values

    def _emission(self, columns: int, known: str) -> Any:
        if "e" in known:
            return Categorical(np.asarray(self.emissionprob_, float)[:, None])
        return Categorical(np.full((self.n_components, 1, self._levels), np.nan))

    def _publish_emission(self, parts: Any) -> None:
        self.emissionprob_ = np.array(parts.probabilities)[:, 0]
