"""What is known of a Markov chain after a sequence was seen."""

from typing import NamedTuple, Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from latentia.numerics import product_log, safe_log
from latentia.typing import Key, Probabilities, Scalar, States
from latentia.verdict import Exactness

from .forward_backward import forward_backward
from .interface import AbstractSequencePosterior

FORWARD_BACKWARD = "forward-backward"


class MarkovMoments(NamedTuple):
    """``steps [T, K]``, the probability of each state; ``moves``, expected moves from i to j, in
    all ``[K, K]`` or of each step ``[T-1, K, K]``; ``entropy ()`` of the whole sequence of states,
    in nats; and the covariates ``given [T, P]`` of a chain that is driven by some."""

    steps: Array
    moves: Array
    entropy: Scalar
    given: Array | None = None


class MarkovPosterior(AbstractSequencePosterior):
    """The posterior of a sequence of states, itself a Markov chain.

    Attributes:
        log_evidence: log p(x).
        probabilities: ``[T, K]``, of each state at each step given the whole sequence.
        filtered: ``[T, K]``, the same given the sequence up to that step.
        moves: ``[K, K]``, the expected number of moves from i to j; ``[T-1, K, K]``, of each step,
            if each has transitions of its own.
        given: ``[T, P]``, the covariates that drive the chain, if there are any.
    """

    log_evidence: jax.Array
    filtered: Float[Array, "T K"]
    probabilities: Float[Array, "T K"]
    moves: Array
    start: Probabilities
    transitions: Array
    log_values: Float[Array, "T K"]
    given: Float[Array, "T P"] | None

    @classmethod
    def of(
        cls, start: Array, transitions: Array, log_values: Array, given: Array | None = None
    ) -> Self:
        """The posterior by forward-backward, from the chain and the evidence for each state."""
        found = forward_backward(start, transitions, log_values)
        return cls(
            found.log_evidence,
            found.filtered,
            found.smoothed,
            found.moves,
            start,
            transitions,
            log_values,
            given,
        )

    @property
    def exactness(self) -> Exactness:
        return Exactness.EXACT

    @property
    def method(self) -> str:
        return FORWARD_BACKWARD

    @property
    def moments(self) -> MarkovMoments:
        # The entropy is the log evidence less the expected log joint density.
        certain = jnp.sum(product_log(self.probabilities[0], self.start))
        certain += jnp.sum(product_log(self.moves, self.transitions))
        likely = self.probabilities > 0
        certain += jnp.sum(jnp.where(likely, self.probabilities * self.log_values, 0.0))
        entropy = self.log_evidence - certain
        return MarkovMoments(self.probabilities, self.moves, entropy, self.given)

    def mode(self) -> States:
        """The most probable sequence of states, by Viterbi's algorithm (Viterbi 1967)."""
        varying, log_moves = self.transitions.ndim == 3, safe_log(self.transitions)

        def forward(best: Array, inputs: tuple[Array, Array | None]) -> tuple[Array, Array]:
            value, move = inputs
            paths = best[:, None] + (log_moves if move is None else move)
            return jnp.max(paths, axis=0) + value, jnp.argmax(paths, axis=0)

        first = safe_log(self.start) + self.log_values[0]
        each = log_moves if varying else None
        end, origins = jax.lax.scan(forward, first, (self.log_values[1:], each))

        def backward(state: Array, origin: Array) -> tuple[Array, Array]:
            before = origin[state]
            return before, before

        last = jnp.argmax(end)
        _, states = jax.lax.scan(backward, last, origins, reverse=True)
        return jnp.concatenate([states, last[None]])

    def sample(self, key: Key) -> States:
        """A path, by filtering forward and sampling backward."""
        log_moves, log_filtered = safe_log(self.transitions), safe_log(self.filtered)
        keys = jax.random.split(key, self.filtered.shape[0])

        def backward(
            later: Array, inputs: tuple[Array, Array, Array | None]
        ) -> tuple[Array, Array]:
            filtered, key, move = inputs
            into = (log_moves if move is None else move)[:, later]
            state = jax.random.categorical(key, filtered + into)
            return state, state

        last = jax.random.categorical(keys[-1], log_filtered[-1])
        each = log_moves if self.transitions.ndim == 3 else None
        _, states = jax.lax.scan(backward, last, (log_filtered[:-1], keys[:-1], each), reverse=True)
        return jnp.concatenate([states, last[None]])

    def log_prob(self, z: States) -> Scalar:
        values = jnp.take_along_axis(self.log_values, z[:, None], axis=1)
        each = jnp.broadcast_to(self.transitions, (len(z) - 1, *self.transitions.shape[-2:]))
        moves = safe_log(each[jnp.arange(len(z) - 1), z[:-1], z[1:]])
        joint = safe_log(self.start)[z[0]] + jnp.sum(moves) + jnp.sum(values)
        return joint - self.log_evidence

    def cut(self, length: int) -> Self:
        return type(self)(
            self.log_evidence,
            self.filtered[:length],
            self.probabilities[:length],
            self.moves if self.moves.ndim == 2 else self.moves[: length - 1],
            self.start,
            self.transitions if self.transitions.ndim == 2 else self.transitions[: length - 1],
            self.log_values[:length],
            None if self.given is None else self.given[:length],
        )
