"""A Markov chain whose moves depend on covariates."""

import math
from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.constraints import simplex
from latentia.numerics import product_log, safe_log, solve_dependent
from latentia.potentials import (
    AbstractPotential,
    DiscretePotential,
    DrivenPotentials,
    StepPotentials,
)
from latentia.precision import on_host, precision_of
from latentia.typing import Key, Probabilities, Scalar, States, Weights

from .discrete import label_values, probabilities_or_unset
from .interface import AbstractLabelledPrior
from .markov_chain import MarkovChain
from .markov_paths import drawn
from .markov_posterior import FORWARD_BACKWARD, MarkovMoments, MarkovPosterior
from .probabilities import permitted, shares_of


class DrivenTotals(NamedTuple):
    """Expected first states ``start [K]``; and of the moves from each state, at the parameters, the
    slope ``[K, K, P+1]`` of the log-likelihood and its curvature ``[K, K (P+1), K (P+1)]``."""

    start: jax.Array
    slope: jax.Array
    curvature: jax.Array


class DrivenMarkovChain(AbstractLabelledPrior):
    """A Markov chain of K states, driven by P covariates u (an input-driven, or non-homogeneous,
    chain): z is a sequence ``[T]``, as long as x.

    The move from i into step t goes to j with a probability proportional to
    ``exp(intercepts[i, j] + slopes[i, j] · u_t)``, a multinomial logistic regression for each state
    that is left, where staying has intercept and slopes 0. The likelihood hands the covariates on:
    ``PerStep(emission, drivers=P)``. Bengio and Frasconi 1996; with EM as here, Diebold, Lee and
    Weinbach 1994. The M-step is one step of Newton's method, which EM shortens where it overshoots.

    Args:
        start: ``[K]``, the probability of each first state; or the number K.
        intercepts: ``[K, K]``, log odds of each move against staying at u = 0.
        slopes: ``[K, K, P]``, what a unit of each covariate adds to them.
        covariates: P, in place of both, if they are to be learned.
    """

    start: Probabilities = eqx.field(metadata=simplex)
    intercepts: jax.Array
    slopes: jax.Array

    def __init__(
        self, start: Any, intercepts: Any = None, slopes: Any = None, *, covariates: int = 0
    ) -> None:
        states = int(start) if np.ndim(start) == 0 else np.shape(start)[0]
        first = np.full(states, np.nan) if np.ndim(start) == 0 else start
        count = int(covariates) if slopes is None else np.shape(slopes)[-1]
        if states < 2 or count < 1:
            raise ValueError(
                "DrivenMarkovChain should have at least 2 states and 1 covariate, but has "
                f"{states} and {count}: write DrivenMarkovChain(2, covariates=1), for instance."
            )
        self.start = _read(first, (states,), "start")
        if not isinstance(self.start, jax.Array) and not probabilities_or_unset(self.start):
            raise ValueError(
                "start of DrivenMarkovChain should be probabilities that sum to 1, but is "
                f"{self.start.tolist()}: divide them by their sum."
            )
        self.intercepts = _read(intercepts, (states, states), "intercepts")
        self.slopes = _read(slopes, (states, states, count), "slopes")

    def _like(self, start: Any, intercepts: Any, slopes: Any) -> Self:
        where = lambda chain: (chain.start, chain.intercepts, chain.slopes)  # noqa: E731
        return eqx.tree_at(where, self, (start, intercepts, slopes))

    @property
    def states(self) -> int:
        return self.intercepts.shape[-1]

    @property
    def covariates(self) -> int:
        """P."""
        return self.slopes.shape[-1]

    @property
    def algorithm(self) -> str:
        return FORWARD_BACKWARD

    def transitions(self, given: Any) -> jax.Array:
        """``[..., K, K]``: the chances of each move into a step with covariates ``[..., P]``."""
        with precision_of(self.slopes):
            return on_host(self._moves(jnp.asarray(given)))

    def _moves(self, given: jax.Array) -> jax.Array:
        return jax.nn.softmax(self.intercepts + jnp.einsum("...p,ijp->...ij", given, self.slopes))

    def sample(self, key: Key) -> States:
        raise ValueError(
            "given should be the covariates, since this chain describes z for given ones only: "
            "write sample(model, key, given=u)."
        )

    def sample_given(self, key: Key, given: jax.Array) -> States:
        """Draw a sequence for covariates ``[T, P]``."""
        return drawn(key, self.start, self._moves(given[1:]), given.shape[0])

    def log_prob(self, z: States) -> Scalar:
        raise ValueError(
            "given should be the covariates, since this chain describes z for given ones only: use "
            "log_prob_given."
        )

    def log_prob_given(self, z: States, given: jax.Array) -> Scalar:
        """The log probability of a sequence ``[T]``, for covariates ``[T, P]``."""
        moves = self._moves(given[1:])[jnp.arange(len(z) - 1), z[:-1], z[1:]]
        return safe_log(jnp.asarray(self.start))[z[0]] + jnp.sum(safe_log(moves))

    def accepts(self, potential: AbstractPotential) -> bool:
        return (
            isinstance(potential, DrivenPotentials)
            and isinstance(potential.steps, DiscretePotential)
            and potential.steps.log_values.shape[-1] == self.states
            and potential.given.shape[-1] == self.covariates
        )

    def condition(self, potential: DrivenPotentials) -> MarkovPosterior:
        steps: Any = potential.steps
        moves = self._moves(potential.given[1:])
        return MarkovPosterior.of(self.start, moves, steps.log_values, potential.given)

    def label(self, potential: DrivenPotentials, code: States) -> DrivenPotentials:
        dtype = self.intercepts.dtype
        known = jax.vmap(lambda c: label_values(c, self.states, dtype))(code)
        return potential + StepPotentials(DiscretePotential(known))

    def uninformed(self, moments: MarkovMoments) -> Scalar:
        return moments.entropy

    def statistics(self, moments: MarkovMoments, weight: Weights) -> DrivenTotals:
        start = weight @ moments.steps[:, 0]
        # One move after another, whichever sequence it is of.
        moves = (weight[:, None, None, None] * moments.moves).reshape(-1, *self.intercepts.shape)
        assert moments.given is not None
        given = moments.given[:, 1:].reshape(-1, self.covariates)
        return DrivenTotals(start, *self._slopes(moves, given))

    def _slopes(self, moves: jax.Array, given: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Slope and curvature of the expected log-likelihood of M moves ``[M, K, K]``."""
        inputs = jnp.concatenate([given, jnp.ones((given.shape[0], 1), given.dtype)], axis=-1)
        chances, left = self._moves(given), jnp.sum(moves, axis=-1)
        slope = jnp.einsum("mij,mp->ijp", moves - left[..., None] * chances, inputs)
        outer = jax.vmap(lambda row: jnp.outer(row, row).ravel())(inputs)
        alone = jnp.einsum("mij,mo->ijo", left[..., None] * chances, outer)
        both = jnp.einsum("mij,mik,mo->ijko", left[..., None] * chances, chances, outer)
        eye = jnp.eye(self.states, dtype=slope.dtype)
        bend = eye[None, :, :, None] * alone[:, :, None] - both
        states, size = self.states, inputs.shape[1]
        bend = bend.reshape(states, states, states, size, size).transpose(0, 1, 3, 2, 4)
        return slope, bend.reshape(states, states * size, states * size)

    def maximize(self, statistics: DrivenTotals) -> Self:
        start, slope, curvature = statistics
        states, size = self.states, slope.shape[-1]
        # Staying is what the others are measured against: its coefficients are 0.
        free = jnp.repeat(~jnp.eye(states, dtype=bool), size, axis=1)
        bend = jnp.where(free[:, :, None] & free[:, None, :], curvature, 0.0)
        pull = jnp.where(free, slope.reshape(states, -1), 0.0)
        change = solve_dependent(bend, pull).reshape(states, states, size)
        return self._like(
            shares_of(start, self.start),
            self.intercepts + change[..., -1],
            self.slopes + change[..., :-1],
        )

    def imagine(self, other: Self, weight: Scalar) -> DrivenTotals:
        given = self._imagined()
        each = jnp.asarray(other.shares())[:, None] * other._moves(given) / given.shape[0]
        return DrivenTotals(weight * other.start, *self._slopes(weight * each, given))

    def expected_log_prob(self, other: Self) -> Scalar:
        given = self._imagined()
        each = jnp.asarray(other.shares())[:, None] * other._moves(given) / given.shape[0]
        first = jnp.sum(product_log(other.start, self.start))
        return first + jnp.sum(product_log(each, self._moves(given)))

    def _imagined(self) -> jax.Array:
        """``[2P, P]``: covariates for imaginary moves, with mean 0 and covariance I."""
        apart = math.sqrt(self.covariates) * jnp.eye(self.covariates, dtype=self.slopes.dtype)
        return jnp.concatenate([apart, -apart])

    def begin(self, assignment: jax.Array, weight: Weights) -> Self:
        # In the precision of the data, whatever JAX's own default is.
        nothing = np.full((self.states, self.states), np.nan, assignment.dtype)
        chain = MarkovChain(nothing[0], nothing).begin(assignment, weight)
        logs = jnp.log(chain.transitions)
        odds = logs - jnp.diagonal(logs)[:, None]
        first: Any = chain.start
        return self._like(permitted(first, self.start), odds, jnp.zeros_like(self.slopes))

    def reorder(self, order: jax.Array) -> Self:
        return self._like(
            self.start[order], self.intercepts[order][:, order], self.slopes[order][:, order]
        )

    def shares(self) -> Probabilities:
        """``[K]``: how much of a long sequence each state takes, at covariates of 0."""
        moves = self.transitions(np.zeros(self.covariates, self.slopes.dtype))
        return MarkovChain(self.start, moves).shares()

    def degrees_of_freedom(self) -> int:
        return self.states - 1 + self.states * (self.states - 1) * (self.covariates + 1)

    def describe(self) -> str:
        plural = "s" if self.covariates > 1 else ""
        return (
            f"DrivenMarkovChain: a sequence of {self.states} states, whose moves depend on "
            f"{self.covariates} covariate{plural}"
        )


def _read(value: Any, shape: tuple[int, ...], name: str) -> Any:
    if value is None:
        return np.full(shape, np.nan)
    if isinstance(value, jax.Array):
        return value
    array = np.asarray(value, dtype=np.result_type(np.asarray(value), np.float32))
    if array.shape != shape or np.isinf(array).any():
        raise ValueError(
            f"{name} of DrivenMarkovChain should be finite numbers of shape {shape}, but is "
            f"{array.tolist()}: a move that is forbidden needs a MarkovChain."
        )
    return array
