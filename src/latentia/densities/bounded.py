"""Densities of numbers between bounds, of probabilities and of correlations."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln

from latentia.stacks import cholesky
from latentia.supports import AbstractSupport, Interval, correlation, simplex
from latentia.typing import Key, Scalar

from .interface import AbstractDensity, parameter, shape_of, total


class Uniform(AbstractDensity):
    """Uniform between two fixed numbers."""

    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, low: float = 0.0, high: float = 1.0, shape: Any = None) -> None:
        self.low, self.high = float(low), float(high)
        if not self.low < self.high or not np.isfinite(self.high - self.low):
            raise ValueError(
                f"low and high of Uniform should be finite and in order, but are {low} and {high}: "
                "use Flat for a density that has no bounds."
            )
        self.shape = shape_of(shape)

    @property
    def support(self) -> AbstractSupport:
        return Interval(self.low, self.high)

    @property
    def proper(self) -> bool:
        return True

    def log_prob(self, value: Any) -> Scalar:
        return total(jnp.full(jnp.shape(value), -np.log(self.high - self.low)))

    def sample(self, key: Key) -> jax.Array:
        return jax.random.uniform(key, self.shape, minval=self.low, maxval=self.high)


class Beta(AbstractDensity):
    """Beta with two concentrations: of the probability itself, and of what is left of one."""

    first: Any
    second: Any
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, first: Any, second: Any, shape: Any = None) -> None:
        self.first = parameter(first, "first", positive=True)
        self.second = parameter(second, "second", positive=True)
        self.shape = shape_of(shape, self.first, self.second)

    @property
    def support(self) -> AbstractSupport:
        return Interval(0.0, 1.0)

    @property
    def proper(self) -> bool:
        return True

    def log_prob(self, value: Any) -> Scalar:
        a, b = self.first, self.second
        constant = gammaln(a + b) - gammaln(a) - gammaln(b)
        return total(constant + (a - 1) * jnp.log(value) + (b - 1) * jnp.log1p(-value))

    def sample(self, key: Key) -> jax.Array:
        return jax.random.beta(key, self.first, self.second, self.shape)


class Dirichlet(AbstractDensity):
    """Probabilities ``[..., K]`` with concentrations ``[K]``, or one concentration for all K."""

    concentration: Any
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, concentration: Any, shape: Any = None) -> None:
        self.concentration = parameter(concentration, "concentration", positive=True)
        self.shape = shape_of(shape, self.concentration)
        if not self.shape or self.shape[-1] < 2:
            raise ValueError(
                "shape of Dirichlet should end with at least 2 probabilities, but is "
                f"{self.shape}: write Dirichlet(1.0, shape=3), for instance."
            )

    @property
    def support(self) -> AbstractSupport:
        return simplex

    @property
    def proper(self) -> bool:
        return True

    def log_prob(self, value: Any) -> Scalar:
        alpha = jnp.broadcast_to(self.concentration, jnp.shape(value))
        constant = gammaln(jnp.sum(alpha, axis=-1)) - jnp.sum(gammaln(alpha), axis=-1)
        return total(constant + jnp.sum((alpha - 1) * jnp.log(value), axis=-1))

    def sample(self, key: Key) -> jax.Array:
        alpha = jnp.broadcast_to(self.concentration, self.shape)
        return jax.random.dirichlet(key, alpha)


class LKJ(AbstractDensity):
    """A correlation matrix ``[D, D]`` with density in proportion to its determinant to a power.

    Lewandowski, Kurowicka and Joe 2009. ``concentration`` 1 is uniform; more is nearer to none.
    """

    concentration: Any
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, dim: int, concentration: Any = 1.0) -> None:
        if dim < 2:
            raise ValueError(f"dim of LKJ should be at least 2, but is {dim}.")
        self.concentration = parameter(concentration, "concentration", positive=True)
        self.shape = (dim, dim)

    @property
    def support(self) -> AbstractSupport:
        return correlation

    @property
    def proper(self) -> bool:
        return True

    def log_prob(self, value: Any) -> Scalar:
        factor = cholesky(value)
        log_det = 2 * jnp.sum(jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)))
        return (self.concentration - 1) * log_det - self._log_volume()

    def _log_volume(self) -> Scalar:
        # A product over the partial correlations of the vine, each a Beta on (-1, 1).
        dim = self.shape[-1]
        steps = np.arange(1, dim)
        betas = self.concentration + (dim - 1 - steps) / 2
        logs = 2 * gammaln(betas) - gammaln(2 * betas) + (2 * betas - 1) * np.log(2.0)
        return jnp.sum((dim - steps) * logs)

    def sample(self, key: Key) -> jax.Array:
        dim = self.shape[-1]
        rows = [jnp.eye(1, dim)[0]]
        for row, place in enumerate(jax.random.split(key, dim - 1), start=1):
            # Row by row of the factor: a length, and a direction on the sphere (the onion).
            first, second = jax.random.split(place)
            rest = self.concentration + (dim - 1 - row) / 2
            square = jax.random.beta(first, row / 2, rest)
            direction = jax.random.normal(second, (row,))
            direction = direction / jnp.linalg.norm(direction) * jnp.sqrt(square)
            padded = jnp.zeros(dim).at[:row].set(direction).at[row].set(jnp.sqrt(1 - square))
            rows.append(padded)
        factor = jnp.stack(rows)
        return factor @ factor.T
