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
    # Each step's best state explains it with 1: the rest is in the logarithm.
    top = jnp.max(lanes, axis=-1, keepdims=True)
    top = jnp.where(jnp.isfinite(top), top, 0.0)
    weights = jnp.exp(lanes - top)
    if pieces == 1:
        filtered, scales, _ = _forward(start, each, weights)
    else:
        filtered, scales = _forward_pieces(start, each, weights, pieces)
    ratios = weights / scales
    if pieces == 1:
        later, _ = _backward(jnp.ones_like(ratios[0]), each, ratios)
    else:
        later = _backward_pieces(each, ratios, pieces)
    total = jnp.sum((top + jnp.log(scales))[..., 0], axis=0).reshape(batch, pieces).sum(axis=1)
    known = _cut(jnp.pad(counted, ((0, 0), (0, 1)))[..., None], pieces)
    both = _moves(filtered, moves, _following(ratios * later, pieces), known, batch)
    safe = _safe(scales, later, total)
    return ScaledPass(
        total, _joined(filtered, batch, steps), _joined(filtered * later, batch, steps), both, safe
    )


def _following(messages: Array, pieces: int) -> Array:
    """The messages of the next step, for each step; zero after the last."""
    zero = jnp.zeros_like(messages[0, 0])
    return jnp.concatenate([messages[1:], _shifted(messages[0], zero, pieces, -1)[None]])


def _moves(filtered: Array, moves: Array, following: Array, known: Array, batch: int) -> Array:
    """Expected moves, ``[B, K, K]``, or ``[B, T-1, K, K]`` if each step has its own."""
    following = jnp.where(known, following, 0.0)
    if moves.ndim == 4:
        both = filtered[:-1, :, :, None] * following[:-1, :, None, :]
        return moves * jnp.moveaxis(both, 0, 1)
    states = filtered.shape[-1]
    wide = (filtered.shape[0], batch, -1, states)
    pair = filtered.reshape(wide), following.reshape(wide)
    return moves * jnp.einsum("lbsi,lbsj->bij", *pair)


def _safe(scales: Array, later: Array, total: Array) -> Array:
    """Whether what underflowed could not have mattered.

    What is lost at a step is below the smallest number, relative to what is kept; it matters only
    by what the rest of the sequence says for it, ``later``. Both are far from their limits.
    """
    narrow = scales.dtype == jnp.float32
    low, high = (1e-15, 1e12) if narrow else (1e-150, 1e120)
    return (jnp.min(scales) > low) & (jnp.max(later) < high) & jnp.all(jnp.isfinite(total))


def _follow(filtered: Array, moves: Array) -> Array:
    """The next step's probabilities, for ``filtered [B, K]`` and ``moves [1 or B, K, K]``."""
    if moves.shape[0] == 1:
        return filtered @ moves[0]
    return jnp.einsum("bi,bij->bj", filtered, moves)


def _precede(messages: Array, moves: Array) -> Array:
    if moves.shape[0] == 1:
        return messages @ moves[0].T
    return jnp.einsum("bj,bij->bi", messages, moves)


def _forward(start: Array, moves: Array, weights: Array) -> tuple[Array, Array, Array]:
    """``filtered [T, B, K]``, ``scales [T, B, 1]``, and what is predicted after the last step."""

    def step(predicted: Array, inputs: tuple[Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        weight, move = inputs
        joint = predicted * weight
        scale = jnp.sum(joint, axis=-1, keepdims=True)
        filtered = joint * (1 / scale)
        return _follow(filtered, move), (filtered, scale)

    first = jnp.broadcast_to(start, weights.shape[1:])
    if moves.ndim == 4:
        # The last step has no move of its own.
        ahead = jnp.moveaxis(jnp.concatenate([moves, moves[:, -1:]], axis=1), 1, 0)
        last, (filtered, scales) = jax.lax.scan(step, first, (weights, ahead))
    else:
        last, (filtered, scales) = jax.lax.scan(lambda p, w: step(p, (w, moves)), first, weights)
    return filtered, scales, last


def _backward(end: Array, moves: Array, ratios: Array) -> tuple[Array, Array]:
    """What the rest of the sequence says at each step, ``[T, B, K]``, and before the first."""

    def step(later: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        ratio, move = inputs
        return _precede(ratio * later, move), later

    if moves.ndim == 4:
        # The move into the first step is the start's business: any will do.
        into = jnp.moveaxis(jnp.concatenate([moves[:, :1], moves], axis=1), 1, 0)
        before, later = jax.lax.scan(step, end, (ratios, into), reverse=True)
    else:
        before, later = jax.lax.scan(lambda m, r: step(m, (r, moves)), end, ratios, reverse=True)
    return later, before


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


def _forward_pieces(start: Array, moves: Array, weights: Array, pieces: int) -> tuple[Array, Array]:
    first = jnp.repeat(start, weights.shape[1] // pieces // start.shape[0], axis=0)
    even = jnp.full_like(weights[0], 1 / weights.shape[-1])
    filtered, scales, _ = _settle(
        lambda entering: _forward(entering, moves, weights),
        lambda leaving: _shifted(leaving, first, pieces, 1),
        _forward(even, moves, weights[-_WARM:])[2],
        pieces,
    )
    return filtered, scales


def _backward_pieces(moves: Array, ratios: Array, pieces: int) -> Array:
    one = jnp.ones_like(ratios[0])
    later, _ = _settle(
        lambda entering: _backward(entering, moves, ratios),
        lambda leaving: _shifted(leaving, one[0], pieces, -1),
        _backward(one, moves, ratios[:_WARM])[1],
        pieces,
    )
    return later


def _settle(run: Any, hand: Any, guess: Array, pieces: int) -> Any:
    """Run all pieces until what each starts from is what its neighbour ends with.

    Args:
        run: from what enters each piece to some results, of which the last is what leaves it.
        hand: from what leaves the pieces to what enters them.
        guess: what leaves them, more or less.
    """
    eps = jnp.finfo(guess.dtype).eps

    def gap(entering: Array, out: Any) -> Array:
        new = hand(out[-1])
        # Relative, however unlikely a state is, since the next step may turn everything over. With
        # NaN it is over at once: the caller sees that the result is not finite.
        negligible = 1e3 * jnp.finfo(guess.dtype).tiny
        return jnp.any(jnp.abs(new - entering) > 64 * eps * new + negligible)

    def going(carry: Any) -> Array:
        rounds, entering, out = carry
        return (rounds < pieces) & gap(entering, out)

    def again(carry: Any) -> Any:
        rounds, _, out = carry
        entering = hand(out[-1])
        return rounds + 1, entering, run(entering)

    entering = hand(guess)
    first = jnp.zeros((), jnp.int32), entering, run(entering)
    return jax.lax.while_loop(going, again, first)[2]
