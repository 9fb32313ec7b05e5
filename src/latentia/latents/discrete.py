"""One of K states."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.constraints import simplex
from latentia.numerics import log_sum_exp, product_log, safe_log
from latentia.potentials import AbstractPotential, DiscretePotential
from latentia.typing import Code, Key, Probabilities, Scalar, Weights
from latentia.verdict import Exactness

from .interface import AbstractLabelledPrior, AbstractPosterior


class DiscretePosterior(AbstractPosterior):
    """The probability of each state given one datum, from the enumeration of all states."""

    log_probs: Probabilities
    log_evidence: jax.Array

    @property
    def exactness(self) -> Exactness:
        return Exactness.EXACT

    @property
    def method(self) -> str:
        return _ENUMERATION

    @property
    def moments(self) -> Probabilities:
        return self.probabilities

    @property
    def probabilities(self) -> Probabilities:
        """``[K]``: the probability of each state."""
        return jnp.exp(self.log_probs)

    def mode(self) -> Code:
        return jnp.argmax(self.log_probs, axis=-1)

    def sample(self, key: Key) -> Code:
        return jax.random.categorical(key, self.log_probs)

    def log_prob(self, z: Code) -> Scalar:
        return self.log_probs[z]


_ENUMERATION = "enumeration of the states"


class Discrete(AbstractLabelledPrior):
    """One of K states.

    Args:
        weights: ``[K]``, the probability of each state, or the number K if they are to be learned.
    """

    weights: Probabilities = eqx.field(metadata=simplex)

    def __init__(self, weights: Any) -> None:
        if isinstance(weights, int | np.integer) and not isinstance(weights, bool):
            if weights < 1:
                raise ValueError(
                    f"weights should be at least 1 state, but is {weights}: write Discrete(3), "
                    "for instance, or give the probability of each state."
                )
            weights = np.full(int(weights), np.nan)
        if not isinstance(weights, jax.Array):
            weights = np.asarray(weights, dtype=np.result_type(np.asarray(weights), np.float32))
            _check(weights)
        self.weights = weights

    @property
    def states(self) -> int:
        """K, the number of states."""
        return self.weights.shape[-1]

    @property
    def algorithm(self) -> str:
        return _ENUMERATION

    def sample(self, key: Key) -> Code:
        return jax.random.categorical(key, safe_log(self.weights))

    def log_prob(self, z: Code) -> Scalar:
        return safe_log(self.weights)[z]

    def accepts(self, potential: AbstractPotential) -> bool:
        return (
            isinstance(potential, DiscretePotential)
            and potential.log_values.shape == self.weights.shape
        )

    def condition(self, potential: DiscretePotential) -> DiscretePosterior:
        prior = safe_log(self.weights)
        joint = prior + potential.log_values
        # Weights sum to one but for rounding; without evidence the result is exactly 0.
        log_evidence = log_sum_exp(joint) - log_sum_exp(prior)
        # Where no state explains the datum there is nothing to learn from it.
        explained = log_evidence > -jnp.inf
        posterior = joint - jnp.where(explained, log_evidence, 0.0)
        return DiscretePosterior(jnp.where(explained, posterior, prior), log_evidence)

    def label(self, potential: DiscretePotential, code: Code) -> DiscretePotential:
        return potential + DiscretePotential(label_values(code, self.states, self.weights.dtype))

    def uninformed(self, moments: Probabilities) -> Scalar:
        return -jnp.sum(product_log(moments, moments), axis=-1)

    def statistics(self, moments: jax.Array, weight: Weights) -> Probabilities:
        return weight @ moments

    def maximize(self, statistics: Probabilities) -> Self:
        total = jnp.sum(statistics)
        # A sum of shares is 1 up to rounding, whatever was counted.
        shares = statistics / jnp.where(total > 0, total, 1.0)
        return type(self)(jnp.where(total > 0, shares, self.weights))

    def imagine(self, other: Self, weight: Scalar) -> Probabilities:
        return weight * other.weights

    def expected_log_prob(self, other: Self) -> Scalar:
        return jnp.sum(product_log(other.weights, self.weights))

    def begin(self, assignment: jax.Array, weight: Weights) -> Self:
        return self.maximize(weight @ assignment)

    def reorder(self, order: jax.Array) -> Self:
        return type(self)(self.weights[order])

    def shares(self) -> Probabilities:
        return self.weights

    def degrees_of_freedom(self) -> int:
        return self.states - 1

    def describe(self) -> str:
        return f"Discrete: one of {self.states} state{'s' if self.states > 1 else ''}"


def label_values(code: Code, states: int, dtype: Any) -> Probabilities:
    """Zero for the known state and minus infinity for the others; all zero for code -1."""
    known = (code < 0) | (jnp.arange(states) == code)
    return jnp.where(known, jnp.zeros((), dtype), -jnp.inf)


def probabilities_or_unset(values: np.ndarray) -> bool:
    """Whether every row sums to one, but for what is not set, which is NaN."""
    unset = np.isnan(values).any(-1)
    sums = np.nansum(values, axis=-1)
    fits = np.where(unset, sums <= 1 + 1e-5, np.isclose(sums, 1, atol=1e-5))
    return bool(fits.all() and not (values < 0).any())


def _check(weights: np.ndarray) -> None:
    if weights.ndim < 1 or not probabilities_or_unset(weights):
        raise ValueError(
            f"weights should be probabilities that sum to 1, but is {weights}: divide them by "
            "their sum, or give the number of states to have them learned."
        )
