"""What a Gaussian chain learns from: totals over its starts and its moves."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from latentia.numerics import LOG_2PI
from latentia.typing import Weights

from .kalman import Dynamics
from .smoothing import Transitions
from .square_roots import lower_inverse, triangularized


class ChainTotals(NamedTuple):
    """Weighted totals: ``mass ()`` of starts, ``first [L]`` and ``second [L, L]`` of
    ``z_1 - mean``, and of the moves."""

    mass: jax.Array
    first: jax.Array
    second: jax.Array
    moves: Transitions


def total(mean: jax.Array, moments: Any, weight: Weights) -> ChainTotals:
    """Totals over N sequences; one in which nothing was seen says nothing."""
    weight = jnp.where(moments.informed, weight, 0.0)
    gap = moments.steps.mean[:, 0] - mean
    spread = jnp.where(weight[:, None, None] > 0, moments.steps.covariance[:, 0], 0.0)
    # A diffuse start is not learned: where it stays unknown its variance is infinite.
    spread = jnp.where(jnp.isfinite(spread), spread, 0.0)
    second = (gap * weight[:, None]).T @ gap + jnp.einsum("n,nij->ij", weight, spread)
    moves = jax.tree.map(lambda leaf: jnp.tensordot(weight, leaf, 1), moments.moves)
    return ChainTotals(jnp.sum(weight), weight @ gap, second, moves)


def expected_totals(chain: Dynamics, other: Dynamics, weight: jax.Array) -> ChainTotals:
    """The totals, relative to ``chain``, that ``weight`` starts and moves of ``other`` have."""
    shift = other.mean - chain.mean
    spread = other.root @ other.root.T
    second = spread + jnp.outer(shift, shift)
    change = jnp.concatenate(
        [other.transition - chain.transition, (other.drift - chain.drift)[:, None]], axis=1
    )
    extended = jnp.append(other.mean, 1.0)
    design = jnp.outer(extended, extended).at[:-1, :-1].add(spread)
    cross = change @ design
    square = cross @ change.T + other.noise @ other.noise.T
    one = jnp.ones((), spread.dtype)
    totals = ChainTotals(one, shift, second, Transitions(one, square, cross, design))
    return jax.tree.map(lambda leaf: weight * leaf, totals)


def log_expected(
    chain: Dynamics, totals: ChainTotals, diffuse: tuple[bool, ...], still: tuple[bool, ...]
) -> jax.Array:
    """The log density of what the totals were taken over, relative to ``chain``."""
    start = _expected(totals.mass, totals.second, chain.root, diffuse)
    return start + _expected(totals.moves.mass, totals.moves.square, chain.noise, still)


def _expected(
    count: jax.Array, square: jax.Array, root: jax.Array, none: tuple[bool, ...]
) -> jax.Array:
    keep = jnp.array([i for i, absent in enumerate(none) if not absent], int)
    if keep.size == 0:
        return jnp.zeros((), square.dtype)
    lower = triangularized(root[keep], keep.size)[:, : keep.size]
    whitener = lower_inverse(lower)
    log_det = jnp.sum(jnp.log(jnp.diagonal(lower)))
    distance = jnp.sum((whitener @ square[keep][:, keep]) * whitener)
    return -0.5 * distance - count * (log_det + 0.5 * keep.size * LOG_2PI)
