"""States that are certainly too far from a tile of rows to matter to any of them.

For a Gaussian with mean m and covariance S and any direction h with h'Sh = 1 the squared
Mahalanobis distance of x from m is at least (h'(x - m))^2, by the inequality of Cauchy and Schwarz.
With h along S^-1 (a - m), for a point a among the rows, that is nearly all of the distance where
states are far apart, and it costs one scalar product.
"""

from functools import partial, singledispatch
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from latentia.distributions import DiagonalGaussian, Gaussian, SphericalGaussian
from latentia.numerics import LOG_2PI, factor_inverse, safe_log

from .tiles import Tiles


class Shapes(NamedTuple):
    """Of K Gaussians: ``mean [K, D]``, the log density ``peak [K]`` at the mean, and the inverse
    covariance, ``precision [K, D, D]`` or its diagonal ``[K, D]``."""

    mean: Any
    peak: Any
    precision: Any


@singledispatch
def shapes_of(parts: Any) -> Shapes | None:
    """The shapes of the states of a ``Switch``; None for what is no Gaussian."""
    return None


@shapes_of.register
def _(parts: Gaussian) -> Shapes:
    whitener, log_det = jax.vmap(factor_inverse)(parts.covariance)
    precision = jnp.swapaxes(whitener, -1, -2) @ whitener
    return Shapes(parts.mean, -0.5 * (log_det + parts.dim * LOG_2PI), precision)


@shapes_of.register
def _(parts: DiagonalGaussian) -> Shapes:
    peak = -0.5 * jnp.sum(jnp.log(parts.variances) + LOG_2PI, axis=-1)
    return Shapes(parts.mean, peak, 1 / parts.variances)


@shapes_of.register
def _(parts: SphericalGaussian) -> Shapes:
    variances = jnp.broadcast_to(jnp.asarray(parts.variance)[..., None], parts.mean.shape)
    peak = -0.5 * jnp.sum(jnp.log(variances) + LOG_2PI, axis=-1)
    return Shapes(parts.mean, peak, 1 / variances)


@partial(jax.jit, static_argnames=("size",))
def nearest(mean: Any, x: Any, *, size: int) -> Any:
    """Of rows ``[N, D]``, N a multiple of the size, the nearest of ``mean [K, D]``, missing entries
    left out."""

    def block(x: Any) -> Any:
        seen = (~jnp.isnan(x)).astype(x.dtype)
        known = jnp.nan_to_num(x)
        return jnp.argmin(seen @ (mean**2).T - 2 * known @ mean.T, axis=1).astype(jnp.int32)

    return jax.lax.map(block, x.reshape(-1, size, x.shape[-1])).reshape(-1)


@jax.jit
def within_reach(model: Any, tiles: Tiles, low: Any, ends: Any, least: Any) -> Any:
    """``[M, K]``: which states may have a share above exp(``least``) of any row of a tile.

    Args:
        model: a mixture of Gaussians.
        tiles: without missing entries; those near state k are ``[ends[k], ends[k + 1])``.
        low: ``[M, B]``, a lower bound of log p(x).
        least: the log of the smallest share that counts.
    """
    shapes: Any = shapes_of(model.likelihood.parts)
    prior = safe_log(model.prior.weights)
    top = prior + shapes.peak
    states = top.shape[0]

    def of_state(state: Any, kept: Any) -> Any:
        gap = shapes.mean[state] - shapes.mean
        pull = (
            jnp.einsum("kij,kj->ki", shapes.precision, gap)
            if shapes.precision.ndim == 3
            else shapes.precision * gap
        )
        length = jnp.sqrt(jnp.maximum(jnp.sum(pull * gap, axis=1), 0.0))
        along = pull / jnp.where(length > 0, length, 1.0)[:, None]
        offset = jnp.sum(along * shapes.mean, axis=1)

        def of_tile(index: Any, kept: Any) -> Any:
            along_rows = along @ tiles.x[index].T - offset[:, None]
            # What fills up a tile is one of its rows.
            highest = jnp.max(-0.5 * along_rows**2 - low[index], axis=1)
            return kept.at[index].set((top + highest > least) | (jnp.arange(states) == state))

        return jax.lax.fori_loop(ends[state], ends[state + 1], of_tile, kept)

    none = jnp.zeros((tiles.weight.shape[0], states), bool)
    return jax.lax.fori_loop(0, states, of_state, none)
