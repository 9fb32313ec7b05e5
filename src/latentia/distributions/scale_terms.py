"""A Student t as a Gaussian whose covariance is divided by a hidden scale u of each datum.

u has the gamma distribution with shape and rate df / 2, so its mean is 1; x given u is Gaussian
with covariance scatter / u. Far data have small scales, which is what makes a Student t robust
(Lange, Little and Taylor 1989, "Robust statistical modeling using the t distribution"; with missing
entries Liu and Rubin 1995, "ML estimation of the t distribution using EM and its extensions").

Gamma functions enter as the remainder of Stirling's formula, since their logarithms are large
numbers whose difference is small: in float32 with df = 1000 the plain form loses three digits.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from latentia.constraints import between
from latentia.numerics import LOG_2PI

from .parameters import as_parameter, need_shapes

# From heavier tails than Cauchy's to as good as a Gaussian. Below, the likelihood of few data has
# poles (Fernandez and Steel 1999); above, it is flat.
LOWEST_DF, HIGHEST_DF = 0.5, 1000.0
DF_START = 10.0
degrees_of_freedom = between(LOWEST_DF, HIGHEST_DF)

# Arguments are raised by so much before the asymptotic series, which is then exact to rounding.
_SHIFT = 8


def stirling_remainder(y: jax.Array) -> jax.Array:
    """``lgamma(y) - (y - 1/2) log y + y - log(2 pi) / 2`` for positive ``y``, elementwise."""
    steps = y[..., None] + jnp.arange(_SHIFT, dtype=y.dtype)
    raised = jnp.sum((steps + 0.5) * jnp.log1p(1 / steps) - 1, axis=-1)
    inverse = 1 / (y + _SHIFT)
    square = inverse**2
    # Abramowitz and Stegun 1964, equation 6.1.41.
    series = -691 / 360360 * square + 1 / 1188
    for term in (-1 / 1680, 1 / 1260, -1 / 360, 1 / 12):
        series = series * square + term
    return raised + series * inverse


def scale_log_prob(df: jax.Array, scale: jax.Array) -> jax.Array:
    """The log density of a scale."""
    y, log_scale = 0.5 * df, jnp.log(scale)
    top = 0.5 * (jnp.log(y) - LOG_2PI) - stirling_remainder(y)
    return top - log_scale - y * (scale - 1 - log_scale)


def log_minus_digamma(y: jax.Array) -> jax.Array:
    """``log(y) - digamma(y)``: positive, and falling from infinity to 0."""
    return 0.5 / y - _derivative(stirling_remainder, y)


def _derivative(function: Callable[[jax.Array], jax.Array], at: jax.Array) -> jax.Array:
    return jax.jvp(function, (at,), (jnp.ones_like(at),))[1]


def log_density(df: jax.Array, count: jax.Array, distance: jax.Array, log_det: jax.Array) -> Any:
    """The log density of a Student t.

    Args:
        df: its degrees of freedom.
        count: how many entries are observed.
        distance: their squared Mahalanobis distance from the location.
        log_det: the log determinant of their scatter.
    """
    a, b = 0.5 * df, 0.5 * count
    ratio = (a + b - 0.5) * jnp.log1p(b / a) - b + stirling_remainder(a + b) - stirling_remainder(a)
    return ratio - (a + b) * jnp.log1p(distance / df) - 0.5 * log_det - b * LOG_2PI


def scale_moments(df: jax.Array, count: Any, distance: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Of the scale u given a datum: its mean, and E[u] - 1 - E[log u], which says how far u is
    from 1. The arguments are those of ``log_density``."""
    excess = (count - distance) / (df + distance)
    # Far out, the first form would take the logarithm of 0.
    log_mean = jnp.where(
        excess > -0.5,
        jnp.log1p(jnp.maximum(excess, -0.5)),
        jnp.log(df + count) - jnp.log(df + distance),
    )
    surprise = excess - log_mean + log_minus_digamma(0.5 * (df + count))
    return 1 + excess, surprise


def expected_log_prob(df: jax.Array, other: jax.Array) -> jax.Array:
    """The mean log density of the scale under that of ``other`` degrees of freedom, up to a
    constant of the other."""
    y = 0.5 * df
    return 0.5 * jnp.log(y) - stirling_remainder(y) - y * mean_surprise(other)


def mean_surprise(df: jax.Array) -> jax.Array:
    """The mean of E[u] - 1 - E[log u] over data of this distribution."""
    return log_minus_digamma(0.5 * df)


def sample(key: Any, df: jax.Array) -> jax.Array:
    """Draw one scale."""
    return jax.random.gamma(key, 0.5 * df, dtype=df.dtype) / (0.5 * df)


def first_df(df: Any) -> Any:
    """Where the search for df starts; None if there is none."""
    return None if df is None else jnp.full(jnp.shape(df), DF_START, jnp.result_type(df))


def best_df(surprise: jax.Array) -> jax.Array:
    """The degrees of freedom under which scales with this mean surprise are the most probable.

    Solves ``log(df / 2) - digamma(df / 2) = surprise`` by Newton's method for the inverse of df
    (Minka 2002, "Estimating a Gamma distribution"), and stays within the range allowed. The
    likelihood has one maximum, so the nearer end is the best where that lies outside.
    """
    ends = log_minus_digamma(0.5 * jnp.array([HIGHEST_DF, LOWEST_DF], surprise.dtype))
    goal = jnp.clip(surprise, *ends)
    start = (3 - goal + jnp.sqrt((goal - 3) ** 2 + 24 * goal)) / (12 * goal)

    def newton(_: Any, y: jax.Array) -> jax.Array:
        slope = _derivative(log_minus_digamma, y)
        return 1 / (1 / y + (log_minus_digamma(y) - goal) / (y**2 * slope))

    # The start is right to two per cent, so that four steps reach rounding.
    return jnp.clip(2 * jax.lax.fori_loop(0, 4, newton, start), LOWEST_DF, HIGHEST_DF)


def df_parameters(df: Any, fixed_df: Any, shape: tuple[int, ...], owner: str) -> tuple[Any, Any]:
    """The parameters df and fixed_df, ``[*shape]``, of which one is None.

    Raises:
        ValueError: if both are given, or a number lies outside the range allowed.
    """
    if df is not None and fixed_df is not None:
        raise ValueError(
            f"df of {owner} should be given as df, to be learned, or as fixed_df, to be kept, but "
            "not as both."
        )
    name = "df" if fixed_df is None else "fixed_df"
    given = df if fixed_df is None else fixed_df
    value = as_parameter(np.nan if given is None else given, name)
    if not isinstance(value, jax.Array):
        value = np.broadcast_to(value, shape).copy() if np.ndim(value) == 0 else value
        if ((value < LOWEST_DF) | (value > HIGHEST_DF)).any():
            raise ValueError(
                f"{name} should be from {LOWEST_DF:g} to {HIGHEST_DF:g}, but is {value}: above, "
                "use a Gaussian."
            )
    need_shapes(owner, **{name: (value.shape, shape)})
    return (value, None) if fixed_df is None else (None, value)
