"""The stationary distribution of a Markov chain, and learning of a chain that begins in it."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from latentia.numerics import product_log
from latentia.precision import on_host, precision_of
from latentia.typing import Probabilities

Transitions = Float[Array, "K K"]


def stationary_distribution(transitions: Transitions) -> Probabilities:
    """The distribution ``[K]`` that one move leaves as it is.

    The equations pi = pi A and sum(pi) = 1, added up to one regular system. A chain that falls into
    parts that never meet has several such distributions, and gets NaN or one of them.
    """
    with precision_of(transitions):
        return on_host(_solved(transitions))


def _solved(transitions: Transitions) -> Probabilities:
    states = transitions.shape[-1]
    ones = jnp.ones((states, states), transitions.dtype)
    system = jnp.eye(states, dtype=transitions.dtype) - transitions + ones
    found = jnp.linalg.solve(system.T, ones[0])
    found = jnp.maximum(found, 0.0)
    return found / jnp.sum(found)


def raised_transitions(
    before: Transitions, guess: Transitions, start: Array, moves: Array
) -> Transitions:
    """Transitions with the highest expected log density of a chain that begins stationary.

    There is no closed form, since the first state depends on them too. A fixed point: at the
    maximum, each probability is proportional to the expected moves and its share in the slope of
    the log probability of the first state. Where that does not climb, a step is halved, and in the
    end ``before`` is kept.

    Args:
        before: where EM stands.
        guess: the transitions by the moves alone.
        start: ``[K]``, expected first states.
        moves: ``[K, K]``, expected moves.
    """

    def worth(transitions: Transitions) -> Array:
        first = stationary_distribution(transitions)
        value = jnp.sum(product_log(start, first)) + jnp.sum(product_log(moves, transitions))
        return jnp.where(jnp.isfinite(value), value, -jnp.inf)

    slope_of_first = jax.grad(lambda a: jnp.sum(product_log(start, stationary_distribution(a))))

    def step(_: int, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        best, value = carry
        slope = slope_of_first(best)
        # Only differences within a row matter; with the mean gone the slope moves no mass at large.
        slope = slope - jnp.sum(best * slope, axis=-1, keepdims=True)
        target = jnp.maximum(moves + best * slope, 0.0)
        total = jnp.sum(target, axis=-1, keepdims=True)
        target = jnp.where(total > 0, target / jnp.where(total > 0, total, 1.0), best)
        tried = jnp.stack([best + share * (target - best) for share in (1.0, 0.5, 0.1, 0.01)])
        values = jax.vmap(worth)(tried)
        first = jnp.argmax(values)
        better = values[first] > value
        return jnp.where(better, tried[first], best), jnp.where(better, values[first], value)

    candidates = jnp.stack([before, guess])
    values = jax.vmap(worth)(candidates)
    begun = jnp.argmax(values)
    return jax.lax.fori_loop(0, 20, step, (candidates[begun], values[begun]))[0]
