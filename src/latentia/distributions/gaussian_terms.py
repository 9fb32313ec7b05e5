"""What the Gaussians with a full covariance share: factors, moments and the product form.

The difference form subtracts the mean and whitens the rest; it is right wherever the data lie. The
product form writes the log density as a scalar product of natural parameters with the products of
the coordinates; it is quicker and rounds worse, by the square of the distance in units of the
component's own width.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from latentia.numerics import LOG_2PI, factor_inverse, regress_missing

from .missing_entries import fill_and_spread, fill_missing
from .spectrum import floor_spectrum

# The product form is allowed while its rounding stays below this (see `Form.PRODUCTS`).
PRODUCT_ERROR = 1e-9


class GaussianTotals(NamedTuple):
    """Weighted moments about the mean of the family that collected them.

    ``mass ()``, ``first [D]`` and ``second [D, D]``, with a leading axis for states.
    """

    mass: jax.Array
    first: jax.Array
    second: jax.Array


class Factors(NamedTuple):
    """A covariance, factored: ``whitener [D, D]`` and ``log_det ()``; see ``factor_inverse``."""

    whitener: jax.Array
    log_det: jax.Array


def log_density(gap: jax.Array, factors: Factors) -> jax.Array:
    """Log density of ``gap [D]``, the distance from the mean, without missing entries."""
    whitened = factors.whitener @ gap
    return -0.5 * (whitened @ whitened + factors.log_det + gap.size * LOG_2PI)


class Distance(NamedTuple):
    """Of the observed entries of a datum: their squared Mahalanobis distance from the mean, the log
    determinant of their covariance, and how many they are."""

    square: jax.Array
    log_det: jax.Array
    observed: jax.Array


def marginal_distance(gap: jax.Array, factors: Factors) -> Distance:
    """The distance of the observed entries of ``gap [D]``, where missing ones are NaN."""
    missing = jnp.isnan(gap)
    known = jnp.where(missing, 0.0, gap)
    precision = factors.whitener.T @ factors.whitener
    gain, _, log_det = regress_missing(precision, missing[None])
    return _observed_distance(known + gain[:, :, 0] @ known, log_det[0], factors, missing)


@jax.custom_jvp
def quick_marginal_distance(gap: jax.Array, factors: Factors) -> Distance:
    """The same, quicker for many rows."""
    precision = factors.whitener.T @ factors.whitener
    filled, log_det = fill_missing(precision, gap[None])
    return _observed_distance(filled[0], log_det[0], factors, jnp.isnan(gap))


@quick_marginal_distance.defjvp
def _change_of_distance(primals, tangents):
    # The quick way has no derivatives of its own.
    return quick_marginal_distance(*primals), jax.jvp(marginal_distance, primals, tangents)[1]


def _observed_distance(
    filled: jax.Array, log_det: jax.Array, factors: Factors, missing: jax.Array
) -> Distance:
    # With the missing entries at their conditional mean the quadratic forms agree.
    whitened = factors.whitener @ filled
    return Distance(whitened @ whitened, factors.log_det + log_det, jnp.sum(~missing))


def marginal_log_density(gap: jax.Array, factors: Factors) -> jax.Array:
    """The log density where missing entries are NaN: the density of the observed ones."""
    return _density_at(marginal_distance(gap, factors))


def quick_marginal_log_density(gap: jax.Array, factors: Factors) -> jax.Array:
    """The same, quicker for many rows."""
    return _density_at(quick_marginal_distance(gap, factors))


def _density_at(distance: Distance) -> jax.Array:
    return -0.5 * (distance.square + distance.log_det + distance.observed * LOG_2PI)


def moments(gap: jax.Array, weight: jax.Array) -> GaussianTotals:
    """Moments of ``gap [N, D]`` without missing entries."""
    heavy = gap * weight[:, None]
    return GaussianTotals(jnp.sum(weight), jnp.sum(heavy, axis=0), heavy.T @ gap)


def expected_moments(gap: jax.Array, weight: jax.Array, factors: Factors) -> GaussianTotals:
    """Moments expected where missing entries are NaN, given the observed ones."""
    precision = factors.whitener.T @ factors.whitener
    filled, spread = fill_and_spread(precision, gap, weight)
    count, first, second = moments(filled, weight)
    return GaussianTotals(count, first, second + spread)


def mean_and_scatter(mean: jax.Array, totals: GaussianTotals) -> tuple[jax.Array, jax.Array]:
    """The new mean, and the scatter about it, of one or several states."""
    count = jnp.where(totals.mass > 0, totals.mass, 1.0)[..., None]
    shift = totals.first / count
    scatter = totals.second - totals.first[..., :, None] * shift[..., None, :]
    return mean + shift, scatter


def raised(covariance: jax.Array, ridge: jax.Array) -> jax.Array:
    """A covariance ``[..., D, D]`` with the ridge added to its diagonal."""
    return covariance + jnp.eye(covariance.shape[-1], dtype=covariance.dtype) * ridge


def limited(covariance: jax.Array, floor: jax.Array) -> jax.Array:
    """The nearest covariance ``[..., D, D]`` that keeps the floor; exactly symmetric."""
    symmetric = 0.5 * (covariance + jnp.swapaxes(covariance, -1, -2))
    flat = symmetric.reshape(-1, *symmetric.shape[-2:])
    return jax.vmap(floor_spectrum, (0, None))(flat, floor).reshape(symmetric.shape)


def at_floor(covariance: jax.Array, floor: jax.Array) -> jax.Array:
    """Whether a direction of ``covariance [..., D, D]`` has no more variance than the floor."""
    unit = jnp.sqrt(jnp.where(floor > 0, floor, 1.0))
    scaled = covariance / unit[:, None] / unit[None, :]
    lowest = jnp.min(jnp.linalg.eigvalsh(scaled), axis=-1)
    return jnp.all(floor > 0) & (lowest < 1.01)


def imagined(mean: jax.Array, other_mean: jax.Array, covariance: jax.Array, weight: jax.Array):
    """The moments about ``mean`` of ``weight`` data with these moments."""
    gap = other_mean - mean
    return GaussianTotals(weight, weight * gap, weight * (covariance + jnp.outer(gap, gap)))


def expected_log_density(gap: jax.Array, covariance: jax.Array, factors: Factors) -> jax.Array:
    """The mean log density of data whose mean is off by ``gap`` and that have ``covariance``."""
    spread = factors.whitener @ covariance @ factors.whitener.T
    return log_density(gap, factors) - 0.5 * jnp.trace(spread)


# The product form: features (u_i u_j for i <= j, then u, then 1) of u = x - centre.


def feature_count(dim: int) -> int:
    """F, how many features there are."""
    return dim * (dim + 1) // 2 + dim + 1


def features(gap: jax.Array) -> jax.Array:
    """The features of ``gap [D]``."""
    rows, columns = pairs(gap.size)
    return jnp.concatenate([gap[rows] * gap[columns], gap, jnp.ones(1, gap.dtype)])


def pairs(dim: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows and columns of the upper triangle of ``[D, D]``."""
    return np.triu_indices(dim)


def natural(gap: jax.Array, factors: Factors) -> jax.Array:
    """The natural parameters of a Gaussian whose mean is ``gap [D]`` from the centre."""
    precision = factors.whitener.T @ factors.whitener
    rows, columns = pairs(gap.size)
    # Each pair stands for itself and its mirror image.
    quadratic = -precision[rows, columns] * np.where(rows == columns, 0.5, 1.0)
    return jnp.concatenate([quadratic, precision @ gap, log_density(-gap, factors)[None]])


def from_natural(parameters: jax.Array, dim: int) -> tuple[jax.Array, jax.Array]:
    """The mean's distance from the centre, and the covariance."""
    count = dim * (dim + 1) // 2
    rows, columns = pairs(dim)
    half = jnp.zeros((dim, dim), parameters.dtype).at[rows, columns].set(-parameters[:count])
    whitener, _ = factor_inverse(half + half.T)
    covariance = whitener.T @ whitener
    return covariance @ parameters[count : count + dim], covariance


def totals_of(totals: jax.Array, gap: jax.Array) -> GaussianTotals:
    """Moments about a mean that is ``gap`` from the centre, from totals of the features."""
    dim = gap.size
    count = dim * (dim + 1) // 2
    rows, columns = pairs(dim)
    upper = jnp.zeros((dim, dim), totals.dtype).at[rows, columns].set(totals[:count])
    raw = upper + upper.T - jnp.diag(jnp.diagonal(upper))
    first, mass = totals[count : count + dim], totals[-1]
    moved = jnp.outer(first, gap)
    second = raw - moved - moved.T + mass * jnp.outer(gap, gap)
    return GaussianTotals(mass, first - mass * gap, second)


def products_are_safe(radius: jax.Array, gap: jax.Array, whitener: jax.Array) -> jax.Array:
    """Whether rounding in the product form is negligible for data within ``radius``."""
    # The largest whitened distance from the centre, squared, is at most this.
    reach = (radius**2 + jnp.sum(gap**2, axis=-1)) * jnp.sum(whitener**2, axis=(-1, -2))
    return reach * jnp.finfo(whitener.dtype).eps < PRODUCT_ERROR
