"""Where a latent variable may lie, with a smooth bijection from all of R^n and its Jacobian.

The maps are those of the Stan reference manual, chapter "Constraint transforms". A support acts on
the last axis (simplex, ordered) or the last two (matrices) of an array of any shape.
"""

from abc import abstractmethod
from math import prod
from typing import Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.stacks import cholesky

Shape = tuple[int, ...]


class AbstractSupport(eqx.Module):
    """A set of arrays, and a bijection onto it from arrays ``[..., n]`` of free real numbers."""

    @abstractmethod
    def free_shape(self, shape: Shape) -> Shape:
        """The shape of the free numbers behind a value of this shape."""

    @abstractmethod
    def bind(self, free: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The value with these free numbers, and the log of the volume that they stretch to.

        The volume is measured in the numbers that determine the value: all but the last of a
        simplex, the lower triangle of a symmetric matrix.
        """

    @abstractmethod
    def free(self, value: jax.Array) -> jax.Array:
        """The free numbers behind a value."""

    @abstractmethod
    def contains(self, value: np.ndarray) -> bool:
        """Whether a value lies inside, where it has free numbers."""

    @abstractmethod
    def describe(self) -> str:
        """What it is, in a few words."""

    def size(self, shape: Shape) -> int:
        """How many free numbers a value of this shape has."""
        return prod(self.free_shape(shape))


class Real(AbstractSupport):
    """Any real numbers."""

    def free_shape(self, shape: Shape) -> Shape:
        return shape

    def bind(self, free: jax.Array) -> tuple[jax.Array, jax.Array]:
        return free, jnp.zeros((), free.dtype)

    def free(self, value: jax.Array) -> jax.Array:
        return value

    def contains(self, value: np.ndarray) -> bool:
        return bool(np.isfinite(value).all())

    def describe(self) -> str:
        return "real"


class Interval(AbstractSupport):
    """Numbers between two bounds, either of which may be infinite, by their log odds or log."""

    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)

    def __check_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(
                f"low of an interval should be below high, but they are {self.low} and "
                f"{self.high}: write interval(0, 1), for instance."
            )

    def free_shape(self, shape: Shape) -> Shape:
        return shape

    def bind(self, free: jax.Array) -> tuple[jax.Array, jax.Array]:
        if np.isinf(self.high):
            return self.low + jnp.exp(free), jnp.sum(free)
        if np.isinf(self.low):
            return self.high - jnp.exp(free), jnp.sum(free)
        width = self.high - self.low
        slopes = jnp.log(width) + jax.nn.log_sigmoid(free) + jax.nn.log_sigmoid(-free)
        return self.low + width * jax.nn.sigmoid(free), jnp.sum(slopes)

    def free(self, value: jax.Array) -> jax.Array:
        if np.isinf(self.high):
            return jnp.log(value - self.low)
        if np.isinf(self.low):
            return jnp.log(self.high - value)
        return jnp.log(value - self.low) - jnp.log(self.high - value)

    def contains(self, value: np.ndarray) -> bool:
        return bool(((value > self.low) & (value < self.high)).all())

    def describe(self) -> str:
        if np.isinf(self.high):
            return "positive" if self.low == 0 else f"above {self.low:g}"
        return f"below {self.high:g}" if np.isinf(self.low) else f"{self.low:g} to {self.high:g}"


class Simplex(AbstractSupport):
    """Probabilities along the last axis that sum to one, by breaking a stick."""

    def free_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], shape[-1] - 1)

    def bind(self, free: jax.Array) -> tuple[jax.Array, jax.Array]:
        # The shift puts the even split at zero.
        odds = free - jnp.log(jnp.arange(free.shape[-1], 0, -1, dtype=free.dtype))
        taken, kept = jax.nn.log_sigmoid(odds), jax.nn.log_sigmoid(-odds)
        left = jnp.cumsum(kept, axis=-1)
        before = left - kept
        value = jnp.exp(jnp.concatenate([taken + before, left[..., -1:]], axis=-1))
        return value, jnp.sum(taken + kept + before)

    def free(self, value: jax.Array) -> jax.Array:
        rest = jnp.cumsum(value[..., ::-1], axis=-1)[..., ::-1]
        steps = jnp.arange(value.shape[-1] - 1, 0, -1, dtype=value.dtype)
        return jnp.log(value[..., :-1]) - jnp.log(rest[..., 1:]) + jnp.log(steps)

    def contains(self, value: np.ndarray) -> bool:
        return bool((value > 0).all() and np.allclose(value.sum(-1), 1.0))

    def describe(self) -> str:
        return "simplex"


class Ordered(AbstractSupport):
    """Numbers that increase along the last axis, all above ``low``."""

    low: float = eqx.field(static=True, default=-float("inf"))

    def free_shape(self, shape: Shape) -> Shape:
        return shape

    def bind(self, free: jax.Array) -> tuple[jax.Array, jax.Array]:
        bounded = np.isfinite(self.low)
        first = self.low + jnp.exp(free[..., :1]) if bounded else free[..., :1]
        rest = first + jnp.cumsum(jnp.exp(free[..., 1:]), axis=-1)
        stretched = free if bounded else free[..., 1:]
        return jnp.concatenate([first, rest], axis=-1), jnp.sum(stretched)

    def free(self, value: jax.Array) -> jax.Array:
        first = value[..., :1]
        first = jnp.log(first - self.low) if np.isfinite(self.low) else first
        return jnp.concatenate([first, jnp.log(jnp.diff(value, axis=-1))], axis=-1)

    def contains(self, value: np.ndarray) -> bool:
        return bool((np.diff(value, axis=-1) > 0).all() and (value > self.low).all())

    def describe(self) -> str:
        return "ordered" if np.isinf(self.low) else f"ordered, above {self.low:g}"


class PositiveDefinite(AbstractSupport):
    """Symmetric positive definite matrices, by a Cholesky factor with a logarithmic diagonal."""

    def free_shape(self, shape: Shape) -> Shape:
        return (*shape[:-2], shape[-1] * (shape[-1] + 1) // 2)

    def bind(self, free: jax.Array) -> tuple[jax.Array, jax.Array]:
        dim = _side(free.shape[-1], 1)
        lower = _fill(free, dim, 0)
        logs = jnp.diagonal(lower, axis1=-2, axis2=-1)
        eye = jnp.eye(dim, dtype=free.dtype)
        lower = jnp.tril(lower, -1) + eye * jnp.exp(logs)[..., None, :]
        powers = jnp.arange(dim + 1, 1, -1, dtype=free.dtype)
        stretch = jnp.sum(powers * logs) + logs.size * jnp.log(2.0).astype(free.dtype)
        return lower @ jnp.swapaxes(lower, -1, -2), stretch

    def free(self, value: jax.Array) -> jax.Array:
        lower = cholesky(value)
        logs = jnp.log(jnp.diagonal(lower, axis1=-2, axis2=-1))
        eye = jnp.eye(value.shape[-1], dtype=value.dtype)
        lower = jnp.tril(lower, -1) + eye * logs[..., None, :]
        return lower[..., *np.tril_indices(value.shape[-1])]

    def contains(self, value: np.ndarray) -> bool:
        symmetric = np.allclose(value, np.swapaxes(value, -1, -2))
        return bool(symmetric and (np.linalg.eigvalsh(value) > 0).all())

    def describe(self) -> str:
        return "positive definite"


class Correlation(AbstractSupport):
    """Correlation matrices, by the inverse hyperbolic tangents of partial correlations.

    Lewandowski, Kurowicka and Joe 2009.
    """

    def free_shape(self, shape: Shape) -> Shape:
        return (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)

    def bind(self, free: jax.Array) -> tuple[jax.Array, jax.Array]:
        dim = _side(free.shape[-1], -1)
        # Of a partial correlation c the factor needs c, and the log of what is left, 1 - c².
        below = np.tril_indices(dim, -1)
        partial = _fill(jnp.tanh(free), dim, -1)
        log_left = 2 * (jnp.log(2.0) - free - jax.nn.softplus(-2 * free))
        left = _fill(log_left.astype(free.dtype), dim, -1)
        before = jnp.cumsum(left, axis=-1) - left
        unit = partial + jnp.eye(dim, dtype=free.dtype)
        lower = unit * jnp.exp(0.5 * before)
        log_diagonal = 0.5 * jnp.diagonal(before, axis1=-2, axis2=-1)
        stretch = left + 0.5 * before + log_diagonal[..., None, :]
        return lower @ jnp.swapaxes(lower, -1, -2), jnp.sum(stretch[..., *below])

    def free(self, value: jax.Array) -> jax.Array:
        lower = cholesky(value)
        squares = jnp.cumsum(lower**2, axis=-1) - lower**2
        below = np.tril_indices(value.shape[-1], -1)
        partial = lower[..., *below] / jnp.sqrt(1 - squares[..., *below])
        return jnp.arctanh(partial)

    def contains(self, value: np.ndarray) -> bool:
        ones = np.allclose(np.diagonal(value, axis1=-2, axis2=-1), 1.0)
        symmetric = np.allclose(value, np.swapaxes(value, -1, -2))
        return bool(ones and symmetric and (np.linalg.eigvalsh(value) > 0).all())

    def describe(self) -> str:
        return "correlation"


def _side(count: int, sign: int) -> int:
    """The side of the triangle with so many numbers, with its diagonal (1) or without (-1)."""
    return (int(np.sqrt(8 * count + 1) + 0.5) - sign) // 2


def _fill(numbers: jax.Array, dim: int, diagonal: int) -> jax.Array:
    """The lower triangle of matrices ``[..., dim, dim]``, row by row."""
    places = np.tril_indices(dim, diagonal)
    blank = jnp.zeros((*numbers.shape[:-1], dim, dim), numbers.dtype)
    return blank.at[..., *places].set(numbers)


real: Final = Real()
positive: Final = Interval(0.0, float("inf"))
simplex: Final = Simplex()
ordered: Final = Ordered()
positive_ordered: Final = Ordered(0.0)
positive_definite: Final = PositiveDefinite()
correlation: Final = Correlation()


def interval(low: float, high: float) -> AbstractSupport:
    """Numbers between ``low`` and ``high``, either of which may be infinite."""
    if np.isinf(low) and np.isinf(high):
        return real
    return Interval(float(low), float(high))
