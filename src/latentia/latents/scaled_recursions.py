"""Forward-backward with scaled probabilities, for a batch of sequences, in pieces where it pays.

One multiplication by the moves, one scaling and no logarithm for each step (Rabiner 1989, section
V.A). A long sequence is cut into pieces that are worked on side by side: each starts from a guess
of what the piece before it says, and all are repeated until what they start from is what they end
with. A chain forgets, so mostly one round is enough, and in the worst case as many rounds as there
are pieces give the very result of a single sweep.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# Sequences of fewer steps are not cut. Pieces are not shorter than the warm-up is long.
_LONG = 1024
_WARM = 64


class ScaledPass(NamedTuple):
    """Of B sequences ``log_evidence [B]``, ``filtered`` and ``smoothed [B, T, K]`` and ``moves``
    (``[B, K, K]``, or ``[B, T-1, K, K]`` where each step has its own); and ``safe ()``, whether
    nothing that matters was lost to underflow."""

    log_evidence: Float[Array, "B"]
    filtered: Float[Array, "B T K"]
    smoothed: Float[Array, "B T K"]
    moves: Array
    safe: Bool[Array, ""]


def scaled(start: Array, moves: Array, values: Array, counted: Array) -> ScaledPass:
    """The recursions with probabilities.

    Args:
        start: ``[1 or B, K]``.
        moves: ``[1 or B, K, K]``, or ``[1 or B, T-1, K, K]``.
        values: ``[B, T, K]``, log evidence.
        counted: ``[B, T-1]``, which moves are counted.
    """
    batch, steps, _ = values.shape
    pieces = _pieces(batch, steps, moves.ndim == 4)
    each = moves if moves.shape[0] == 1 else jnp.repeat(moves, pieces, axis=0)
    # Lanes lie side by side within a step, from here to the end: to turn them round is dear.
    lanes = _cut(values, pieces)
    known = _cut(jnp.pad(counted, ((0, 0), (0, 1)))[..., None], pieces)
    if pieces == 1:
        ahead = _forward(start, each, lanes)
        back = _backward(jnp.ones_like(lanes[0]), each, ahead, known)
    else:
        ahead = _forward_pieces(start, each, lanes, pieces)
        back = _backward_pieces(each, ahead, known, pieces)
    total = jnp.sum(ahead.logs, axis=(0, 2)).reshape(batch, pieces).sum(axis=1)
    return ScaledPass(
        total,
        _joined(ahead.filtered, batch, steps),
        _joined(back.smoothed, batch, steps),
        _moves(ahead.filtered, moves, back, known, pieces),
        _safe(ahead.lowest, back.highest, total),
    )


class _Ahead(NamedTuple):
    """Of lanes: ``filtered``; ``ratios``, of the evidence for each state and for the step as a
    whole, ``[T, B, K]``; ``logs``, of the latter, ``[T, B, 1]``; the ``lowest`` of them; and the
    probabilities that enter the next step."""

    filtered: Array
    ratios: Array
    logs: Array
    lowest: Array
    leaving: Array


class _Back(NamedTuple):
    """Of lanes: ``smoothed [T, B, K]``; ``pairs``, how often i came before j, up to the moves
    themselves, ``[B, K, K]`` or ``[T, B, K]`` (the later half of each); the message of the first
    step; the ``highest`` message; and what the lane says before its first step."""

    smoothed: Array
    pairs: Array
    first: Array
    highest: Array
    leaving: Array


def _moves(filtered: Array, moves: Array, back: _Back, known: Array, pieces: int) -> Array:
    """Expected moves, ``[B, K, K]``, or ``[B, T-1, K, K]`` if each step has its own."""
    if moves.ndim == 4:
        both = filtered[:-1, :, :, None] * back.pairs[:-1, :, None, :]
        return moves * jnp.moveaxis(both, 0, 1)
    states = filtered.shape[-1]
    pairs = back.pairs
    if pieces > 1:
        # From the last step of a piece to the first of the next.
        following = _shifted(back.first, jnp.zeros(states, filtered.dtype), pieces, -1)
        following = jnp.where(known[-1], following, 0.0)
        pairs = pairs + filtered[-1][:, :, None] * following[:, None, :]
    return moves * jnp.sum(pairs.reshape(-1, pieces, states, states), axis=1)


def _safe(lowest: Array, highest: Array, total: Array) -> Array:
    """Whether what underflowed could not have mattered.

    What is lost at a step is below the smallest number, relative to what is kept; it matters only
    by what the rest of the sequence says for it, ``highest``. Both are far from their limits.
    """
    narrow = lowest.dtype == jnp.float32
    low, high = (1e-15, 1e12) if narrow else (1e-150, 1e120)
    return (jnp.min(lowest) > low) & (jnp.max(highest) < high) & jnp.all(jnp.isfinite(total))


def _follow(filtered: Array, moves: Array) -> Array:
    """The next step's probabilities, for ``filtered [B, K]`` and ``moves [1 or B, K, K]``."""
    if moves.shape[0] == 1:
        return filtered @ moves[0]
    return jnp.einsum("bi,bij->bj", filtered, moves)


def _precede(messages: Array, moves: Array) -> Array:
    if moves.shape[0] == 1:
        return messages @ moves[0].T
    return jnp.einsum("bj,bij->bi", messages, moves)


def _forward(start: Array, moves: Array, values: Array) -> _Ahead:
    """Forward through lanes ``values [T, B, K]``."""

    def step(carry: Any, inputs: Any) -> Any:
        predicted, lowest = carry
        value, move = inputs
        # Each step's best state explains it with 1: the rest is in the logarithm.
        top = jnp.max(value, axis=-1, keepdims=True)
        top = jnp.where(jnp.isfinite(top), top, 0.0)
        weight = jnp.exp(value - top)
        joint = predicted * weight
        scale = jnp.sum(joint, axis=-1, keepdims=True)
        inverse = 1 / scale
        filtered = joint * inverse
        out = filtered, weight * inverse, top + jnp.log(scale)
        return (_follow(filtered, move), jnp.minimum(lowest, scale)), out

    first = jnp.broadcast_to(start, values.shape[1:])
    begun = first, jnp.ones_like(values[0, :, :1])
    if moves.ndim == 4:
        # The last step has no move of its own, and may be the first.
        each = jnp.moveaxis(jnp.pad(moves, ((0, 0), (0, 1), (0, 0), (0, 0))), 1, 0)
        (last, lowest), out = jax.lax.scan(step, begun, (values, each))
    else:
        (last, lowest), out = jax.lax.scan(lambda c, v: step(c, (v, moves)), begun, values)
    filtered, ratios, logs = out
    return _Ahead(filtered, ratios, logs, lowest, last)


def _backward(end: Array, moves: Array, ahead: _Ahead, known: Array) -> _Back:
    """Backward through lanes, from what is said after their last step.

    One sweep makes all that is wanted of them, while a step's numbers are at hand.
    """
    varying = moves.ndim == 4

    def step(carry: Any, inputs: Any) -> Any:
        later, highest, message, pairs = carry
        filtered, ratio, counts, move = inputs
        following = jnp.where(counts, message, 0.0)
        if not varying:
            pairs = pairs + filtered[:, :, None] * following[:, None, :]
        message = ratio * later
        carry = _precede(message, move), jnp.maximum(highest, later), message, pairs
        return carry, (filtered * later, following if varying else None)

    lanes, states = end.shape
    nothing = jnp.zeros((lanes, states, states) if not varying else (), end.dtype)
    begun = end, end, jnp.zeros_like(end), nothing
    xs = ahead.filtered, ahead.ratios, known
    if varying:
        # The move into the first step is the start's business: any will do.
        into = jnp.moveaxis(jnp.pad(moves, ((0, 0), (1, 0), (0, 0), (0, 0))), 1, 0)
        carry, out = jax.lax.scan(step, begun, (*xs, into), reverse=True)
    else:
        carry, out = jax.lax.scan(lambda c, x: step(c, (*x, moves)), begun, xs, reverse=True)
    before, highest, message, pairs = carry
    smoothed, following = out
    return _Back(smoothed, following if varying else pairs, message, highest, before)


def _pieces(batch: int, steps: int, varying: bool) -> int:
    """Into how many pieces each sequence is cut."""
    if varying or steps < _LONG or batch >= 256:
        return 1
    # About as many lanes as steps in each: the cost of a step hardly depends on few lanes.
    ideal = int((steps / batch) ** 0.5)
    return max(1, min(ideal, steps // (2 * _WARM)))


def _cut(rows: Array, pieces: int) -> Array:
    """``[B, T, K]`` as pieces side by side, ``[L, B * S, K]``, filled up with zeros at the end."""
    batch, steps, states = rows.shape
    length = -(-steps // pieces)
    rows = jnp.pad(rows, ((0, 0), (0, length * pieces - steps), (0, 0)))
    return jnp.swapaxes(rows.reshape(batch * pieces, length, states), 0, 1)


def _joined(lanes: Array, batch: int, steps: int) -> Array:
    whole = jnp.swapaxes(lanes, 0, 1).reshape(batch, -1, lanes.shape[-1])
    return whole[:, :steps]


def _shifted(lanes: Array, edge: Array, pieces: int, by: int) -> Array:
    """What a piece gets from its neighbour; the outermost gets ``edge``."""
    whole = lanes.reshape(-1, pieces, lanes.shape[-1])
    edge = jnp.broadcast_to(edge, (whole.shape[0], lanes.shape[-1]))[:, None]
    parts = [edge, whole[:, :-1]] if by > 0 else [whole[:, 1:], edge]
    return jnp.concatenate(parts, axis=1).reshape(lanes.shape)


def _forward_pieces(start: Array, moves: Array, values: Array, pieces: int) -> _Ahead:
    first = jnp.repeat(start, values.shape[1] // pieces // start.shape[0], axis=0)
    even = jnp.full_like(values[0], 1 / values.shape[-1])
    return _settle(
        lambda entering: _forward(entering, moves, values),
        lambda leaving: _shifted(leaving, first, pieces, 1),
        _forward(even, moves, values[-_WARM:]).leaving,
        pieces,
    )


def _backward_pieces(moves: Array, ahead: _Ahead, known: Array, pieces: int) -> _Back:
    one = jnp.ones_like(ahead.filtered[0])
    few = ahead._replace(filtered=ahead.filtered[:_WARM], ratios=ahead.ratios[:_WARM])
    return _settle(
        lambda entering: _backward(entering, moves, ahead, known),
        lambda leaving: _shifted(leaving, one[0], pieces, -1),
        _backward(one, moves, few, known[:_WARM]).leaving,
        pieces,
    )


def _settle(run: Any, hand: Any, guess: Array, pieces: int) -> Any:
    """Run all pieces until what each starts from is what its neighbour ends with.

    Args:
        run: from what enters each piece to results, with what leaves it as ``leaving``.
        hand: from what leaves the pieces to what enters them.
        guess: what leaves them, more or less.
    """
    eps = jnp.finfo(guess.dtype).eps

    def gap(entering: Array, out: Any) -> Array:
        new = hand(out.leaving)
        # Relative, however unlikely a state is, since the next step may turn everything over. With
        # NaN it is over at once: the caller sees that the result is not finite.
        negligible = 1e3 * jnp.finfo(guess.dtype).tiny
        return jnp.any(jnp.abs(new - entering) > 64 * eps * new + negligible)

    def going(carry: Any) -> Array:
        rounds, entering, out = carry
        return (rounds < pieces) & gap(entering, out)

    def again(carry: Any) -> Any:
        rounds, _, out = carry
        entering = hand(out.leaving)
        return rounds + 1, entering, run(entering)

    entering = hand(guess)
    first = jnp.zeros((), jnp.int32), entering, run(entering)
    return jax.lax.while_loop(going, again, first)[2]
