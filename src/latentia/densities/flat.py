"""Densities that are made of others, or of nothing."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.supports import AbstractSupport, ordered, real
from latentia.typing import Key, Scalar

from .interface import AbstractDensity, shape_of


class Flat(AbstractDensity):
    """The constant density 1 on a support; improper unless the support is bounded.

    Under a flat density the posterior may still be proper. The log evidence then has a constant of
    its own, and cannot be compared between models.

    Args:
        support: where the value may lie, such as ``supports.positive``; by default anywhere.
        shape: that of the value.
    """

    where: AbstractSupport
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, support: AbstractSupport = real, shape: Any = None) -> None:
        if not isinstance(support, AbstractSupport):
            raise TypeError(
                f"support of Flat should be a support, but is {support!r}: write "
                "Flat(supports.positive, shape=3), for instance."
            )
        self.where = support
        self.shape = shape_of(shape)

    @property
    def support(self) -> AbstractSupport:
        return self.where

    @property
    def proper(self) -> bool:
        return False

    def log_prob(self, value: Any) -> Scalar:
        return jnp.zeros((), jnp.result_type(float))

    def sample(self, key: Key) -> jax.Array:
        raise ValueError(
            "A Flat density cannot be sampled, since it has no total: give this latent variable a "
            "proper density, or sample x for a z of your own."
        )


class Sorted(AbstractDensity):
    """Independent values of one density, put in increasing order along the last axis.

    The density of unlabelled values: K! times that of the values in any one order.

    Args:
        density: of the values before they are sorted, such as ``Normal(0, 2, shape=2)``. Its
            entries have to be alike.
    """

    density: AbstractDensity
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, density: AbstractDensity) -> None:
        if density.support is not real or not density.shape:
            raise ValueError(
                "density of Sorted should be one of several real numbers, but is "
                f"{type(density).__name__} of shape {density.shape}: write "
                "Sorted(Normal(0, 2, shape=2)), for instance."
            )
        self.density = density
        self.shape = density.shape

    @property
    def support(self) -> AbstractSupport:
        return ordered

    @property
    def proper(self) -> bool:
        return self.density.proper

    def log_prob(self, value: Any) -> Scalar:
        rows = math.prod(self.shape[:-1])
        return self.density.log_prob(value) + rows * math.lgamma(self.shape[-1] + 1)

    def sample(self, key: Key) -> jax.Array:
        return jnp.sort(self.density.sample(key), axis=-1)
