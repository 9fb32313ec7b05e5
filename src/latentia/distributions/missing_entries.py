"""What the observed entries of a Gaussian say about the missing ones, for many rows at once.

With the precision matrix P and the missing entries m of a row, E[x_m] = -inverse(P_mm) (P x)_m
where the missing entries of x are zero, and inverse(P_mm) is their covariance. Most rows lack few
entries, so only that small block is gathered and inverted: its room is the smallest power of two
that the rows of a block need, which is why rows are sorted by how many entries they lack.

However these functions are mapped, the rows end up on the last axis, which is contiguous. They have
no derivatives: those of ``gaussian_terms.marginal_distance`` stand in for them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Places(NamedTuple):
    """Which columns S rows lack, in M places: ``column [M, S]``, and whether ``used [M, S]``."""

    column: jax.Array
    used: jax.Array

    @property
    def both(self) -> jax.Array:
        """``[M, M, S]``: whether a pair of places is used."""
        return self.used[:, None] & self.used[None]

    def cell(self, dim: int) -> jax.Array:
        """``[M, M, S]``: where a pair stands in a flattened matrix."""
        return self.column[:, None] * dim + self.column[None]


class Compact(NamedTuple):
    """Of the missing entries: ``inverse [M, M, S]`` of the precision's block, the conditional means
    ``value [M, S]``, and ``log_det [S]`` of the block."""

    inverse: jax.Array
    value: jax.Array
    log_det: jax.Array


@jax.custom_batching.custom_vmap
def fill_missing(precision: jax.Array, gap: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Rows with their missing entries at the conditional mean.

    Args:
        precision: ``[*K, D, D]``.
        gap: ``[*K, S, D]``, distances from the mean, NaN where missing, for every k alike.

    Returns:
        ``filled [*K, S, D]``, and ``log_det [*K, S]`` of the precision's missing block.
    """

    def one(places: Places, precision: jax.Array, gap: jax.Array) -> tuple[jax.Array, jax.Array]:
        known, compact = _compact(places, precision, gap)
        return _filled(known, places, compact), compact.log_det

    return _sized(one, precision, gap)


@fill_missing.def_vmap
def _fill_missing_batch(axis_size, in_batched, precision, gap):
    if in_batched[0]:
        return fill_missing(precision, _spread(gap, axis_size, in_batched[1])), (True, True)
    # One precision for all: the batch is more rows.
    rows = jnp.moveaxis(gap, 0, -3)
    filled, log_det = fill_missing(
        precision, rows.reshape(*rows.shape[:-3], rows.shape[-3] * rows.shape[-2], rows.shape[-1])
    )
    filled = jnp.moveaxis(filled.reshape(rows.shape), -3, 0)
    log_det = jnp.moveaxis(log_det.reshape(rows.shape[:-1]), -2, 0)
    return (filled, log_det), (True, True)


@jax.custom_batching.custom_vmap
def fill_and_spread(
    precision: jax.Array, gap: jax.Array, weight: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Filled rows, and the weighted sum of the covariances of what was filled in.

    Args:
        precision: ``[*K, D, D]``.
        gap: ``[*K, S, D]``, distances from the mean, NaN where missing, for every k alike.
        weight: ``[*K, S]``.

    Returns:
        ``filled [*K, S, D]`` and ``spread [*K, D, D]``.
    """

    def one(places: Places, precision: jax.Array, gap: jax.Array, weight: jax.Array):
        known, compact = _compact(places, precision, gap)
        dim = gap.shape[-1]
        shares = jnp.where(places.both, compact.inverse * weight, 0.0)
        flat = jnp.zeros(dim * dim, shares.dtype).at[places.cell(dim).ravel()].add(shares.ravel())
        return _filled(known, places, compact), flat.reshape(dim, dim)

    return _sized(one, precision, gap, weight)


@fill_and_spread.def_vmap
def _fill_and_spread_batch(axis_size, in_batched, *arguments):
    spread = [_spread(a, axis_size, b) for a, b in zip(arguments, in_batched, strict=True)]
    return fill_and_spread(*spread), (True, True)


def _spread(array: jax.Array, size: int, batched: bool) -> jax.Array:
    return array if batched else jnp.broadcast_to(array, (size, *array.shape))


def _sized(one, precision: jax.Array, *rows: jax.Array):
    """``one`` for each of the leading axes, with just as much room as the rows need."""
    lead, dim = precision.shape[:-2], precision.shape[-1]
    count = precision.ndim - 2
    flat = [a.reshape(-1, *a.shape[count:]) for a in (precision, *rows)]
    sizes = _rooms(dim)
    missing = jnp.isnan(flat[1][0])
    which = jnp.sum(jnp.max(jnp.sum(missing, axis=-1)) > jnp.array(sizes))

    def with_room(size: int):
        def all_leads(*flat: jax.Array):
            places = _places(size, missing)
            return jax.vmap(lambda *each: one(places, *each))(*flat)

        return all_leads

    found = jax.lax.switch(which, [with_room(size) for size in sizes], *flat)
    return jax.tree.map(lambda leaf: leaf.reshape(*lead, *leaf.shape[1:]), found)


def _rooms(dim: int) -> list[int]:
    """The sizes that a program is made for: 1, 2, 4, ... and the number of columns."""
    sizes = [1]
    while 2 * sizes[-1] < dim:
        sizes.append(2 * sizes[-1])
    return [*sizes, dim] if dim > 1 else sizes


def _places(size: int, missing: jax.Array) -> Places:
    rank = jnp.cumsum(missing, axis=-1) - 1
    columns = jnp.arange(missing.shape[-1])
    here = missing & (rank == jnp.arange(size)[:, None, None])
    return Places(jnp.sum(here * columns, axis=-1), jnp.any(here, axis=-1))


def _compact(places: Places, precision: jax.Array, gap: jax.Array) -> tuple[jax.Array, Compact]:
    known = jnp.where(jnp.isnan(gap), 0.0, gap)
    block = precision.ravel()[places.cell(gap.shape[-1])]
    eye = jnp.eye(places.column.shape[0], dtype=precision.dtype)[:, :, None]
    inverse, log_det = _inverses(jnp.where(places.both, block, eye))
    pull = jnp.take_along_axis((known @ precision).T, places.column, axis=0)
    value = -jnp.sum(inverse * jnp.where(places.used, pull, 0.0)[None], axis=1)
    return known, Compact(inverse, jnp.where(places.used, value, 0.0), log_det)


def _filled(known: jax.Array, places: Places, compact: Compact) -> jax.Array:
    columns = jnp.arange(known.shape[-1])
    here = places.column[:, None] == columns[None, :, None]
    return known + jnp.sum(jnp.where(here, compact.value[:, None], 0.0), axis=0).T


def _inverses(block: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Inverses and log determinants of positive matrices ``[M, M, S]``, by Gauss-Jordan."""
    places = jnp.arange(block.shape[0])

    def eliminate(carry, p):
        matrix, log_det = carry
        pivot = matrix[p, p]
        row = matrix[p] / pivot
        column = matrix[:, p]
        here = places == p
        left = jnp.where(here[:, None], 0.0, column)
        changed = matrix - left[:, None] * row[None]
        changed = jnp.where(here[:, None, None], row[None], changed)
        edge = jnp.where(here[:, None], 1.0, -column) / pivot
        changed = jnp.where(here[None, :, None], edge[:, None], changed)
        return (changed, log_det + jnp.log(pivot)), None

    zero = jnp.zeros(block.shape[-1], block.dtype)
    (inverse, log_det), _ = jax.lax.scan(eliminate, (block, zero), places)
    return inverse, log_det
