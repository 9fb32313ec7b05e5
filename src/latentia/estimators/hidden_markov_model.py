"""A hidden Markov model with emissions of any family."""

from typing import Any

import jax
import numpy as np

from latentia.distributions import AbstractFamily

from .hidden_markov_shell import AbstractHiddenMarkov
from .parameters import COMMON


class HiddenMarkovModel(AbstractHiddenMarkov):
    """A sequence of hidden states, each with a distribution of any family of the library.

    The interface is hmmlearn's; for the parameters that are not listed see ``GaussianHMM``.

    Args:
        n_components: K, how many states.
        emission: the family of one state, such as ``Product(Gaussian(dim=2), Poisson(dim=1))``.

    Attributes:
        startprob_: ``[K]``.
        transmat_: ``[K, K]``.
        emission_: the family with the parameters of all states, stacked.
        monitor_, model_, fit_: as in ``GaussianHMM``.
    """

    _rules = {
        **AbstractHiddenMarkov._rules,
        "covariance_floor": COMMON["covariance_floor"],
        "emission": lambda value: "" if isinstance(value, AbstractFamily) else "a family",
    }
    _no_priors = {}
    _letters = {**AbstractHiddenMarkov._letters, "e": ("emission_", ())}

    def __init__(
        self,
        n_components: int = 1,
        emission: Any = None,
        *,
        algorithm: str = "viterbi",
        random_state: Any = None,
        n_iter: int = 1000,
        tol: float = 1e-6,
        params: str = "ste",
        init_params: str = "ste",
        n_init: int | str = "auto",
        covariance_floor: float = 1e-6,
        pseudo_count: float = 0.0,
        stationary: bool = False,
    ) -> None:
        self.n_components = n_components
        self.emission = emission
        self.algorithm = algorithm
        self.random_state = random_state
        self.n_iter = n_iter
        self.tol = tol
        self.params = params
        self.init_params = init_params
        self.n_init = n_init
        self.covariance_floor = covariance_floor
        self.pseudo_count = pseudo_count
        self.stationary = stationary

    def _names(self, letter: str) -> tuple[str, ...]:
        if letter != "e":
            return super()._names(letter)
        stem = "likelihood.emission.parts"
        paths = jax.tree_util.tree_leaves_with_path(self.emission)
        return tuple(stem + jax.tree_util.keystr(path) for path, _ in paths)

    def _emission(self, columns: int, known: str) -> Any:
        if "e" in known:
            return self.emission_
        repeat = self.n_components
        return jax.tree.map(lambda leaf: np.stack([np.asarray(leaf)] * repeat), self.emission)

    def _publish_emission(self, parts: Any) -> None:
        self.emission_ = parts
