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
_SHARES = (0.4, 0.1, 0.01)

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
    eps = jnp.finfo(start.dtype).eps

    def going(carry: Any) -> jax.Array:
        count, _, _, gain = carry
        # Next to the maximum a step gains the square of its length: what gains nothing that can be
        # told from rounding was the last one.
        return (count < _STEPS) & (gain > 4 * eps)

    def step(carry: Any) -> Any:
        count, at, here, _ = carry
        return count + 1, *_step(objective, block, at, here)

    here = _worth(objective, block, start)
    begin = jnp.zeros((), jnp.int32), start, here, jnp.full((), jnp.inf, start.dtype)
    return jax.lax.while_loop(going, step, begin)[1]


def _worth(objective: Objective, block: Block, parameters: jax.Array) -> jax.Array:
    """The values that are compared ``[D]``, minus infinity where there are none."""
    values = objective(parameters)
    values = jnp.where(jnp.isfinite(values), values, -jnp.inf)
    # Columns that share a parameter succeed or fail together.
    return jnp.broadcast_to(jnp.sum(values), values.shape) if block.shared else values


def _step(
    objective: Objective, block: Block, at: jax.Array, here: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The parameters after one step, their values, and the largest relative gain."""
    move = _newton(objective, at, block)

    def moved(share: Any) -> tuple[jax.Array, jax.Array]:
        place = jnp.clip(at + share * move, -block.bound, block.bound)
        # What does not move may lie anywhere.
        place = jnp.where(jnp.asarray(block.mask) > 0, place, at)
        return place, _worth(objective, block, place)

    place, there = moved(1.0)
    # Values that are equal but for rounding say that the whole step may be made.
    fine = there >= here - 64 * jnp.finfo(at.dtype).eps * (1 + jnp.abs(here))
    place, there = jax.lax.cond(
        jnp.all(fine), lambda: (place, there), lambda: _shorter(moved, fine, place, there)
    )
    kept = fine | (there > here)
    gain = jnp.max(jnp.where(kept, there - here, 0.0) / (1 + jnp.abs(here)))
    return jnp.where(kept[:, None], place, at), jnp.where(kept, there, here), gain


def _shorter(moved: Any, fine: Any, place: Any, there: Any) -> tuple[jax.Array, jax.Array]:
    """For the columns that a whole step does not raise, the best of a few shorter ones."""
    places, values = jax.vmap(moved)(jnp.array(_SHARES, place.dtype))
    best = jnp.argmax(values, axis=0)
    value = jnp.take_along_axis(values, best[None], axis=0)[0]
    chosen = jnp.take_along_axis(places, best[None, :, None], axis=0)[0]
    return jnp.where(fine[:, None], place, chosen), jnp.where(fine, there, value)


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
