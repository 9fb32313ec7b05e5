"""Densities of real numbers, by their location and scale."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln

from latentia.numerics import normal_log_density
from latentia.supports import AbstractSupport, real
from latentia.typing import Key, Scalar

from .interface import AbstractDensity, parameter, shape_of, total


class Normal(AbstractDensity):
    """Normal with a mean and a standard deviation.

    Args:
        mean: a number, or an array that broadcasts to ``shape``.
        sd: the same, positive.
        shape: that of the value; by default that of the parameters.
    """

    mean: Any
    sd: Any
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, mean: Any = 0.0, sd: Any = 1.0, shape: Any = None) -> None:
        self.mean = parameter(mean, "mean")
        self.sd = parameter(sd, "sd", positive=True)
        self.shape = shape_of(shape, self.mean, self.sd)

    @property
    def support(self) -> AbstractSupport:
        return real

    @property
    def proper(self) -> bool:
        return True

    def log_prob(self, value: Any) -> Scalar:
        return total(normal_log_density(value - self.mean, self.sd))

    def sample(self, key: Key) -> jax.Array:
        return self.mean + self.sd * jax.random.normal(key, self.shape)


class Cauchy(AbstractDensity):
    """Cauchy with a location and a scale. Args are as those of ``Normal``."""

    location: Any
    scale: Any
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, location: Any = 0.0, scale: Any = 1.0, shape: Any = None) -> None:
        self.location = parameter(location, "location")
        self.scale = parameter(scale, "scale", positive=True)
        self.shape = shape_of(shape, self.location, self.scale)

    @property
    def support(self) -> AbstractSupport:
        return real

    @property
    def proper(self) -> bool:
        return True

    def log_prob(self, value: Any) -> Scalar:
        gap = (value - self.location) / self.scale
        return total(-jnp.log1p(gap * gap) - jnp.log(jnp.pi * self.scale))

    def sample(self, key: Key) -> jax.Array:
        return self.location + self.scale * jax.random.cauchy(key, self.shape)


class StudentT(AbstractDensity):
    """Student's t with degrees of freedom, a location and a scale, entry by entry."""

    df: Any
    location: Any
    scale: Any
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, df: Any, location: Any = 0.0, scale: Any = 1.0, shape: Any = None) -> None:
        self.df = parameter(df, "df", positive=True)
        self.location = parameter(location, "location")
        self.scale = parameter(scale, "scale", positive=True)
        self.shape = shape_of(shape, self.df, self.location, self.scale)

    @property
    def support(self) -> AbstractSupport:
        return real

    @property
    def proper(self) -> bool:
        return True

    def log_prob(self, value: Any) -> Scalar:
        gap, half = (value - self.location) / self.scale, (self.df + 1) / 2
        constant = gammaln(half) - gammaln(self.df / 2)
        constant -= 0.5 * jnp.log(self.df * jnp.pi) + jnp.log(self.scale)
        return total(constant - half * jnp.log1p(gap * gap / self.df))

    def sample(self, key: Key) -> jax.Array:
        return self.location + self.scale * jax.random.t(key, self.df, self.shape)
