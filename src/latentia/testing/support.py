"""What the laws share: precision, tolerances, draws, grids, and a few functions compiled once.

A law is called with a part whose parameters are set. It computes in the precision of those, draws
its data from the part itself by a seed, and raises ``AssertionError`` with a sentence.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from latentia.distributions import Limits
from latentia.precision import precision_of

from .covariates import drawn, log_normal

# Rows are evaluated in pieces of this size, so that each part is compiled once.
_PIECE = 4096

# The kurtosis of draws, 3 for a Gaussian, from which the tails are taken to be heavy; and how far
# these are followed, in the logarithm of the distance.
_HEAVY, _FAR = 4.0, 12.0


def law(check: Callable[..., None]) -> Callable[..., None]:
    """Run a law in the precision of the part that it is about."""

    @wraps(check)
    def run(part: Any, *args: Any, **options: Any) -> None:
        with precision_of(part):
            check(part, *args, **options)

    return run


def dtype_of(part: Any) -> np.dtype:
    """The precision of a part."""
    return np.dtype(jax.tree.leaves(part)[0].dtype)


def rounding(part: Any, narrow: float = 2e-4, wide: float = 1e-9) -> float:
    """The relative error allowed: ``narrow`` in float32, ``wide`` in float64."""
    return wide if dtype_of(part) == np.float64 else narrow


def cast(part: Any, dtype: Any) -> Any:
    """The same part in another precision."""
    return jax.tree.map(lambda leaf: np.asarray(leaf).astype(dtype), part)


def close(got: Any, expected: Any, tolerance: float, what: str) -> None:
    """Assert that two trees of numbers agree, relative to the larger of 1 and each array's size."""
    pairs = zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True)
    for mine, theirs in pairs:
        mine, theirs = np.asarray(mine, float), np.asarray(theirs, float)
        same = (mine == theirs) | (np.isnan(mine) & np.isnan(theirs))
        with np.errstate(invalid="ignore"):
            error = np.where(same, 0.0, np.abs(mine - theirs))
        size = max(1.0, float(np.max(np.abs(theirs[np.isfinite(theirs)]), initial=0.0)))
        worst = float(np.max(error, initial=0.0)) / size
        assert worst <= tolerance, (
            f"{what}: the relative error is {worst:.3g} where {tolerance:.3g} is allowed; got "
            f"{mine}, expected {theirs}."
        )


def finite(tree: Any, what: str) -> None:
    """Assert that no number of a tree is NaN or infinite."""
    bad = [leaf for leaf in jax.tree.leaves(tree) if not np.isfinite(np.asarray(leaf)).all()]
    assert not bad, f"{what}: expected finite numbers, got {bad[0]}."


@jax.jit
def _draw(part: Any, keys: Any) -> Any:
    return jax.vmap(lambda key: drawn(part, key))(keys)


def draw(part: Any, count: int, seed: int) -> Any:
    """``count`` draws of a part, for covariates that are drawn too and stand behind x."""
    keys = jax.random.split(jax.random.key(seed), _PIECE)
    pieces = []
    for first in range(0, count, _PIECE):
        piece = jax.device_get(_draw(part, keys))
        pieces.append(jax.tree.map(lambda leaf, n=count - first: np.asarray(leaf)[:n], piece))
        keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), first + 1), _PIECE)
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *pieces)


def draw_data(part: Any, count: int, seed: int) -> Any:
    """Data for laws that are not about ``sample``: drawn in float64, in the part's precision."""
    wide = cast(part, np.float64)
    with precision_of(wide):
        data = draw(wide, count, seed)
    dtype = dtype_of(part)
    return jax.tree.map(lambda v: v.astype(dtype) if v.dtype.kind == "f" else v, data)


@jax.jit
def _log_prob(family: Any, x: Any) -> Any:
    return jax.vmap(family.log_prob)(x)


def log_prob(family: Any, x: np.ndarray) -> np.ndarray:
    """Of each row, in float64."""
    x = np.asarray(x, dtype_of(family))
    pieces = []
    for first in range(0, len(x), _PIECE):
        part = x[first : first + _PIECE]
        padded = np.concatenate([part, np.repeat(x[:1], _PIECE - len(part), axis=0)])
        pieces.append(np.asarray(_log_prob(family, padded), float)[: len(part)])
    return np.concatenate(pieces)


def log_density(family: Any, x: np.ndarray) -> np.ndarray:
    """Of each row and its covariates together: ``log_prob`` for a family without any."""
    return log_prob(family, x) + log_normal(family, x)


statistics: Callable[..., Any] = jax.jit(lambda family, x, weight: family.statistics(x, weight))
maximize: Callable[..., Any] = jax.jit(lambda part, totals, limits: part.maximize(totals, limits))


def no_limits(dim: int, dtype: Any) -> Limits:
    """No floor and no ridge."""
    zeros: Any = np.zeros(dim, dtype)
    return Limits(zeros, zeros)


class Grid(NamedTuple):
    """Points ``[G, D]`` and log weights ``[G]``: an integral or a sum over all of x."""

    points: np.ndarray
    log_weights: np.ndarray

    def log_total(self, log_values: np.ndarray) -> float:
        """The log of the integral of the exponential."""
        return float(log_sum(log_values + self.log_weights))


def log_sum(values: np.ndarray) -> float:
    """Log of the sum of exponentials."""
    top = np.max(values)
    if not np.isfinite(top):
        return float(top)
    return float(np.log(np.sum(np.exp(values - top))) + top)


def axes_of(draws: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each column of some draws its points and their log weights.

    Columns of whole numbers are enumerated well beyond the draws; others get the trapezoid rule,
    which is exact to rounding for densities as smooth as a Gaussian. On a half line it is applied
    to the logarithm, and where the tails are heavy to the inverse hyperbolic sine.
    """
    draws = np.asarray(draws, float)
    whole = np.array([np.array_equal(c, np.round(c)) for c in draws.T])
    own = np.ones(draws.shape[1])
    if (~whole).any():
        spread = np.atleast_2d(np.cov(draws[:, ~whole].T))
        # What of its standard deviation a column keeps, once the others are known.
        own[~whole] = 1 / np.sqrt(np.diagonal(np.linalg.inv(spread)) * np.diagonal(spread))
    axes = []
    for column, is_whole, share in zip(draws.T, whole, own, strict=True):
        low, high = column.min(), column.max()
        if is_whole:
            # One column or two may have long tails; a product of several has to stay small.
            beyond = (4 if draws.shape[1] < 3 else 1) * (high - low) + 4
            points = np.arange(low - 1, high + beyond)
            axes.append((points, np.zeros(len(points))))
        elif 0 < low < 0.01 * column.std() and np.mean(column < 0.1 * column.std()) > 0.05:
            points = np.exp(np.arange(np.log(column.mean()) - 30, np.log(60 * high), 0.1))
            axes.append((points, np.log(0.1 * points)))
        elif np.mean(((column - column.mean()) / column.std()) ** 4) > _HEAVY:
            axes.append(_heavy_axis(column, share))
        else:
            reach = 8.5 * column.std()
            count = int(np.ceil(34 / share)) + 1
            points = np.linspace(column.mean() - reach, column.mean() + reach, count)
            axes.append((points, np.full(count, np.log(points[1] - points[0]))))
    return axes


def _heavy_axis(column: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    low, centre, high = np.quantile(column, [0.25, 0.5, 0.75])
    unit, step = 0.7 * (high - low), 0.2 * share
    place = np.arange(-_FAR, _FAR, step)
    return centre + unit * np.sinh(place), np.log(unit * step * np.cosh(place))


def grid_of(draws: np.ndarray) -> Grid:
    """A grid over the whole space in which some draws lie."""
    axes = axes_of(draws)
    mesh = np.meshgrid(*(points for points, _ in axes), indexing="ij")
    points = np.stack([m.ravel() for m in mesh], axis=1)
    weights = np.meshgrid(*(weight for _, weight in axes), indexing="ij")
    return Grid(points, np.sum(weights, axis=0).ravel())


def with_column(row: np.ndarray, column: int, values: np.ndarray) -> np.ndarray:
    """Copies of a row, with each of the values in one column."""
    rows = np.repeat(row[None], len(values), axis=0)
    rows[:, column] = values
    return rows


def jittered(vector: Any, key: Any, size: float) -> Any:
    """A vector of free coordinates, moved at random."""
    return vector + size * jax.random.normal(key, vector.shape, vector.dtype)


def mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean over the first axis and its standard error."""
    return values.mean(axis=0), values.std(axis=0) / np.sqrt(len(values))


def as_rows(tree: Any) -> jax.Array:
    """All numbers of a tree as one vector."""
    return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(tree)])
