"""Forward-backward with scaled probabilities, for a batch of sequences, in pieces where it pays.

One multiplication by the moves and one scaling for each step (Rabiner 1989, section V.A). A long
sequence is cut into pieces that are worked on side by side: each starts from a guess of what the
piece before it says, and they are repeated until what they start from is what they end with. A
chain forgets, so mostly the first steps of each are all that is repeated, and in the worst case as
many rounds as there are pieces give the very result of a single sweep.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# Sequences of fewer steps are not cut. Pieces are not shorter than the warm-up is long.
_LONG = 1024
_WARM = 64
# So many steps of a piece are repeated before it is asked whether the rest would be the same.
_REPEATED = 32


class ScaledPass(NamedTuple):
    """Of B sequences in Q pieces each, which lie side by side in lanes: ``log_evidence [B]``;
    ``filtered`` and ``smoothed [T/Q, K, B*Q]``; ``moves`` (``[K, K, B]``, or ``[T-1, K, K, B]``
    where each step has its own); and ``safe ()``, whether nothing that matters was lost to
    underflow."""

    log_evidence: Float[Array, "B"]
    filtered: Array
    smoothed: Array
    moves: Array
    safe: Bool[Array, ""]


def scaled(start: Array, moves: Array, lanes: Array, counted: Array, pieces: int) -> ScaledPass:
    """The recursions with probabilities.

    Args:
        start: ``[K, 1 or B]``.
        moves: ``[K, K]``, or ``[K, K, B]``, or ``[T-1, K, K, 1 or B]``.
        lanes: ``[T/Q, K, B*Q]``, log evidence, in lanes.
        counted: ``[T/Q, 1, B*Q]``, whether the move out of each step is counted.
        pieces: Q.
    """
    # Each step's best state explains it with 1: the rest is in the logarithm.
    tops = jnp.max(lanes, axis=1, keepdims=True)
    tops = jnp.where(jnp.isfinite(tops), tops, 0.0)
    weights = jnp.exp(lanes - tops)
    each = jnp.repeat(moves, pieces, axis=-1) if moves.ndim == 3 else moves
    if pieces == 1:
        ahead = _forward(_over(start, weights), each, weights)
        back = _backward(jnp.ones_like(weights[0]), each, weights, ahead, counted)
    else:
        ahead = _forward_pieces(start, each, weights, pieces)
        back = _backward_pieces(each, weights, ahead, counted, pieces)
    logs = jnp.sum(tops + jnp.log(ahead.scales), axis=(0, 1))
    total = jnp.sum(logs.reshape(-1, pieces), axis=1)
    return ScaledPass(
        total,
        ahead.filtered,
        back.smoothed,
        _moves(ahead.filtered, moves, back, counted, pieces),
        _safe(ahead.scales, back.highest, total),
    )


class _Ahead(NamedTuple):
    """Of lanes: ``filtered [T, K, B]``; the ``scales [T, 1, B]``, how well each step is explained
    by what went before; and the probabilities that enter the next step, ``[K, B]``."""

    filtered: Array
    scales: Array
    leaving: Array


class _Back(NamedTuple):
    """Of lanes: ``smoothed [T, K, B]``; ``pairs``, how often i came before j, up to the moves
    themselves, ``[K, K, B]`` or ``[T, K, B]`` (the later half of each); the message of the first
    step; the ``highest`` message; and what the lane says before its first step."""

    smoothed: Array
    pairs: Array
    first: Array
    highest: Array
    leaving: Array


def _moves(filtered: Array, moves: Array, back: _Back, counted: Array, pieces: int) -> Array:
    """Expected moves, ``[K, K, B]``, or ``[T-1, K, K, B]`` if each step has its own."""
    if moves.ndim == 4:
        return moves * filtered[:-1, :, None] * back.pairs[:-1, None]
    states = len(moves)
    pairs = back.pairs
    if pieces > 1:
        # From the last step of a piece to the first of the next.
        following = _shifted(back.first, jnp.zeros((states, 1), filtered.dtype), pieces, -1)
        pairs = pairs + filtered[-1][:, None] * jnp.where(counted[-1], following, 0.0)
    return moves.reshape(states, states, -1) * jnp.sum(
        pairs.reshape(states, states, -1, pieces), axis=3
    )


def _safe(scales: Array, highest: Array, total: Array) -> Array:
    """Whether what underflowed could not have mattered.

    What is lost at a step is below the smallest number, relative to what is kept; it matters only
    by what the rest of the sequence says for it, ``highest``. Both are far from their limits.
    """
    narrow = scales.dtype == jnp.float32
    low, high = (1e-15, 1e12) if narrow else (1e-150, 1e120)
    return (jnp.min(scales) > low) & (jnp.max(highest) < high) & jnp.all(jnp.isfinite(total))


def _over(start: Array, weights: Array) -> Array:
    return jnp.broadcast_to(start, weights.shape[1:])


def _follow(filtered: Array, moves: Array) -> Array:
    """The next step's probabilities, for ``filtered [K, B]`` and moves ``[K, K]`` or with lanes."""
    if moves.ndim == 2:
        return moves.T @ filtered
    return jnp.sum(filtered[:, None] * moves, axis=0)


def _precede(messages: Array, moves: Array) -> Array:
    if moves.ndim == 2:
        return moves @ messages
    return jnp.sum(moves * messages[None], axis=1)


def _forward(first: Array, moves: Array, weights: Array) -> _Ahead:
    """Forward through lanes, from what enters them."""

    def step(predicted: Array, inputs: Any) -> Any:
        weight, move = inputs
        joint = predicted * weight
        scale = jnp.sum(joint, axis=0, keepdims=True)
        filtered = joint * (1 / scale)
        return _follow(filtered, move), (filtered, scale)

    if moves.ndim == 4:
        # The last step has no move of its own, and may be the first.
        each = jnp.pad(moves, ((0, 1), (0, 0), (0, 0), (0, 0)))
        last, out = jax.lax.scan(step, first, (weights, each))
    else:
        last, out = jax.lax.scan(lambda c, w: step(c, (w, moves)), first, weights)
    filtered, scales = out
    return _Ahead(filtered, scales, last)


def _backward(end: Array, moves: Array, weights: Array, ahead: _Ahead, counted: Array) -> _Back:
    """Backward through lanes, from what is said after their last step.

    One sweep makes all that is wanted of them, while a step's numbers are at hand.
    """
    varying = moves.ndim == 4

    def step(carry: Any, inputs: Any) -> Any:
        later, highest, message, pairs = carry
        weight, filtered, scale, counts, move = inputs
        following = jnp.where(counts, message, 0.0)
        if not varying:
            pairs = pairs + filtered[:, None] * following[None]
        # The barrier keeps XLA from computing the message once for each of its uses.
        message = jax.lax.optimization_barrier(weight * later * (1 / scale))
        carry = _precede(message, move), jnp.maximum(highest, later), message, pairs
        return carry, (filtered * later, following if varying else None)

    states, lanes = end.shape
    nothing = jnp.zeros((states, states, lanes) if not varying else (), end.dtype)
    begun = end, end, jnp.zeros_like(end), nothing
    xs = weights, ahead.filtered, ahead.scales, counted
    if varying:
        # The move into the first step is the start's business: any will do.
        into = jnp.pad(moves, ((1, 0), (0, 0), (0, 0), (0, 0)))
        carry, out = jax.lax.scan(step, begun, (*xs, into), reverse=True)
    else:
        carry, out = jax.lax.scan(lambda c, x: step(c, (*x, moves)), begun, xs, reverse=True)
    before, highest, message, pairs = carry
    smoothed, following = out
    return _Back(smoothed, following if varying else pairs, message, highest, before)


def pieces_of(batch: int, steps: int, varying: bool) -> int:
    """Into how many pieces each sequence is cut."""
    if varying or steps < _LONG or batch >= 256:
        return 1
    # About as many lanes as steps in each: the cost of a step hardly depends on few lanes.
    ideal = int((steps / batch) ** 0.5)
    return max(1, min(ideal, steps // (2 * _WARM)))


def cut(rows: Array, pieces: int) -> Array:
    """``[B, T, K]`` in lanes, ``[T/Q, K, B*Q]``, filled up with zeros at the end."""
    batch, steps, states = rows.shape
    length = -(-steps // pieces)
    if pieces > 1:
        length = -(-length // _REPEATED) * _REPEATED
    rows = jnp.pad(rows, ((0, 0), (0, length * pieces - steps), (0, 0)))
    return jnp.transpose(rows.reshape(batch * pieces, length, states), (1, 2, 0))


def joined(lanes: Array, pieces: int, steps: int) -> Array:
    """``[B, T, K]`` of what lies in lanes."""
    length, states, count = lanes.shape
    rows = jnp.transpose(lanes, (2, 0, 1)).reshape(count // pieces, pieces * length, states)
    return rows[:, :steps]


def _shifted(lanes: Array, edge: Array, pieces: int, by: int) -> Array:
    """What a piece gets from its neighbour, ``[K, B*Q]``; the outermost gets ``edge [K, B]``."""
    whole = lanes.reshape(lanes.shape[0], -1, pieces)
    edge = jnp.broadcast_to(edge, whole.shape[:2])[:, :, None]
    parts = [edge, whole[:, :, :-1]] if by > 0 else [whole[:, :, 1:], edge]
    return jnp.concatenate(parts, axis=2).reshape(lanes.shape)


def _differ(new: Array, old: Array) -> Array:
    # Relative, however unlikely a state is, since the next step may turn everything over. With
    # NaN it is over at once: the caller sees that the result is not finite.
    info = jnp.finfo(new.dtype)
    return jnp.any(jnp.abs(new - old) > 64 * info.eps * new + 1e3 * info.tiny)


def _forward_pieces(start: Array, moves: Array, weights: Array, pieces: int) -> _Ahead:
    """Forward through all pieces, which are then repeated from what their neighbours end with, as
    far as that makes a difference."""
    steps = len(weights)
    even = jnp.full_like(weights[0], 1 / weights.shape[1])

    def going(carry: Any) -> Array:
        rounds, _, _, differ, _, _ = carry
        return (rounds < pieces) & differ

    def again(carry: Any) -> Any:
        rounds, at, predicted, _, ends, ahead = carry
        new = _forward(predicted, moves, jax.lax.dynamic_slice_in_dim(weights, at, _REPEATED))
        part, end = at // _REPEATED, new.filtered[-1]
        differ = _differ(end, jax.lax.dynamic_index_in_dim(ends, part, keepdims=False))
        over = at + _REPEATED == steps
        leaving = jnp.where(over, new.leaving, ahead.leaving)
        ahead = _Ahead(
            jax.lax.dynamic_update_slice_in_dim(ahead.filtered, new.filtered, at, 0),
            jax.lax.dynamic_update_slice_in_dim(ahead.scales, new.scales, at, 0),
            leaving,
        )
        entering = jnp.where(over, _shifted(leaving, start, pieces, 1), new.leaving)
        ends = jax.lax.dynamic_update_index_in_dim(ends, end, part, 0)
        at = jnp.where(over, 0, at + _REPEATED)
        return rounds + over, at, entering, differ, ends, ahead

    ahead = _forward(even, moves, weights)
    # Apart from the rest, which is then written in place.
    ends = ahead.filtered[_REPEATED - 1 :: _REPEATED]
    zero = jnp.zeros((), jnp.int32)
    entering = _shifted(ahead.leaving, start, pieces, 1)
    begun = zero, zero, entering, jnp.array(True), ends, ahead
    return jax.lax.while_loop(going, again, begun)[5]


def _backward_pieces(
    moves: Array, weights: Array, ahead: _Ahead, counted: Array, pieces: int
) -> _Back:
    one = jnp.ones_like(weights[0])
    few = ahead._replace(filtered=ahead.filtered[:_WARM], scales=ahead.scales[:_WARM])

    def hand(leaving: Array) -> Array:
        return _shifted(leaving, one[:, :1], pieces, -1)

    def run(entering: Array) -> _Back:
        return _backward(entering, moves, weights, ahead, counted)

    def going(carry: Any) -> Array:
        rounds, entering, out = carry
        return (rounds < pieces) & _differ(hand(out.leaving), entering)

    def again(carry: Any) -> Any:
        rounds, _, out = carry
        entering = hand(out.leaving)
        return rounds + 1, entering, run(entering)

    entering = hand(_backward(one, moves, weights[:_WARM], few, counted[:_WARM]).leaving)
    begun = jnp.zeros((), jnp.int32), entering, run(entering)
    return jax.lax.while_loop(going, again, begun)[2]
