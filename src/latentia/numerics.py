"""Logarithms, factors and conditional regressions that hold where textbook forms break."""

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from latentia.stacks import cholesky, triangular_inverse

LOG_2PI = 1.8378770664093453

# Up to this size a factorisation is written out as elementwise arithmetic, which vectorises over
# thousands of small matrices; above it LAPACK is quicker.
UNROLLED = 4


@jax.custom_jvp
def log_sum_exp(values: jax.Array) -> jax.Array:
    """Log of the sum of exponentials over the last axis; minus infinity, not NaN, where all are."""
    top = jnp.max(values, axis=-1, keepdims=True)
    top = jnp.where(jnp.isfinite(top), top, 0.0)
    return jnp.log(jnp.sum(jnp.exp(values - top), axis=-1)) + top[..., 0]


@log_sum_exp.defjvp
def _log_sum_exp_jvp(primals, tangents):
    # The usual derivative is 0/0 when every value is minus infinity; masking needs the limit 0.
    (values,), (rates,) = primals, tangents
    total = log_sum_exp(values)
    share = jnp.where(jnp.isfinite(values), jnp.exp(values - total[..., None]), 0.0)
    return total, jnp.sum(jnp.where(share > 0, share * rates, 0.0), axis=-1)


def safe_log(values: jax.Array) -> jax.Array:
    """Logarithm with minus infinity at zero and a zero gradient there; NaN below zero."""
    positive = jnp.where(values == 0, 1.0, values)
    return jnp.where(values == 0, -jnp.inf, jnp.log(positive))


def product_log(count: jax.Array, probability: jax.Array) -> jax.Array:
    """``count * log(probability)`` with 0 log 0 = 0, and its gradient finite there."""
    nothing = count == 0
    inside = jnp.where(nothing, 1.0, probability)
    return jnp.where(nothing, 0.0, count * safe_log(inside))


def normal_log_density(gap: jax.Array, scale: jax.Array) -> jax.Array:
    """The log density of a normal number this far from its mean, entry by entry."""
    return -0.5 * (gap / scale) ** 2 - jnp.log(scale) - 0.5 * LOG_2PI


def digamma(x: jax.Array) -> jax.Array:
    """The derivative of the log gamma function, for numbers above zero.

    Eight steps of the recurrence, taken in pairs, and then the asymptotic series (Abramowitz and
    Stegun 1964, 6.3.5 and 6.3.18): a few divisions and one logarithm, which vectorise.
    """
    # x (x + 7), (x + 1)(x + 6), (x + 2)(x + 5), (x + 3)(x + 4) differ by constants only.
    pair = x * (x + 7)
    steps = (2 * x + 7) * (1 / pair + 1 / (pair + 6) + 1 / (pair + 10) + 1 / (pair + 12))
    y = x + 8
    square = 1 / (y * y)
    tail = jnp.zeros_like(x)
    for term in (691 / 32760, -1 / 132, 1 / 240, -1 / 252, 1 / 120, -1 / 12):
        tail = square * (term + tail)
    return jnp.log(y) - 0.5 / y + tail - steps


def _small_factor_inverse(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Inverse Cholesky factor and log determinant, written out entry by entry."""
    size = matrix.shape[-1]
    lower: dict[tuple[int, int], jax.Array] = {}
    for i in range(size):
        for j in range(i + 1):
            rest = matrix[..., i, j] - sum(lower[i, k] * lower[j, k] for k in range(j))
            lower[i, j] = jnp.sqrt(rest) if i == j else rest / lower[j, j]
    inverse: dict[tuple[int, int], jax.Array] = {}
    for j in range(size):
        inverse[j, j] = 1 / lower[j, j]
        for i in range(j + 1, size):
            inverse[i, j] = -sum(lower[i, k] * inverse[k, j] for k in range(j, i)) / lower[i, i]
    zero = jnp.zeros_like(matrix[..., 0, 0])
    rows = [
        jnp.stack([inverse[i, j] if j <= i else zero for j in range(size)], axis=-1)
        for i in range(size)
    ]
    log_det = 2 * sum(jnp.log(lower[i, i]) for i in range(size))
    return jnp.stack(rows, axis=-2), jnp.asarray(log_det)


def _large_factor_inverse(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Inverse Cholesky factor and log determinant, by LAPACK."""
    lower = cholesky(matrix)
    log_det = 2 * jnp.sum(jnp.log(jnp.diagonal(lower, axis1=-2, axis2=-1)), axis=-1)
    return triangular_inverse(lower, lower=True), log_det


def factor_inverse(covariance: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Inverse Cholesky factor of a covariance, and its log determinant.

    Args:
        covariance: ``[..., D, D]``, symmetric positive definite.

    Returns:
        ``whitener [..., D, D]``, lower triangular with ``whitener @ covariance @ whitener.T = I``,
        and ``log_det [...]``. Both are NaN where the matrix is not positive definite.
    """
    # The standard deviations are divided out first: the factor then sees a correlation matrix,
    # whatever the units of the columns.
    scale = jnp.sqrt(jnp.diagonal(covariance, axis1=-2, axis2=-1))
    correlation = covariance / scale[..., :, None] / scale[..., None, :]
    small = covariance.shape[-1] <= UNROLLED
    inverse, log_det = (_small_factor_inverse if small else _large_factor_inverse)(correlation)
    return inverse / scale[..., None, :], log_det + 2 * jnp.sum(jnp.log(scale), axis=-1)


def solve_positive(matrix: jax.Array, right: jax.Array) -> jax.Array:
    """The solution ``[..., D, Q]`` of ``matrix X = right`` for symmetric positive matrices.

    Compiles to much less than a general solver, and scales the unknowns alike first.
    """
    whitener, _ = factor_inverse(matrix)
    return jnp.swapaxes(whitener, -1, -2) @ (whitener @ right)


def damped(matrix: jax.Array, which: jax.Array) -> jax.Array:
    """Positive semidefinite matrices that can be solved though some columns repeat each other.

    They get a little more on the diagonal, relative to it: far too little to be seen in the
    solution where that is unique.

    Args:
        matrix: ``[..., Q, Q]``.
        which: ``[Q]``, the columns that may repeat each other, or be zero. A matrix that is
            zero throughout stays so.
    """
    diagonal = jnp.diagonal(matrix, axis1=-2, axis2=-1)
    tiny = jnp.finfo(matrix.dtype).eps ** 0.6
    which = which & jnp.any(diagonal > 0, axis=-1, keepdims=True)
    more = jnp.where(which, jnp.where(diagonal > 0, tiny * diagonal, 1.0), 0.0)
    return matrix + more[..., None, :] * jnp.eye(matrix.shape[-1], dtype=matrix.dtype)


def solve_dependent(matrix: jax.Array, right: jax.Array) -> jax.Array:
    """Solutions ``[..., Q]`` for positive semidefinite matrices whose columns may be dependent.

    A column that is zero, and so says nothing, gets 0.
    """
    size = matrix.shape[-1]
    diagonal = jnp.diagonal(matrix, axis1=-2, axis2=-1)
    known = diagonal > 0
    some = jnp.any(known, axis=-1)[..., None, None]
    matrix = jnp.where(
        some, damped(matrix, jnp.ones(size, bool)), jnp.eye(size, dtype=matrix.dtype)
    )
    return solve_positive(matrix, jnp.where(known, right, 0.0)[..., None])[..., 0]


def square_root(covariance: jax.Array) -> jax.Array:
    """A matrix R with ``R @ R.T = covariance``; the covariance may be singular."""
    values, vectors = jnp.linalg.eigh(covariance)
    return vectors * jnp.sqrt(jnp.maximum(values, 0.0))[..., None, :]


def regress_missing(
    precision: jax.Array, missing: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """What the observed coordinates of a Gaussian say about the missing ones, for many patterns.

    Sweeps the precision matrix on the missing coordinates (Goodnight 1979, "A tutorial on the SWEEP
    operator"), with the patterns along the last, contiguous axis, so that each step is one pass of
    vectorised arithmetic whatever the patterns are.

    Args:
        precision: ``[D, D]``.
        missing: ``[S, D]``, true where a coordinate is missing in that pattern.

    Returns:
        ``gain [D, D, S]`` with E[x - mean] = gain @ (observed part of x - mean) in the missing rows
        and zero elsewhere; ``spread [D, D, S]``, the conditional covariance, zero outside the
        missing block; ``log_det [S]``, the log determinant of the precision's missing block.
    """
    size = precision.shape[0]
    gone = missing.T.astype(precision.dtype)
    start = jnp.broadcast_to(precision[:, :, None], (size, size, missing.shape[0]))
    index = jnp.arange(size)

    def sweep(carry, p):
        matrix, log_det = carry
        flag = gone[p] > 0
        column = matrix[:, p]
        pivot = jnp.where(flag, matrix[p, p], 1.0)
        row = jnp.where(flag, matrix[p] / pivot, 0.0)
        # At the pivot the outer product would cancel to zero; this entry makes it the swept value.
        here = (index == p)[:, None]
        left = jnp.where(here, pivot - 1.0, column)
        swept = matrix - left[:, None] * row[None]
        swept = jnp.where((here & flag)[None, :], column[:, None] / pivot, swept)
        swept = jnp.where(here[:, None] & here[None] & flag, -1 / pivot, swept)
        return (swept, log_det + jnp.log(pivot)), None

    zero = jnp.zeros(missing.shape[0], precision.dtype)
    (matrix, log_det), _ = jax.lax.scan(sweep, (start, zero), index)
    rows = gone[:, None]
    gain = -matrix * rows * (1 - gone[None])
    return gain, -matrix * rows * gone[None], log_det


class NormalGrid(NamedTuple):
    """Nodes for integrals over a standard normal vector.

    ``points [G, L]`` and ``log_weights [G]``, log density included; ``coarse [G]`` marks nodes that
    make a coarser rule of the same kind, and ``edge [G]`` those with nothing beyond them.
    """

    points: np.ndarray
    log_weights: np.ndarray
    coarse: np.ndarray
    edge: np.ndarray


@lru_cache(maxsize=32)
def normal_grid(dim: int, half: int, reach: float) -> NormalGrid:
    """The trapezoidal rule with ``half`` nodes on either side of 0, out to ``reach``, in a ball.

    For analytic functions on the whole line it converges geometrically as the spacing shrinks
    (Trefethen and Weideman 2014), and without the useless far nodes of Gauss and Hermite's rule.
    """
    steps = np.arange(-half, half + 1)
    mesh = np.meshgrid(*[steps] * dim, indexing="ij")
    index = np.stack([m.ravel() for m in mesh], axis=1)
    index = index[(index**2).sum(axis=1) <= half**2]
    spacing = reach / half
    points = spacing * index
    radius = np.sqrt((points**2).sum(axis=1))
    log_weights = dim * (np.log(spacing) - 0.5 * LOG_2PI) - 0.5 * radius**2
    return NormalGrid(
        points, log_weights, (index % 2 == 0).all(axis=1), radius > reach - 1.5 * spacing
    )


@lru_cache(maxsize=8)
def normal_points(dim: int, power: int) -> NormalGrid:
    """``2**power`` quasi-random points (Sobol 1967, scrambled), where grids are too large."""
    from scipy.stats import norm, qmc

    points = norm.ppf(qmc.Sobol(dim, scramble=True, rng=0).random_base2(power))
    count = len(points)
    return NormalGrid(
        points, np.full(count, -np.log(count)), np.arange(count) < count // 2, np.zeros(count, bool)
    )
