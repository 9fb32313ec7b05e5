"""A quasi-Newton method for the mode of a smooth function, one evaluation in each step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from latentia.typing import Scalar

_STEPS = 300


class _State(NamedTuple):
    steps: jax.Array
    at: jax.Array
    value: jax.Array
    slope: jax.Array
    inverse: jax.Array
    share: jax.Array


def uphill(value: Callable[[jax.Array], Scalar], start: jax.Array, scale: jax.Array) -> jax.Array:
    """Where a smooth function of a vector has a maximum, never downhill from ``start``.

    The method of Broyden, Fletcher, Goldfarb and Shanno (Nocedal and Wright 2006, chapter 6); a
    step that does not climb is tried shorter in the next round.

    Args:
        value: the function.
        start: ``[L]``.
        scale: ``[L]``, the width of the maximum as far as it is known.
    """
    both = jax.value_and_grad(value)
    eps = jnp.finfo(start.dtype).eps

    def going(state: _State) -> jax.Array:
        # How much a full step could still bring, against what rounding leaves of the value.
        gain = state.slope @ state.inverse @ state.slope
        enough = gain > 4 * eps * (1 + jnp.abs(state.value))
        return (state.steps < _STEPS) & enough & (state.share > 1e-6)

    def step(state: _State) -> _State:
        move = state.inverse @ state.slope
        move = jnp.where(move @ state.slope > 0, move, state.slope * scale**2)
        there = state.at + state.share * move
        value, slope = both(there)
        climbed = jnp.isfinite(value) & (value > state.value)
        inverse = _updated(state.inverse, there - state.at, state.slope - slope)
        taken = _State(state.steps, there, value, slope, inverse, jnp.minimum(2 * state.share, 1.0))
        stay = state._replace(share=state.share / 4)
        chosen: Any = jax.tree.map(lambda a, b: jnp.where(climbed, a, b), taken, stay)
        return chosen._replace(steps=state.steps + 1)

    first = both(start)
    begin = _State(jnp.zeros((), jnp.int32), start, *first, jnp.diag(scale**2),
                   jnp.ones((), start.dtype))  # fmt: skip
    return jax.lax.while_loop(going, step, begin).at


def _updated(inverse: jax.Array, move: jax.Array, change: jax.Array) -> jax.Array:
    """The estimate of the inverse curvature after a move and the change of slope that it made."""
    bend = move @ change
    safe = bend > 1e-10 * jnp.sqrt((move @ move) * (change @ change))
    rate = jnp.where(safe, 1 / jnp.where(safe, bend, 1.0), 0.0)
    left = jnp.eye(move.size, dtype=move.dtype) - rate * jnp.outer(move, change)
    updated = left @ inverse @ left.T + rate * jnp.outer(move, move)
    return jnp.where(safe, updated, inverse)
