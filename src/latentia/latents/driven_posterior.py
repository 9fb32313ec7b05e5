"""What is known of a Markov chain that covariates drive, after a sequence was seen."""

from typing import NamedTuple, Self

import jax
from jaxtyping import Array, Float

from latentia.typing import Key, Scalar, States
from latentia.verdict import Exactness

from .interface import AbstractSequencePosterior
from .markov_posterior import MarkovPosterior


class DrivenMoments(NamedTuple):
    """``steps [T, K]``, the probability of each state; ``moves [T-1, K, K]``, of each move from i
    to j; ``entropy ()`` of the whole sequence of states; the covariates ``given [T, P]``."""

    steps: Array
    moves: Array
    entropy: Scalar
    given: Array


class DrivenPosterior(AbstractSequencePosterior):
    """The posterior of a sequence of states, a Markov chain with moves of its own at every step.

    Attributes:
        log_evidence: log p(x), given the covariates.
        chain: the same as a ``MarkovPosterior`` with transitions and moves ``[T-1, K, K]``.
        given: ``[T, P]``, the covariates.
    """

    log_evidence: jax.Array
    chain: MarkovPosterior
    given: Float[Array, "T P"]

    @classmethod
    def of(cls, start: Array, moves: Array, log_values: Array, given: Array) -> Self:
        """The posterior by forward-backward, from the moves into every step but the first."""
        chain = MarkovPosterior.of(start, moves, log_values)
        return cls(chain.log_evidence, chain, given)

    @property
    def probabilities(self) -> Float[Array, "T K"]:
        """``[T, K]``, of each state at each step given the whole sequence."""
        return self.chain.probabilities

    @property
    def filtered(self) -> Float[Array, "T K"]:
        """``[T, K]``, the same given the sequence up to that step."""
        return self.chain.filtered

    @property
    def exactness(self) -> Exactness:
        return self.chain.exactness

    @property
    def method(self) -> str:
        return self.chain.method

    @property
    def moments(self) -> DrivenMoments:
        return DrivenMoments(*self.chain.moments, self.given)

    def mode(self) -> States:
        return self.chain.mode()

    def sample(self, key: Key) -> States:
        return self.chain.sample(key)

    def log_prob(self, z: States) -> Scalar:
        return self.chain.log_prob(z)

    def cut(self, length: int) -> Self:
        return type(self)(self.log_evidence, self.chain.cut(length), self.given[:length])
