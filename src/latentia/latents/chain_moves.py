"""The moves of a Gaussian chain that are most likely: a regression on the steps before."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from latentia.numerics import solve_positive

from .smoothing import Transitions


def regressed(moves: Transitions, free: Sequence[bool], still: Sequence[bool]) -> jax.Array:
    """The change ``[L, Q]`` of the coefficients of (z_t, 1), or of (z_t, u_{t+1}, 1).

    Args:
        moves: totals relative to the present coefficients.
        free: of Q, which of them change.
        still: of L, which coordinates have no noise: nothing is to be learned of their moves.
    """
    if not any(free):
        return jnp.zeros_like(moves.cross)
    chosen = jnp.array(free, moves.cross.dtype)
    eye = jnp.eye(chosen.size, dtype=chosen.dtype)
    design = moves.design * chosen[:, None] * chosen[None] + eye * (1 - chosen)
    some = moves.mass > 0
    design = jnp.where(some, design, eye)
    change = jnp.where(some, solve_positive(design, (moves.cross * chosen).T).T, 0.0)
    # They would drift by rounding otherwise.
    return jnp.where(jnp.array(still)[:, None], 0.0, change) if any(still) else change


def what_is_left(moves: Transitions, change: jax.Array) -> jax.Array:
    """``[L, L]``: the mean square of the noise after a change, whether or not it is the best."""
    turned = change @ jnp.swapaxes(moves.cross, -1, -2)
    square = moves.square - turned - turned.T + change @ moves.design @ change.T
    return square / jnp.where(moves.mass > 0, moves.mass, 1.0)
