"""Paths of a Markov chain before anything is seen."""

from typing import Any

import jax
import jax.numpy as jnp

from latentia.numerics import safe_log
from latentia.typing import Key, Probabilities, States


def drawn(key: Key, start: Probabilities, moves: jax.Array, length: int) -> States:
    """``[length]``, with moves ``[K, K]``, or ``[length - 1, K, K]`` of their own for each step."""
    first, rest = jax.random.split(key)
    log_moves = safe_log(moves)
    begun = jax.random.categorical(first, safe_log(start))

    def step(state: jax.Array, inputs: Any) -> tuple[jax.Array, jax.Array]:
        key, move = inputs
        following = jax.random.categorical(key, (log_moves if move is None else move)[state])
        return following, following

    each = log_moves if moves.ndim == 3 else None
    _, others = jax.lax.scan(step, begun, (jax.random.split(rest, length - 1), each))
    return jnp.concatenate([begun[None], others])
