"""Rows in tiles that share a few candidate states: the E-step of a mixture of many states.

A tile holds rows that lie near each other, so that the same few of the K states matter to all of
them, and a pass is one small matrix product for each tile. What is left out of the sum over states
makes the objective a lower bound of the log-likelihood, which EM on fixed candidates raises step by
step (Neal and Hinton 1998; truncated posteriors: Lücke and Eggert 2010; sparse posteriors: Hughes
and Sudderth 2016).
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from latentia.data.blocks import round_up
from latentia.numerics import log_sum_exp, product_log, safe_log
from latentia.typing import Form

from .expectation import Totals

# No bucket holds fewer candidates than this, since a product of less is no quicker.
_FEWEST = 8


class Tiles(NamedTuple):
    """M tiles of B rows: ``x [M, B, D]`` and ``weight [M, B]``, 0 for what fills up a tile."""

    x: Any
    weight: Any


class Bucket(NamedTuple):
    """The tiles ``[start, stop)``, whose candidates ``[M, C]`` are K where there are fewer than C.

    With C = K they are all the states, in order.
    """

    candidates: Any
    start: Any
    stop: Any


class Screened(NamedTuple):
    """What is known of the rows of M tiles.

    ``best [M, B]``: the most probable state; ``evidence [M, B]``: log p(x) without what is left
    out; ``share [M, C]``: the largest log posterior of each candidate in the tile; and ``entropy
    ()`` of the posteriors, in total.
    """

    best: Any
    evidence: Any
    share: Any
    entropy: Any


class Layout(NamedTuple):
    """Which rows the tiles hold: ``rows [M, B]``, and -1 for what fills up."""

    rows: np.ndarray

    def tiles(self, values: np.ndarray, weight: np.ndarray) -> Tiles:
        """The tiles of rows ``[N, D]`` with weights ``[N]``."""
        # Filled up with a row of the tile, for which the same states matter.
        kept = np.where(self.rows >= 0, self.rows, np.maximum(self.rows[:, :1], 0))
        filled = np.where(self.rows >= 0, weight[kept], 0.0)
        return Tiles(values[kept], filled.astype(weight.dtype))


def tile_size(rows: int, states: int) -> int:
    """B: so few rows that most tiles are full where states have as many rows each."""
    each = max(rows // states // 3, 1)
    return int(np.clip(round_up(each), 32, 512))


def laid_out(best: np.ndarray, states: int) -> tuple[Layout, int]:
    """Tiles in which all rows have the same most probable state, ``best [N]``, and how many."""
    size = tile_size(len(best), states)
    order = np.argsort(best, kind="stable")
    counts = np.bincount(best, minlength=states)
    each = -(-counts // size)
    first = np.cumsum(each) - each
    within = np.arange(len(best)) - np.repeat(np.cumsum(counts) - counts, counts)
    # As many tiles as there can be, so that programs need not be compiled again.
    rows = np.full(round_up(-(-len(best) // size) + states) * size, -1)
    rows[np.repeat(first, counts) * size + within] = order
    return Layout(rows.reshape(-1, size)), int(each.sum())


def in_buckets(keep: np.ndarray, used: int) -> tuple[np.ndarray, list[Bucket]]:
    """An order of the tiles, and buckets of those that have about as many candidates.

    Args:
        keep: ``[M, K]``, the candidates of each tile.
        used: how many of the tiles, the first, hold rows.
    """
    states = keep.shape[1]
    counts = keep[:used].sum(axis=1)
    sizes = 2 ** np.ceil(np.log2(np.maximum(counts, _FEWEST))).astype(int)
    # More than half of the states are cheaper without the detour.
    sizes = np.where(2 * sizes > states, states, sizes)
    order = np.argsort(sizes, kind="stable")
    sizes, buckets = sizes[order], []
    for size in np.unique(sizes):
        start, stop = np.searchsorted(sizes, size), np.searchsorted(sizes, size, side="right")
        candidates = np.zeros((1, states), np.int32)
        if size < states:
            candidates = np.full((len(keep), size), states, np.int32)
            tile, state = np.nonzero(keep[order[start:stop]])
            before = np.cumsum(counts[order[start:stop]]) - counts[order[start:stop]]
            candidates[start + tile, np.arange(len(tile)) - before[tile]] = state
        buckets.append(Bucket(candidates, np.int32(start), np.int32(stop)))
    return np.concatenate([order, np.arange(used, len(keep))]), buckets


@partial(jax.jit, static_argnames=("form",))
def prepared(likelihood: Any, *, form: Form) -> Any:
    """The likelihood, ready to be evaluated."""
    return likelihood.prepare(form)


@jax.jit
def bucket_totals(weights: Any, prepared: Any, tiles: Tiles, bucket: Bucket) -> Any:
    """Statistics of the likelihood, not yet finished, and the sum of the log evidence.

    Args:
        weights: ``[K]``, of the prior.
        prepared: the likelihood.
    """
    states = weights.shape[0]
    whole = bucket.candidates.shape[1] == states

    def tile(index: Any) -> Any:
        x, weight = tiles.x[index], tiles.weight[index]
        few, joint, evidence = _posterior(weights, prepared, bucket, x, index)
        shares = jnp.exp(joint - jnp.where(evidence > -jnp.inf, evidence, 0.0)[:, None])
        total = jnp.sum(jnp.where(weight > 0, weight * evidence, 0.0))
        return few.statistics(x, shares, weight), total

    def add(index: Any, sums: Any) -> Any:
        found, value = tile(index)
        if whole:
            likelihood = jax.tree.map(jnp.add, sums[0], found)
        else:
            to = bucket.candidates[index]
            likelihood = jax.tree.map(lambda s, p: s.at[to].add(p, mode="drop"), sums[0], found)
        return likelihood, sums[1] + value

    shapes, value = jax.eval_shape(tile, jnp.int32(0))
    zeros = jax.tree.map(lambda s: jnp.zeros((states, *s.shape[1:]), s.dtype), shapes)
    start = zeros, jnp.zeros((), value.dtype)
    return jax.lax.fori_loop(bucket.start, bucket.stop, add, start)


@jax.jit
def finished(prepared: Any, parts: Any) -> Totals:
    """The totals of all buckets."""
    likelihood, value = jax.tree.map(lambda *leaves: sum(leaves[1:], leaves[0]), *parts)
    # The expected number of rows in each state is all that the prior learns from.
    return Totals(likelihood.mass, prepared.finish(likelihood), value)


def _posterior(weights: Any, prepared: Any, bucket: Bucket, x: Any, index: Any) -> Any:
    """The likelihood of the candidates alone; log joint densities ``[B, C]``; and their sums, the
    evidence ``[B]``."""
    states = weights.shape[0]
    prior = safe_log(weights)
    prior = prior - log_sum_exp(prior)
    if bucket.candidates.shape[1] == states:
        joint = prior + jax.vmap(prepared.potential)(x).log_values
        return prepared, joint, log_sum_exp(joint)
    # K, which is no state, fills up.
    chosen = bucket.candidates[index]
    few = prepared.select(jnp.minimum(chosen, states - 1))
    values = jax.vmap(few.potential)(x).log_values
    joint = jnp.where(chosen < states, jnp.append(prior, -jnp.inf)[chosen] + values, -jnp.inf)
    return few, joint, log_sum_exp(joint)


@jax.jit
def screened(weights: Any, prepared: Any, tiles: Tiles, bucket: Bucket) -> Screened:
    """What posteriors over the candidates look like."""
    whole = bucket.candidates.shape[1] == weights.shape[0]
    count, size = tiles.weight.shape
    dtype = tiles.x.dtype

    def add(index: Any, found: Screened) -> Screened:
        x, weight = tiles.x[index], tiles.weight[index]
        _, joint, evidence = _posterior(weights, prepared, bucket, x, index)
        log_shares = joint - jnp.where(evidence > -jnp.inf, evidence, 0.0)[:, None]
        shares = jnp.exp(log_shares)
        best = jnp.argmax(joint, axis=1)
        best = best if whole else bucket.candidates[index][best]
        return Screened(
            found.best.at[index].set(best.astype(jnp.int32)),
            found.evidence.at[index].set(evidence),
            # What fills up a tile is one of its rows.
            found.share.at[index].set(jnp.max(log_shares, axis=0)),
            found.entropy - weight @ jnp.sum(product_log(shares, shares), axis=1),
        )

    start = Screened(
        jnp.zeros((count, size), jnp.int32),
        jnp.zeros((count, size), dtype),
        jnp.full((count, bucket.candidates.shape[1]), -jnp.inf, dtype),
        jnp.zeros((), dtype),
    )
    return jax.lax.fori_loop(bucket.start, bucket.stop, add, start)
