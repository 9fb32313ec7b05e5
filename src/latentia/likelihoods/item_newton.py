"""The M-step of a generalised linear likelihood: Newton's method for each column by itself.

Bock and Aitkin 1981. What is maximised is the expected log-likelihood on a grid of z, given how
often each column is expected to show each feature at each node. It can only rise: a step that does
not raise it is shortened, and then left out.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

_STEPS = 50
_SHARES = (1.0, 0.4, 0.1, 0.01)

Objective = Callable[[jax.Array], jax.Array]


class Block(NamedTuple):
    """What may move: ``mask [D, P]`` of 0 and 1, and how many first parameters all columns share.

    ``bound`` is the largest size of a parameter.
    """

    mask: Any
    shared: int
    bound: float


def climb(objective: Objective, start: jax.Array, block: Block) -> jax.Array:
    """Parameters ``[D, P]`` with the highest values.

    Args:
        objective: the value of each column ``[D]`` for parameters ``[D, P]``; each depends on its
            own row alone.
        start: ``[D, P]``.
        block: what may move.
    """
    shares = jnp.array(_SHARES, start.dtype)
    eps = jnp.finfo(start.dtype).eps
    together = block.shared > 0

    def pool(values: jax.Array) -> jax.Array:
        # Columns that share a parameter succeed or fail together.
        return jnp.broadcast_to(jnp.sum(values, -1, keepdims=True), values.shape)

    def worth(parameters: jax.Array) -> jax.Array:
        values = objective(parameters)
        values = jnp.where(jnp.isfinite(values), values, -jnp.inf)
        return pool(values) if together else values

    def going(carry: Any) -> jax.Array:
        count, _, moved = carry
        return (count < _STEPS) & (moved > 16 * eps)

    def step(carry: Any) -> Any:
        count, at, _ = carry
        move = _newton(objective, at, block)
        here = worth(at)
        places = jnp.clip(at + shares[:, None, None] * move, -block.bound, block.bound)
        # What starts outside of the bound may stay there.
        places = jnp.where(jnp.abs(at) > block.bound, at, places)
        there = jax.vmap(worth)(places)
        best = jnp.argmax(there, axis=0)
        near = jnp.max(jnp.abs(places[0] - at), axis=-1) < jnp.sqrt(eps)
        near = jnp.broadcast_to(jnp.all(near), near.shape) if together else near
        # Next to the maximum values are equal but for rounding, and the whole step is the best.
        slack = 64 * eps * (1 + jnp.abs(here))
        whole = near & (there[0] >= here - slack)
        better = jnp.take_along_axis(there, best[None], axis=0)[0] > here
        index = jnp.where(whole, 0, best)
        chosen = jnp.take_along_axis(places, index[None, :, None], axis=0)[0]
        after = jnp.where((whole | better)[:, None], chosen, at)
        return count + 1, after, jnp.max(jnp.abs(after - at))

    begin = jnp.zeros((), jnp.int32), start, jnp.full((), jnp.inf, start.dtype)
    return jax.lax.while_loop(going, step, begin)[1]


def _newton(objective: Objective, at: jax.Array, block: Block) -> jax.Array:
    """The step of Newton's method, uphill in every direction."""
    count = at.shape[1]
    slope_of = jax.grad(lambda parameters: jnp.sum(objective(parameters)))

    def along(axis: jax.Array) -> jax.Array:
        return jax.jvp(slope_of, (at,), (jnp.broadcast_to(axis, at.shape),))[1]

    mask = jnp.asarray(block.mask, at.dtype)
    slope = slope_of(at) * mask
    # A column's value depends on its own row alone, so one pass serves all columns at once.
    bend = -jnp.swapaxes(jax.vmap(along)(jnp.eye(count, dtype=at.dtype)), 0, 1)
    bend = bend * mask[:, :, None] * mask[:, None, :]
    bend = bend + jnp.eye(count, dtype=at.dtype) * (1 - mask)[:, None, :]
    shared = block.shared
    if shared == 0:
        return jnp.einsum("dij,dj->di", _inverse(bend), slope)
    own, cross = _inverse(bend[:, shared:, shared:]), bend[:, shared:, :shared]
    carried = own @ cross
    rest = jnp.sum(bend[:, :shared, :shared] - jnp.swapaxes(cross, 1, 2) @ carried, axis=0)
    pull = jnp.sum(slope[:, :shared] - jnp.einsum("dts,dt->ds", carried, slope[:, shared:]), axis=0)
    common = _inverse(rest) @ pull
    each = jnp.einsum("dij,dj->di", own, slope[:, shared:] - cross @ common)
    return jnp.concatenate([jnp.broadcast_to(common, (at.shape[0], shared)), each], axis=1)


def _inverse(matrix: jax.Array) -> jax.Array:
    """The inverse with all eigenvalues made positive, and none of them next to zero."""
    if matrix.shape[-1] == 0:
        return matrix
    values, axes = jnp.linalg.eigh(0.5 * (matrix + jnp.swapaxes(matrix, -1, -2)))
    largest = jnp.max(jnp.abs(values), axis=-1, keepdims=True)
    least = jnp.maximum(1e-3 * jnp.finfo(values.dtype).eps ** 0.5 * largest, 1e-30)
    values = jnp.maximum(jnp.abs(values), least)
    return (axes / values[..., None, :]) @ jnp.swapaxes(axes, -1, -2)
