"""The regression of x on a latent vector whose moments are known: totals, solution, and a start."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from latentia.numerics import solve_positive
from latentia.typing import Key, Rows, Weights


class VectorMoments(NamedTuple):
    """``mean [L]`` and ``covariance [L, L]`` of a latent vector, for all that the totals need."""

    mean: jax.Array
    covariance: jax.Array


class RegressionTotals(NamedTuple):
    """Totals of the regression of what is left of x, given the parameters, on (z, 1).

    ``mass [D]``; ``square [D]``, of the residuals; ``cross [D, L+1]``, of residuals and (z, 1);
    ``design [D or 1, L+1, L+1]``, of (z, 1) with itself, one for all columns if none is missing.
    Since they are residuals, no variance is the difference of two large numbers.
    """

    mass: jax.Array
    square: jax.Array
    cross: jax.Array
    design: jax.Array


def incomplete_totals(
    loadings: jax.Array, bias: jax.Array, x: Rows, moments: Any, weight: Weights
) -> RegressionTotals:
    """Totals over data with missing entries: each column has its own rows."""
    seen = ~jnp.isnan(x)
    gap = jnp.where(seen, x - bias - moments.mean @ loadings.T, 0.0)
    heavy = weight[:, None] * seen
    extended = _extend(moments.mean)
    design = jnp.einsum("nd,nij->dij", heavy, _second(moments))
    # The covariance of z, seen through the loadings, enters squares and cross products alike.
    through = jnp.einsum("nd,nij,dj->di", heavy, moments.covariance, loadings)
    square = jnp.sum(heavy * gap**2, axis=0) + jnp.sum(through * loadings, axis=-1)
    cross = (heavy * gap).T @ extended - _pad(through)
    return RegressionTotals(jnp.sum(heavy, axis=0), square, cross, design)


def complete_totals(
    loadings: jax.Array, bias: jax.Array, x: Rows, moments: Any, weight: Weights
) -> RegressionTotals:
    """Totals over data without missing entries."""
    extended = _extend(moments.mean)
    gap = x - bias - moments.mean @ loadings.T
    spread = jnp.einsum("n,nij->ij", weight, moments.covariance)
    through = loadings @ spread
    square = weight @ gap**2 + jnp.sum(through * loadings, axis=-1)
    cross = (gap * weight[:, None]).T @ extended - _pad(through)
    design = (extended * weight[:, None]).T @ extended
    design = design.at[:-1, :-1].add(spread)
    return RegressionTotals(jnp.full(x.shape[1], jnp.sum(weight)), square, cross, design[None])


def regressed(totals: RegressionTotals) -> tuple[jax.Array, jax.Array]:
    """The change of (loadings, bias) ``[..., D, L+1]``, and the squares left, ``[..., D]``."""
    _, square, cross, design = totals
    eye = jnp.eye(design.shape[-1], dtype=design.dtype)
    # A column without rows, or a state without data, changes nothing.
    design = jnp.where(jnp.any(design != 0, axis=(-2, -1), keepdims=True), design, eye)
    if design.shape[-3] == 1:
        change = solve_positive(design[..., 0, :, :], jnp.swapaxes(cross, -1, -2))
        change = jnp.swapaxes(change, -1, -2)
    else:
        change = solve_positive(design, cross[..., None])[..., 0]
    return change, jnp.maximum(square - jnp.sum(change * cross, axis=-1), 0.0)


def principal_axes(gap: jax.Array, weight: jax.Array, variances: jax.Array, rank: int, key: Key):
    """Loadings from the principal axes of the correlations, tilted at random."""
    scale = jnp.sqrt(variances)
    scaled = gap / scale
    correlation = (scaled * weight[:, None]).T @ scaled
    correlation = correlation / jnp.maximum(jnp.sum(weight), 1e-300)
    dim = correlation.shape[0]
    noise = jax.random.normal(key, (dim, dim), correlation.dtype)
    # A random symmetric perturbation, so that every start has axes of its own. It also parts equal
    # eigenvalues.
    values, vectors = jnp.linalg.eigh(correlation + 0.2 * (noise + noise.T) / jnp.sqrt(2.0 * dim))
    count = min(rank, dim)
    top = vectors[:, ::-1][:, :count] * jnp.sqrt(jnp.maximum(values[::-1][:count] - 0.5, 0.05))
    shrink = jnp.sqrt(0.9 / jnp.maximum(jnp.sum(top**2, axis=1, keepdims=True), 0.9))
    return jnp.zeros((dim, rank), gap.dtype).at[:, :count].set(top * shrink * scale[:, None])


def _second(moments: Any) -> jax.Array:
    """The second moments of (z, 1): ``[N, L+1, L+1]``."""
    extended = _extend(moments.mean)
    outer = extended[:, :, None] * extended[:, None, :]
    return outer.at[:, :-1, :-1].add(moments.covariance)


def _extend(mean: jax.Array) -> jax.Array:
    return jnp.concatenate([mean, jnp.ones((*mean.shape[:-1], 1), mean.dtype)], axis=-1)


def _pad(columns: jax.Array) -> jax.Array:
    return jnp.concatenate([columns, jnp.zeros((*columns.shape[:-1], 1), columns.dtype)], axis=-1)
