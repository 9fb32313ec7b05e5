"""The forward-backward recursions of a Markov chain, for one sequence or many at once.

Rabiner 1989, "A tutorial on hidden Markov models". ``forward_backward`` works with probabilities
that are scaled at every step, for all sequences of a batch side by side, and looks afterwards
whether anything that matters was lost to underflow. If so, and for gradients, the same is computed
from logarithms (``log_forward_backward``), which loses nothing and takes several times as long.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from latentia.numerics import log_sum_exp, safe_log
from latentia.typing import Probabilities, Scalar

from .scaled_recursions import cut, joined, pieces_of, scaled


class ChainPass(NamedTuple):
    """What forward-backward finds of a sequence of T steps.

    ``log_evidence ()``; ``filtered [T, K]``, the states given the past; ``smoothed [T, K]``, given
    everything; ``moves``, the expected moves from i to j, in all ``[K, K]``, or of each step
    ``[T-1, K, K]`` where each has its own probabilities.
    """

    log_evidence: Scalar
    filtered: Float[Array, "T K"]
    smoothed: Float[Array, "T K"]
    moves: Array


def informed(values: Float[Array, "T K"]) -> Array:
    """Which moves lead to a step that anything is still known about, ``[T-1]``.

    Moves after the last evidence are the chain's own business: nothing is learned from them.
    """
    says = jnp.any(values != 0, axis=-1)
    steps = jnp.arange(len(values))
    return steps[:-1] < jnp.max(jnp.where(says, steps, -1))


def log_forward_backward(start: Probabilities, moves: Array, values: Array) -> ChainPass:
    """The recursions in logarithms: of any numbers, and differentiable.

    Args:
        start: ``[K]``.
        moves: ``[K, K]``, the probability of j after i; or ``[T-1, K, K]``.
        values: ``[T, K]``, the log evidence for each state at each step.
    """
    each = moves.ndim == 3
    log_moves = safe_log(moves)
    xs = log_moves if each else None

    def forward(predicted: Any, inputs: Any) -> Any:
        value, move = inputs
        joint = predicted + value
        scale = log_sum_exp(joint)
        # A step that no state explains is taken for a missing one, and makes the evidence zero.
        some = scale > -jnp.inf
        filtered = jnp.where(some, joint - jnp.where(some, scale, 0.0), predicted)
        following = log_sum_exp((filtered[:, None] + move).T)
        return following, (filtered, scale)

    ahead = jnp.pad(log_moves, ((0, 1), (0, 0), (0, 0))) if each else None
    one = (lambda carry, x: forward(carry, (x, log_moves))) if not each else forward
    _, (filtered, scales) = jax.lax.scan(one, safe_log(start), (values, ahead) if each else values)

    def backward(carry: Any, inputs: Any) -> Any:
        later, pairs = carry
        before, value, scale, counts, move = inputs
        known = jnp.where(scale > -jnp.inf, value - jnp.where(scale > -jnp.inf, scale, 0.0), 0.0)
        log_both = before[:, None] + move + (known + later)
        both = jnp.where(counts, jnp.exp(log_both), 0.0)
        out = later, both if each else None
        # Summed here, since the moves of all steps are many numbers.
        pairs = pairs if each else pairs + both
        return (log_sum_exp(move + (known + later)), pairs), out

    begun = jnp.zeros_like(values[0]), jnp.zeros_like(log_moves if not each else values[0])
    rest = filtered[:-1], values[1:], scales[1:], informed(values)
    if each:
        (first, _), (later, both) = jax.lax.scan(backward, begun, (*rest, xs), reverse=True)
    else:
        (first, both), (later, _) = jax.lax.scan(
            lambda carry, x: backward(carry, (*x, log_moves)), begun, rest, reverse=True
        )
    smoothed = jnp.exp(filtered + jnp.concatenate([first[None], later]))
    return ChainPass(jnp.sum(scales), jnp.exp(filtered), smoothed, both)


def _counted(lanes: Array, pieces: int) -> Array:
    """As ``informed``, in lanes, ``[T, 1, B]``; after the last step there is no move."""
    length, _, count = lanes.shape
    says = jnp.any(lanes != 0, axis=1)
    steps = jnp.arange(length)[:, None] + length * (jnp.arange(count) % pieces)
    last = jnp.max(jnp.where(says, steps, -1), axis=0).reshape(-1, pieces)
    return (steps < jnp.repeat(jnp.max(last, axis=1), pieces))[:, None]


def _choose(start: Array, moves: Array, values: Array) -> ChainPass:
    """Of a batch: scaled if that is safe, else in logarithms.

    Args:
        start: ``[1 or B, K]``.
        moves: ``[1 or B, K, K]``, or ``[1 or B, T-1, K, K]``.
        values: ``[B, T, K]``, log evidence.
    """
    batch, steps, _ = values.shape
    varying = moves.ndim == 4
    pieces = pieces_of(batch, steps, varying)
    # Lanes lie side by side within a step, from here to the end: to turn them round is dear.
    lanes = cut(values, pieces)
    shape = lanes.shape
    flat = jax.lax.optimization_barrier(lanes.ravel())
    lanes = flat.reshape(shape)
    each = jnp.moveaxis(moves, 0, -1)
    each = each[..., 0] if each.shape[-1] == 1 and not varying else each
    quick = scaled(start.T, each, lanes, _counted(lanes, pieces), pieces)

    def slow(_: Any) -> tuple[Array, ChainPass]:
        first, each = (jnp.broadcast_to(a, (batch, *a.shape[1:])) for a in (start, moves))
        rows = joined(flat.reshape(shape), pieces, steps)
        total, filtered, smoothed, pairs = jax.vmap(log_forward_backward)(first, each, rows)
        filtered, smoothed = cut(filtered, pieces).ravel(), cut(smoothed, pieces).ravel()
        return jnp.array(True), ChainPass(
            total, filtered, smoothed, jnp.moveaxis(pairs, 0, -1).ravel()
        )

    # A loop that mostly runs not at all: a choice between two would copy what it keeps. Flat, since
    # XLA would turn round what enters the loop for the sake of what is not computed.
    found = ChainPass(quick.log_evidence, *(a.ravel() for a in quick[1:4]))
    found = jax.lax.while_loop(lambda carry: ~carry[0], slow, (quick.safe, found))[1]
    return ChainPass(
        found.log_evidence,
        joined(found.filtered.reshape(shape), pieces, steps),
        joined(found.smoothed.reshape(shape), pieces, steps),
        jnp.moveaxis(found.moves.reshape(quick.moves.shape), -1, 0),
    )


@jax.custom_batching.custom_vmap
def _quick(start: Array, moves: Array, values: Array) -> ChainPass:
    """``log_forward_backward``, quicker where it can be, and without derivatives."""
    # The axis of a batch is there from the start, so that a batch is one call of `scaled`, whose
    # choice of a way would under an ordinary vmap become the computation of both.
    return jax.tree.map(lambda leaf: leaf[0], _choose(start[None], moves[None], values[None]))


@_quick.def_vmap
def _quick_batch(axis_size: int, in_batched: Any, *arguments: Array) -> tuple[ChainPass, ChainPass]:
    whole = [
        leaf if batched else leaf[None] for leaf, batched in zip(arguments, in_batched, strict=True)
    ]
    if not in_batched[2]:
        whole[2] = jnp.broadcast_to(whole[2], (axis_size, *arguments[2].shape))
    return _many(*whole), ChainPass(True, True, True, True)  # pyright: ignore[reportArgumentType]


@jax.custom_batching.custom_vmap
def _many(start: Array, moves: Array, values: Array) -> ChainPass:
    """``_choose``; a batch of batches is one larger batch."""
    return _choose(start, moves, values)


@_many.def_vmap
def _many_batch(axis_size: int, in_batched: Any, *arguments: Array) -> tuple[ChainPass, ChainPass]:
    batch = arguments[2].shape[1 if in_batched[2] else 0]
    shared = not (in_batched[0] or in_batched[1])

    def flat(leaf: Array, batched: bool, lone: bool) -> Array:
        if lone and not batched and leaf.shape[0] == 1:
            return leaf
        whole = leaf if batched else jnp.broadcast_to(leaf, (axis_size, *leaf.shape))
        shape = (axis_size, batch, *whole.shape[2:])
        return jnp.broadcast_to(whole, shape).reshape(axis_size * batch, *whole.shape[2:])

    whole = [
        flat(leaf, batched, shared and i < 2)
        for i, (leaf, batched) in enumerate(zip(arguments, in_batched, strict=True))
    ]
    out = jax.tree.map(lambda leaf: leaf.reshape(axis_size, batch, *leaf.shape[1:]), _many(*whole))
    return out, ChainPass(True, True, True, True)  # pyright: ignore[reportArgumentType]


@jax.custom_vjp
def forward_backward(start: Probabilities, moves: Array, values: Array) -> ChainPass:
    """Evidence, filtered and smoothed states, and expected moves; see ``log_forward_backward``."""
    return _quick(start, moves, values)


def _kept(start: Array, moves: Array, values: Array) -> tuple[ChainPass, Any]:
    return _quick(start, moves, values), (start, moves, values)


def _pulled_back(kept: Any, change: ChainPass) -> Any:
    return jax.vjp(log_forward_backward, *kept)[1](change)


forward_backward.defvjp(_kept, _pulled_back)
