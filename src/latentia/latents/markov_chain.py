"""A sequence of states, each of which depends on the one before."""

from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.constraints import simplex
from latentia.numerics import product_log, safe_log
from latentia.potentials import AbstractPotential, DiscretePotential, StepPotentials
from latentia.precision import on_host, precision_of
from latentia.typing import Key, Probabilities, Scalar, States, Weights

from .discrete import label_values, probabilities_or_unset
from .interface import AbstractLabelledPrior
from .markov_paths import drawn
from .markov_posterior import FORWARD_BACKWARD, MarkovMoments, MarkovPosterior
from .probabilities import permitted, shares_of
from .stationary import raised_transitions, stationary_distribution


class MarkovTotals(NamedTuple):
    """Expected first states ``[K]``, and expected moves from i to j, ``[K, K]``."""

    start: jax.Array
    moves: jax.Array


class MarkovChain(AbstractLabelledPrior):
    """A Markov chain of K states: z is a sequence ``[T]``, as long as x.

    Args:
        start: ``[K]``, the probability of each first state; or the number K, if they are to be
            learned; or None for a stationary chain, whose first state has the stationary
            distribution of the transitions.
        transitions: ``[K, K]``, the probability of state j after state i. What is 0 is forbidden
            and stays so. None if they are to be learned.
        stationary: with a number, whether the chain is stationary.
        length: T, how many steps ``sample`` draws.
    """

    start: Probabilities | None = eqx.field(metadata=simplex)
    transitions: jax.Array = eqx.field(metadata=simplex)
    length: int = eqx.field(static=True)
    free: int = eqx.field(static=True)

    def __init__(
        self,
        start: Any = None,
        transitions: Any = None,
        *,
        stationary: bool = False,
        length: int = 100,
    ) -> None:
        states = _number_of_states(start, transitions)
        if stationary and np.ndim(start) > 0:
            raise ValueError(
                "start of MarkovChain should be None if the chain is stationary, since it follows "
                "from the transitions: leave one of the two out."
            )
        if not isinstance(length, int | np.integer) or length < 1:
            raise ValueError(
                f"length of MarkovChain should be a whole number of at least 1, but is {length!r}."
            )
        given = np.full(states, np.nan) if np.ndim(start) == 0 else start
        stationary = stationary or start is None
        self.start = None if stationary else _probabilities(given, (states,), "start")
        moves = np.full((states, states), np.nan) if transitions is None else transitions
        self.transitions = _probabilities(moves, (states, states), "transitions")
        self.length = int(length)
        self.free = _free(self.start) + _free(self.transitions)

    def _like(self, start: Any, transitions: Any) -> Self:
        """The same kind of chain: what was forbidden at first is what is not counted."""
        return eqx.tree_at(
            lambda chain: (chain.start, chain.transitions),
            self,
            (start, transitions),
            is_leaf=lambda leaf: leaf is None,
        )

    @property
    def states(self) -> int:
        """K, the number of states."""
        return self.transitions.shape[-1]

    @property
    def stationary(self) -> bool:
        """Whether the first state has the stationary distribution."""
        return self.start is None

    @property
    def first(self) -> Probabilities:
        """``[K]``: the distribution of the first state."""
        return stationary_distribution(self.transitions) if self.start is None else self.start

    @property
    def algorithm(self) -> str:
        return FORWARD_BACKWARD

    def sample(self, key: Key) -> States:
        return drawn(key, self.first, self.transitions, self.length)

    def log_prob(self, z: States) -> Scalar:
        moves = safe_log(self.transitions)[z[:-1], z[1:]]
        return safe_log(self.first)[z[0]] + jnp.sum(moves)

    def accepts(self, potential: AbstractPotential) -> bool:
        return (
            isinstance(potential, StepPotentials)
            and isinstance(potential.steps, DiscretePotential)
            and potential.steps.log_values.shape[-1] == self.states
        )

    def condition(self, potential: StepPotentials) -> MarkovPosterior:
        steps: Any = potential.steps
        return MarkovPosterior.of(self.first, self.transitions, steps.log_values)

    def label(self, potential: StepPotentials, code: States) -> StepPotentials:
        dtype = self.transitions.dtype
        known = jax.vmap(lambda c: label_values(c, self.states, dtype))(code)
        return potential + StepPotentials(DiscretePotential(known))

    def uninformed(self, moments: MarkovMoments) -> Scalar:
        return moments.entropy

    def statistics(self, moments: MarkovMoments, weight: Weights) -> MarkovTotals:
        return MarkovTotals(
            weight @ moments.steps[:, 0], jnp.einsum("n,nij->ij", weight, moments.moves)
        )

    def maximize(self, statistics: MarkovTotals) -> Self:
        moves = shares_of(statistics.moves, self.transitions)
        if self.start is not None:
            return self._like(shares_of(statistics.start, self.start), moves)
        return self._like(None, raised_transitions(self.transitions, moves, *statistics))

    def imagine(self, other: Self, weight: Scalar) -> MarkovTotals:
        moves = other.shares()[:, None] * other.transitions
        return MarkovTotals(weight * other.first, weight * moves)

    def expected_log_prob(self, other: Self) -> Scalar:
        moves = other.shares()[:, None] * other.transitions
        first = jnp.sum(product_log(other.first, self.first))
        return first + jnp.sum(product_log(moves, self.transitions))

    def begin(self, assignment: jax.Array, weight: Weights) -> Self:
        """Chance decides half of the moves: rows in no order tell nothing of what follows what.

        What is forbidden, a probability of 0, stays so.
        """
        shares = weight @ assignment
        some = jnp.sum(shares)
        even = jnp.full(self.states, 1 / self.states, shares.dtype)
        shares = jnp.where(some > 0, shares / jnp.where(some > 0, some, 1.0), even)
        # No other state is out of reach at the start, since EM could never bring it back.
        mixed = 0.9 * shares + 0.1 * even
        moves = 0.5 * jnp.eye(self.states, dtype=mixed.dtype) + 0.5 * mixed
        start = None if self.start is None else permitted(mixed, self.start)
        return self._like(start, permitted(moves, self.transitions))

    def reorder(self, order: jax.Array) -> Self:
        start = None if self.start is None else self.start[order]
        return self._like(start, self.transitions[order][:, order])

    def shares(self) -> Probabilities:
        """``[K]``: how much of a long sequence each state takes."""
        with precision_of(self.transitions):
            return on_host(self._shares())

    def _shares(self) -> Probabilities:
        shares, halfway = self.first, 0.5 * self.transitions
        # The lazy chain goes where the chain goes on average, also where that has periods.
        power = halfway + 0.5 * jnp.eye(self.states, dtype=halfway.dtype)
        for _ in range(12):
            power = power @ power
            power = power / jnp.sum(power, axis=-1, keepdims=True)
        return shares @ power

    def degrees_of_freedom(self) -> int:
        return self.free

    def describe(self) -> str:
        kind = "stationary, " if self.stationary else ""
        return f"MarkovChain: {kind}a sequence of {self.states} states"


def _number_of_states(start: Any, transitions: Any) -> int:
    if isinstance(start, int | np.integer) and not isinstance(start, bool):
        states = int(start)
    elif np.ndim(start) == 1:
        states = int(np.size(start))
    elif np.ndim(transitions) == 2:
        states = np.shape(transitions)[1]
    else:
        states = 0
    if states < 1:
        raise ValueError(
            f"start of MarkovChain should be the number of states or their probabilities, but is "
            f"{start!r}: write MarkovChain(3), for instance."
        )
    return states


def _probabilities(value: Any, shape: tuple[int, ...], name: str) -> Any:
    if isinstance(value, jax.Array):
        return value
    array = np.asarray(value, dtype=np.result_type(np.asarray(value), np.float32))
    if array.shape != shape:
        raise ValueError(
            f"{name} of MarkovChain should have the shape {shape}, but has {array.shape}: give a "
            "probability for each state."
        )
    if not probabilities_or_unset(array):
        worst = int(np.argmax(np.abs(np.nansum(array, axis=-1) - 1)))
        row = f"row {worst} of {name}" if array.ndim > 1 else name
        shown = array[worst] if array.ndim > 1 else array
        raise ValueError(
            f"{row} of MarkovChain should be probabilities that sum to 1, but is {shown.tolist()}: "
            "divide them by their sum."
        )
    return array


def _free(probabilities: Any) -> int:
    """How many of some probabilities are free to choose: one for each row is not."""
    if probabilities is None or isinstance(probabilities, jax.Array):
        return 0
    allowed = np.isnan(probabilities) | (probabilities > 0)
    return int(allowed.sum()) - probabilities.size // probabilities.shape[-1]
