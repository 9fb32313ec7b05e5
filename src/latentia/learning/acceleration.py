"""Anderson acceleration of a fixed-point iteration.

EM crawls along directions in which little is known. The last few steps tell how it crawls, and the
combination of them with the smallest residual is a much better next point (Walker and Ni 2011,
"Anderson acceleration for fixed-point iterations", type II; for EM with a guard on the objective,
Henderson and Varadhan 2019). The guard is in ``em``: an extrapolation that lowers the objective is
dropped.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from latentia.numerics import solve_positive


class History(NamedTuple):
    """Differences of the last points and residuals, ``[m, P]`` each, the newest first."""

    points: jax.Array
    residuals: jax.Array
    filled: jax.Array


def no_history(memory: int, size: int, dtype: jnp.dtype) -> History:
    """A history of nothing, with room for ``memory`` steps of ``size`` parameters."""
    empty = jnp.zeros((memory, size), dtype)
    return History(empty, empty, jnp.zeros((), jnp.int32))


def remember(history: History, point: jax.Array, residual: jax.Array) -> History:
    """The history with one more pair of differences, in place of the oldest."""
    points = jnp.concatenate([point[None], history.points[:-1]])
    residuals = jnp.concatenate([residual[None], history.residuals[:-1]])
    filled = jnp.minimum(history.filled + 1, points.shape[0])
    return History(points, residuals, filled)


def extrapolate(history: History, point: jax.Array, residual: jax.Array) -> jax.Array:
    """The next point: where the linear model of the residuals is smallest."""
    used = jnp.arange(history.points.shape[0]) < history.filled
    rows = jnp.where(used[:, None], history.residuals, 0.0)
    gram = rows @ rows.T
    # A little damping, relative to the size of the differences, since they become parallel.
    scale = jnp.maximum(jnp.max(jnp.diagonal(gram)), jnp.finfo(gram.dtype).tiny)
    eye = jnp.eye(gram.shape[0], dtype=gram.dtype)
    damped = gram / scale + eye * jnp.where(used, 1e-10, 1.0)
    share = solve_positive(damped, (rows @ residual / scale)[:, None])[:, 0]
    share = jnp.where(used, share, 0.0)
    return point + residual - share @ (history.points + rows)
