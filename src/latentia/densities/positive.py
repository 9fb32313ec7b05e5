"""Densities of positive numbers."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln

from latentia.numerics import normal_log_density
from latentia.supports import AbstractSupport, positive
from latentia.typing import Key, Scalar

from .interface import AbstractDensity, parameter, shape_of, total


class HalfNormal(AbstractDensity):
    """The positive half of a normal density about zero, by the scale of the whole one."""

    scale: Any
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, scale: Any = 1.0, shape: Any = None) -> None:
        self.scale = parameter(scale, "scale", positive=True)
        self.shape = shape_of(shape, self.scale)

    @property
    def support(self) -> AbstractSupport:
        return positive

    @property
    def proper(self) -> bool:
        return True

    def log_prob(self, value: Any) -> Scalar:
        return total(jnp.log(2.0) + normal_log_density(value, self.scale))

    def sample(self, key: Key) -> jax.Array:
        return self.scale * jnp.abs(jax.random.normal(key, self.shape))


class HalfCauchy(AbstractDensity):
    """The positive half of a Cauchy density about zero, by its scale."""

    scale: Any
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, scale: Any = 1.0, shape: Any = None) -> None:
        self.scale = parameter(scale, "scale", positive=True)
        self.shape = shape_of(shape, self.scale)

    @property
    def support(self) -> AbstractSupport:
        return positive

    @property
    def proper(self) -> bool:
        return True

    def log_prob(self, value: Any) -> Scalar:
        gap = value / self.scale
        return total(jnp.log(2.0) - jnp.log(jnp.pi * self.scale) - jnp.log1p(gap * gap))

    def sample(self, key: Key) -> jax.Array:
        return self.scale * jnp.abs(jax.random.cauchy(key, self.shape))


class LogNormal(AbstractDensity):
    """A number whose logarithm is normal with this mean and standard deviation."""

    mean: Any
    sd: Any
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, mean: Any = 0.0, sd: Any = 1.0, shape: Any = None) -> None:
        self.mean = parameter(mean, "mean")
        self.sd = parameter(sd, "sd", positive=True)
        self.shape = shape_of(shape, self.mean, self.sd)

    @property
    def support(self) -> AbstractSupport:
        return positive

    @property
    def proper(self) -> bool:
        return True

    def log_prob(self, value: Any) -> Scalar:
        log = jnp.log(value)
        return total(normal_log_density(log - self.mean, self.sd) - log)

    def sample(self, key: Key) -> jax.Array:
        return jnp.exp(self.mean + self.sd * jax.random.normal(key, self.shape))


class Gamma(AbstractDensity):
    """Gamma with a concentration (shape parameter) and a rate; its mean is their ratio."""

    concentration: Any
    rate: Any
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, concentration: Any, rate: Any = 1.0, shape: Any = None) -> None:
        self.concentration = parameter(concentration, "concentration", positive=True)
        self.rate = parameter(rate, "rate", positive=True)
        self.shape = shape_of(shape, self.concentration, self.rate)

    @property
    def support(self) -> AbstractSupport:
        return positive

    @property
    def proper(self) -> bool:
        return True

    def log_prob(self, value: Any) -> Scalar:
        alpha = self.concentration
        constant = alpha * jnp.log(self.rate) - gammaln(alpha)
        return total(constant + (alpha - 1) * jnp.log(value) - self.rate * value)

    def sample(self, key: Key) -> jax.Array:
        return jax.random.gamma(key, self.concentration, self.shape) / self.rate


class Exponential(AbstractDensity):
    """Exponential with a rate; its mean is 1 / rate."""

    rate: Any
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, rate: Any = 1.0, shape: Any = None) -> None:
        self.rate = parameter(rate, "rate", positive=True)
        self.shape = shape_of(shape, self.rate)

    @property
    def support(self) -> AbstractSupport:
        return positive

    @property
    def proper(self) -> bool:
        return True

    def log_prob(self, value: Any) -> Scalar:
        return total(jnp.log(self.rate) - self.rate * value)

    def sample(self, key: Key) -> jax.Array:
        return jax.random.exponential(key, self.shape) / self.rate


class InverseGamma(AbstractDensity):
    """A number whose reciprocal is Gamma with this concentration and, as rate, this scale."""

    concentration: Any
    scale: Any
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, concentration: Any, scale: Any = 1.0, shape: Any = None) -> None:
        self.concentration = parameter(concentration, "concentration", positive=True)
        self.scale = parameter(scale, "scale", positive=True)
        self.shape = shape_of(shape, self.concentration, self.scale)

    @property
    def support(self) -> AbstractSupport:
        return positive

    @property
    def proper(self) -> bool:
        return True

    def log_prob(self, value: Any) -> Scalar:
        alpha = self.concentration
        constant = alpha * jnp.log(self.scale) - gammaln(alpha)
        return total(constant - (alpha + 1) * jnp.log(value) - self.scale / value)

    def sample(self, key: Key) -> jax.Array:
        return self.scale / jax.random.gamma(key, self.concentration, self.shape)
