"""A sequence of states that each last for a time of their own."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.constraints import simplex
from latentia.numerics import product_log, safe_log
from latentia.potentials import AbstractPotential, DiscretePotential, StepPotentials
from latentia.precision import on_host, precision_of
from latentia.typing import Key, Probabilities, Scalar, States, Weights
from latentia.verdict import Exactness

from .discrete import label_values, probabilities_or_unset
from .interface import AbstractLabelledPrior, AbstractSequencePosterior
from .markov_chain import MarkovTotals
from .markov_posterior import MarkovMoments, MarkovPosterior
from .probabilities import permitted, shares_of

_ALGORITHM = "forward-backward over states and their ages"


class SemiMarkovPosterior(AbstractSequencePosterior):
    """The posterior of a sequence of states; ``aged`` is that of states with their ages."""

    aged: MarkovPosterior
    states: int = eqx.field(static=True)

    @property
    def log_evidence(self) -> jax.Array:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.aged.log_evidence

    @property
    def exactness(self) -> Exactness:
        return Exactness.EXACT

    @property
    def method(self) -> str:
        return _ALGORITHM

    @property
    def probabilities(self) -> jax.Array:
        """``[T, K]``: the probability of each state at each step."""
        each = self.aged.probabilities
        return jnp.sum(each.reshape(*each.shape[:-1], self.states, -1), axis=-1)

    @property
    def moments(self) -> MarkovMoments:
        found = self.aged.moments
        return MarkovMoments(self.probabilities, found.moves, found.entropy)

    @property
    def _ages(self) -> int:
        return self.aged.start.shape[-1] // self.states

    def mode(self) -> States:
        """The most probable sequence: a state's age follows from the sequence itself."""
        return self.aged.mode() // self._ages

    def sample(self, key: Key) -> States:
        return self.aged.sample(key) // self._ages

    def log_prob(self, z: States) -> Scalar:
        codes, fits = _with_ages(z, self._ages)
        return jnp.where(fits, self.aged.log_prob(codes), -jnp.inf)

    def cut(self, length: int) -> Self:
        return eqx.tree_at(lambda whole: whole.aged, self, self.aged.cut(length))


class SemiMarkovChain(AbstractLabelledPrior):
    """A chain of K states in which each visit lasts 1 to M steps, with probabilities of its own.

    A hidden semi-Markov model, or explicit-duration model (Ferguson 1980; Yu 2010). The last visit
    is cut off by the end of the sequence. It is a Markov chain of states with their ages, so its
    cost is that of K M states.

    Args:
        start: ``[K]``, the probability of each first state, or the number K.
        transitions: ``[K, K]``, the probability of state j after a visit to i; the diagonal is 0.
            None if they are to be learned.
        durations: ``[K, M]``, the probability of each length of a visit. None if they are to be
            learned.
        longest: M, in place of ``durations``.
        length: T, how many steps ``sample`` draws.
    """

    start: Probabilities = eqx.field(metadata=simplex)
    transitions: jax.Array = eqx.field(metadata=simplex)
    durations: jax.Array = eqx.field(metadata=simplex)
    length: int = eqx.field(static=True)

    def __init__(
        self,
        start: Any,
        transitions: Any = None,
        durations: Any = None,
        *,
        longest: int | None = None,
        length: int = 100,
    ) -> None:
        states = int(start) if np.ndim(start) == 0 else int(np.size(start))
        if states < 2:
            raise ValueError(
                f"start of SemiMarkovChain should be at least 2 states, but is {start!r}: a visit "
                "has to end in another state."
            )
        if durations is None and (longest is None or longest < 1):
            raise ValueError(
                f"longest of SemiMarkovChain should be a whole number of at least 1, but is "
                f"{longest!r}: give the most steps of a visit, or durations."
            )
        self.start = _given(np.full(states, np.nan) if np.ndim(start) == 0 else start, "start")
        moves = np.where(np.eye(states) > 0, 0.0, np.nan) if transitions is None else transitions
        self.transitions = _given(moves, "transitions")
        self.durations = _given(
            np.full((states, longest or 1), np.nan) if durations is None else durations, "durations"
        )
        self.length = length
        shapes = np.shape(self.transitions)[-2:], np.shape(self.durations)[-2]
        if shapes != ((states, states), states):
            raise ValueError(
                f"transitions and durations of SemiMarkovChain should have a row for each of the "
                f"{states} states, but have the shapes {np.shape(self.transitions)} and "
                f"{np.shape(self.durations)}."
            )

    def _like(self, start: Any, transitions: Any, durations: Any) -> Self:
        return type(self)(start, transitions, durations, length=self.length)

    @property
    def states(self) -> int:
        """K, the number of states."""
        return self.transitions.shape[-1]

    @property
    def longest(self) -> int:
        """M, the most steps of a visit."""
        return self.durations.shape[-1]

    @property
    def algorithm(self) -> str:
        return _ALGORITHM

    def _aged(self) -> tuple[jax.Array, jax.Array]:
        """Start ``[K M]`` and moves ``[K M, K M]`` of states with their ages."""
        states, longest = self.states, self.longest
        start = jnp.zeros((states, longest), self.start.dtype).at[:, 0].set(self.start)
        ends = _hazards(self.durations)
        leave = ends[:, :, None] * self.transitions[:, None, :]
        moves = jnp.zeros((states, longest, states, longest), leave.dtype)
        moves = moves.at[:, :, :, 0].add(leave)
        k, a = np.meshgrid(np.arange(states), np.arange(longest - 1), indexing="ij")
        moves = moves.at[k, a, k, a + 1].add(1 - ends[:, :-1])
        return start.ravel(), moves.reshape(states * longest, states * longest)

    def sample(self, key: Key) -> States:
        start, moves = self._aged()
        keys = jax.random.split(key, self.length)
        first = jax.random.categorical(keys[0], safe_log(start))

        def step(code: jax.Array, key: Key) -> tuple[jax.Array, jax.Array]:
            following = jax.random.categorical(key, safe_log(moves)[code])
            return following, following

        _, others = jax.lax.scan(step, first, keys[1:])
        return jnp.concatenate([first[None], others]) // self.longest

    def log_prob(self, z: States) -> Scalar:
        start, moves = self._aged()
        codes, fits = _with_ages(z, self.longest)
        value = safe_log(start)[codes[0]] + jnp.sum(safe_log(moves)[codes[:-1], codes[1:]])
        return jnp.where(fits, value, -jnp.inf)

    def accepts(self, potential: AbstractPotential) -> bool:
        return (
            isinstance(potential, StepPotentials)
            and isinstance(potential.steps, DiscretePotential)
            and potential.steps.log_values.shape[-1] == self.states
        )

    def condition(self, potential: StepPotentials) -> SemiMarkovPosterior:
        steps: Any = potential.steps
        values = jnp.repeat(steps.log_values, self.longest, axis=-1)
        aged = MarkovPosterior.of(*self._aged(), values)
        return SemiMarkovPosterior(aged=aged, states=self.states)  # pyright: ignore[reportCallIssue]

    def label(self, potential: StepPotentials, code: States) -> StepPotentials:
        known = jax.vmap(lambda c: label_values(c, self.states, self.start.dtype))(code)
        return potential + StepPotentials(DiscretePotential(known))

    def uninformed(self, moments: MarkovMoments) -> Scalar:
        return moments.entropy

    def statistics(self, moments: MarkovMoments, weight: Weights) -> MarkovTotals:
        moves = jnp.einsum("n,nij->ij", weight, moments.moves)
        return MarkovTotals(weight @ moments.steps[:, 0], moves)

    def maximize(self, statistics: MarkovTotals) -> Self:
        states, longest = self.states, self.longest
        moves = statistics.moves.reshape(states, longest, states, longest)
        left = moves[:, :, :, 0]
        k, a = np.meshgrid(np.arange(states), np.arange(longest - 1), indexing="ij")
        stayed = jnp.pad(moves[k, a, k, a + 1], ((0, 0), (0, 1)))
        # With one state of age 1 after another of age 1, leaving and staying never meet.
        ended = jnp.sum(left, axis=-1)
        total = ended + stayed
        ends = jnp.where(
            total > 0, ended / jnp.where(total > 0, total, 1.0), _hazards(self.durations)
        )
        return self._like(
            shares_of(statistics.start, self.start),
            shares_of(jnp.sum(left, axis=1), self.transitions),
            _from_hazards(ends),
        )

    def imagine(self, other: Self, weight: Scalar) -> MarkovTotals:
        return MarkovTotals(weight * other.start, weight * other._traffic())

    def expected_log_prob(self, other: Self) -> Scalar:
        _, moves = self._aged()
        first = jnp.sum(product_log(other.start, self.start))
        return first + jnp.sum(product_log(other._traffic(), moves))

    def _traffic(self) -> jax.Array:
        """Expected moves of one step of a long sequence, ``[K M, K M]``."""
        start, moves = self._aged()
        power = 0.5 * (moves + jnp.eye(moves.shape[0], dtype=moves.dtype))
        for _ in range(12):
            power = power @ power
            power = power / jnp.sum(power, axis=-1, keepdims=True)
        return (start @ power)[:, None] * moves

    def begin(self, assignment: jax.Array, weight: Weights) -> Self:
        shares = weight @ assignment
        even = jnp.full(self.states, 1 / self.states, shares.dtype)
        some = jnp.sum(shares)
        shares = jnp.where(some > 0, shares / jnp.where(some > 0, some, 1.0), even)
        mixed = 0.9 * shares + 0.1 * even
        moves = jnp.tile(mixed, (self.states, 1)) * (1 - jnp.eye(self.states, dtype=mixed.dtype))
        ends = jnp.full((self.states, self.longest), 0.3, mixed.dtype).at[:, -1].set(1.0)
        durations = permitted(_from_hazards(ends), self.durations)
        return self._like(
            permitted(mixed, self.start), permitted(moves, self.transitions), durations
        )

    def reorder(self, order: jax.Array) -> Self:
        moves = self.transitions[order][:, order]
        return self._like(self.start[order], moves, self.durations[order])

    def shares(self) -> Probabilities:
        """``[K]``: how much of a long sequence each state takes."""
        with precision_of(self.start):
            each = jnp.sum(self._traffic(), axis=1).reshape(self.states, -1)
            return on_host(jnp.sum(each, axis=-1))

    def degrees_of_freedom(self) -> int:
        # A state has one way out fewer than there are others to go to.
        moves = self.states * (self.states - 2)
        return self.states - 1 + moves + self.states * (self.longest - 1)

    def describe(self) -> str:
        return f"SemiMarkovChain: {self.states} states that each last up to {self.longest} steps"


def _with_ages(z: States, longest: int) -> tuple[jax.Array, jax.Array]:
    """The codes ``[T]`` of states with their ages, and whether no visit lasts too long."""

    def step(carry: Any, state: jax.Array) -> Any:
        before, age = carry
        age = jnp.where(state == before, age + 1, 0)
        return (state, age), age

    _, ages = jax.lax.scan(step, (jnp.full_like(z[0], -1), jnp.zeros_like(z[0])), z)
    return z * longest + jnp.minimum(ages, longest - 1), jnp.all(ages < longest)


def _hazards(durations: jax.Array) -> jax.Array:
    """The probability that a visit ends at each age, if it lasted so long; at last it does."""
    left = jnp.flip(jnp.cumsum(jnp.flip(durations, -1), axis=-1), -1)
    ends = jnp.where(left > 0, durations / jnp.where(left > 0, left, 1.0), 1.0)
    return ends.at[..., -1].set(1.0)


def _from_hazards(ends: jax.Array) -> jax.Array:
    ends = ends.at[..., -1].set(1.0)
    before = jnp.cumprod(1 - ends[..., :-1], axis=-1)
    durations = ends * jnp.concatenate([jnp.ones_like(ends[..., :1]), before], axis=-1)
    return durations / jnp.sum(durations, axis=-1, keepdims=True)


def _given(value: Any, name: str) -> Any:
    if isinstance(value, jax.Array):
        return value
    array = np.asarray(value, dtype=np.result_type(np.asarray(value), np.float32))
    if not probabilities_or_unset(array):
        raise ValueError(
            f"{name} of SemiMarkovChain should be probabilities that sum to 1 in every row, but is "
            f"{array.tolist()}: divide them by their sum."
        )
    return array
