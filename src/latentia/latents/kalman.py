"""Kalman's filter and the Rauch-Tung-Striebel smoother, through square roots.

The state is written ``z_t = m_t + S_t u_t`` with ``u_t`` standard normal before x_t is seen. Seeing
x_t makes ``u_t = gain e_t + left v_t``; moving on is a rotation of ``v_t`` and the noise into
``u_{t+1}`` and what is lost. So going back multiplies by contractions and adds squares: nothing is
inverted, nothing subtracted, and singular covariances need no care (square-root array algorithms:
Kailath, Sayed and Hassibi 2000, chapter 12).

A diffuse start is exact: the start's unknown coordinates are regression coefficients with a flat
density, for which the filter makes the residuals independent (de Jong 1991, "The diffuse Kalman
filter"; equal to the recursions of Durbin and Koopman 2012, chapter 5).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .square_roots import (
    applied,
    lower_inverse,
    observed_roots,
    product,
    transposed,
    triangularized,
)


class Dynamics(NamedTuple):
    """How z moves: ``z_1 = mean + root u + diffuse δ`` with δ flat, and
    ``z_{t+1} = transition z_t + drift + noise w``.

    ``mean, drift [L]``; ``root, transition, noise [L, L]``; ``diffuse [L, d]``. Where covariates
    drive the chain, ``drift [T, L]`` is that of the move from each step to the next (the last is of
    no account), and ``inputs [T-1, P]`` are the covariates that it is made of.
    """

    mean: jax.Array
    root: jax.Array
    diffuse: jax.Array
    transition: jax.Array
    drift: jax.Array
    noise: jax.Array
    inputs: jax.Array | None = None


class Factors(NamedTuple):
    """The covariances of the filter, by their roots; a leading axis of T.

    ``root [L, L]``, S before x_t is seen; ``left [L, L]`` and ``gain [L, R]`` as above, for
    innovations whitened by ``lower [R, R]``; ``turn [L, 2L]``, with ``v_t = turn (u_{t+1}, loss)``.
    """

    root: jax.Array
    left: jax.Array
    gain: jax.Array
    lower: jax.Array
    turn: jax.Array


def _step(dynamics: Dynamics, root: jax.Array, design: jax.Array) -> tuple[jax.Array, Factors]:
    """From the root before x_t is seen to that of the next step."""
    size = root.shape[0]
    left, gain, lower = observed_roots(product(design, root))
    onward = product(dynamics.transition, product(root, left))
    eye = jnp.eye(size, dtype=root.dtype)
    array = jnp.block([[onward, dynamics.noise], [eye, jnp.zeros_like(eye)]])
    turned = triangularized(array, size)
    return turned[:size, :size], Factors(root, left, gain, lower, turned[size:])


def factors(dynamics: Dynamics, design: jax.Array) -> Factors:
    """The covariances of the filter for a design ``[T, R, L]``."""

    def step(root: jax.Array, rows: jax.Array) -> tuple[jax.Array, Factors]:
        return _step(dynamics, root, rows)

    return jax.lax.scan(step, dynamics.root, design)[1]


def settled_factors(dynamics: Dynamics, design: jax.Array) -> Factors:
    """As ``factors``, but no longer computed once they repeat to rounding.

    They do so soon where the design stays the same. Not to be differentiated, nor for a batch.
    """
    steps, tiny = design.shape[0], 2 * jnp.finfo(design.dtype).eps
    changes = jnp.any(design[1:] != design[:-1], axis=(1, 2))
    last_change = jnp.max(jnp.where(changes, jnp.arange(1, steps), 0), initial=0)
    shapes = jax.eval_shape(lambda: _step(dynamics, dynamics.root, design[0])[1])
    empty = jax.tree.map(lambda s: jnp.zeros((steps, *s.shape), s.dtype), shapes)

    def going(state: Any) -> jax.Array:
        t, _, still, _ = state
        return (t < steps) & ~(still & (t > last_change))

    def step(state: Any) -> Any:
        t, root, _, kept = state
        following, found = _step(dynamics, root, design[t])
        scale = jnp.max(jnp.abs(following), axis=1, keepdims=True)
        still = jnp.all(jnp.abs(following - root) <= tiny * scale)
        kept = jax.tree.map(lambda all_, one: all_.at[t].set(one), kept, found)
        return t + 1, following, still, kept

    start = (jnp.zeros((), int), dynamics.root, jnp.array(False), empty)
    done, _, _, kept = jax.lax.while_loop(going, step, start)
    index = jnp.minimum(jnp.arange(steps), done - 1)
    return jax.tree.map(lambda leaf: leaf[index], kept)


class Maps(NamedTuple):
    """What is linear in the data, for each step (a leading axis of T).

    ``whiten [R, R]`` makes innovations independent; ``onward [L, L]`` and ``pull [L, R]`` give the
    next predicted mean; ``seen [L, R]`` the mean of ``u_t``, and ``back [L, L]`` its dependence on
    ``u_{t+1}``.
    """

    whiten: jax.Array
    onward: jax.Array
    pull: jax.Array
    seen: jax.Array
    back: jax.Array


def maps(dynamics: Dynamics, design: jax.Array, found: Factors) -> Maps:
    """The linear maps of the filter and the smoother."""
    size = design.shape[-1]
    whiten = lower_inverse(found.lower)
    seen = product(found.gain, whiten)
    gain = product(found.root, seen)
    eye = jnp.eye(size, dtype=design.dtype)
    onward = product(dynamics.transition, eye - product(gain, design))
    pull = product(dynamics.transition, gain)
    return Maps(whiten, onward, pull, seen, product(found.left, found.turn[..., :size]))


class Path(NamedTuple):
    """``predicted [T, L]``, the means before x_t is seen; ``innovations [T, R]``, whitened; and
    ``noise [T, L]``, the smoothed means of ``u_t``."""

    predicted: jax.Array
    innovations: jax.Array
    noise: jax.Array


def path(
    design: jax.Array, linear: Maps, mean: jax.Array, drift: jax.Array, target: jax.Array
) -> Path:
    """Filtered forward and smoothed backward: linear in (mean, drift, target) together."""
    pulled = applied(linear.pull, target) + drift
    following = linear_recursion(linear.onward, pulled, mean)
    predicted = jnp.concatenate([mean[None], following[:-1]])
    gaps = jax.lax.optimization_barrier(target - applied(design, predicted))
    innovations = applied(linear.whiten, gaps)
    seen = applied(linear.seen, gaps)
    noise = linear_recursion(linear.back[::-1], seen[::-1], jnp.zeros_like(mean))[::-1]
    return jax.lax.optimization_barrier(Path(predicted, innovations, noise))


def smoothed_noise(found: Factors) -> jax.Array:
    """``[T, L, L]``: the covariance of ``u_t`` given everything (but for a diffuse start)."""
    back, spread = _backward(found)

    def backward(later: jax.Array, inputs: Any) -> tuple[jax.Array, jax.Array]:
        covariance = product(product(inputs[0], later), inputs[0].T) + inputs[1]
        return covariance, covariance

    eye = jnp.eye(back.shape[-1], dtype=back.dtype)
    return jax.lax.scan(backward, eye, (back, spread), reverse=True)[1]


def settled_noise(found: Factors) -> jax.Array:
    """As ``smoothed_noise``, but no longer computed while it repeats to rounding."""
    back, spread = _backward(found)
    steps, tiny = back.shape[0], 2 * jnp.finfo(back.dtype).eps
    changes = jnp.any(back[1:] != back[:-1], axis=(1, 2))
    changes |= jnp.any(spread[1:] != spread[:-1], axis=(1, 2))
    # For each step, the first of those before it from which on all maps are as its own.
    since = jax.lax.cummax(jnp.where(changes, jnp.arange(1, steps), 0))
    since = jnp.concatenate([jnp.zeros(1, since.dtype), since])

    def step(state: Any) -> Any:
        t, later, kept, origin = state
        covariance = product(product(back[t], later), back[t].T) + spread[t]
        still = jnp.all(jnp.abs(covariance - later) <= tiny * jnp.max(jnp.abs(covariance)))
        kept = kept.at[t].set(covariance)
        origin = origin.at[t].set(t)
        onward = jnp.where(still & (since[t] < t), since[t], t - 1)
        return onward, covariance, kept, origin

    eye = jnp.eye(back.shape[-1], dtype=back.dtype)
    far = jnp.full(steps, steps - 1)
    start = (jnp.array(steps - 1), eye, jnp.zeros_like(back), far)
    _, _, kept, origin = jax.lax.while_loop(lambda state: state[0] >= 0, step, start)
    # A step that was passed over is like the next one that was not.
    return kept[jax.lax.cummin(origin, reverse=True)]


def _backward(found: Factors) -> tuple[jax.Array, jax.Array]:
    """How ``u_t`` depends on ``u_{t+1}``, and the covariance of the rest."""
    size = found.root.shape[-1]
    lost = product(found.left, found.turn[..., size:])
    return product(found.left, found.turn[..., :size]), product(lost, transposed(lost))


def linear_recursion(moves: jax.Array, offsets: jax.Array, start: jax.Array) -> jax.Array:
    """``[T, L]``: ``x_t = moves_t x_{t-1} + offsets_t`` from ``x_{-1} = start``.

    In about sqrt(T) chunks side by side, which are then joined: far fewer steps, one after another,
    than T.

    Args:
        moves: ``[T, L, L]``.
        offsets: ``[T, L]``.
        start: ``[L]``.
    """
    steps, size = offsets.shape
    length = max(1, round(steps**0.5))
    chunks = -(-steps // length)
    fill = chunks * length - steps
    eye = jnp.broadcast_to(jnp.eye(size, dtype=moves.dtype), (fill, size, size))
    moves = jnp.concatenate([moves, eye]).reshape(chunks, length, size, size)
    nothing = jnp.zeros((fill, size), offsets.dtype)
    offsets = jnp.concatenate([offsets, nothing]).reshape(chunks, length, size)

    def within(state: Any, inputs: Any) -> Any:
        whole, value = state
        move, offset = inputs
        whole = product(move, whole)
        value = applied(move, value) + offset
        return (whole, value), (whole, value)

    own = jnp.broadcast_to(jnp.eye(size, dtype=moves.dtype), (chunks, size, size))
    swapped = jnp.moveaxis(moves, 1, 0), jnp.moveaxis(offsets, 1, 0)
    (wholes, ends), (products, values) = jax.lax.scan(
        within, (own, jnp.zeros_like(offsets[:, 0])), swapped
    )

    def across(state: jax.Array, inputs: Any) -> tuple[jax.Array, jax.Array]:
        return applied(inputs[0], state) + inputs[1], state

    _, begins = jax.lax.scan(across, start, (wholes, ends))
    out = applied(products, begins) + values
    return jnp.moveaxis(out, 0, 1).reshape(-1, size)[:steps]
