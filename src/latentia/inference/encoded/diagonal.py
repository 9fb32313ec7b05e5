"""Gaussians with independent coordinates, as in the first variational autoencoders."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from latentia.numerics import normal_log_density
from latentia.typing import Key

from .interface import (
    AbstractEncoded,
    AbstractPosteriorFamily,
    Rates,
    drawn_fit,
    drawn_rate,
    require_vector,
)

# The log precision of evidence about a coordinate; far beyond what data of any kind say.
LEAST, MOST = -12.0, 25.0


class Proposal(AbstractEncoded):
    """A Gaussian with independent coordinates u: ``mean [L]`` and ``log_scale [L]``."""

    mean: Float[Array, "... L"]
    log_scale: Float[Array, "... L"]

    @property
    def scale(self) -> jax.Array:
        """Standard deviations."""
        return jnp.exp(self.log_scale)

    @property
    def root(self) -> jax.Array:
        """A root of the covariance, ``[L, L]``."""
        return jnp.diag(self.scale)

    def noise(self, key: Key, shape: tuple[int, ...]) -> jax.Array:
        return jax.random.normal(key, (*shape, self.mean.shape[-1]), self.mean.dtype)

    def at(self, noise: jax.Array) -> jax.Array:
        return self.mean + self.scale * noise

    def log_prob(self, u: jax.Array) -> jax.Array:
        return jnp.sum(normal_log_density(u - self.mean, self.scale), axis=-1)

    def centre(self) -> tuple[jax.Array, jax.Array]:
        return self.mean, self.scale

    def divergence(self) -> jax.Array:
        """Of each coordinate from a standard normal one, ``[L]``, in nats."""
        variance = jnp.exp(2 * self.log_scale)
        return 0.5 * (self.mean**2 + variance - 1) - self.log_scale

    def rates(self, prior: Any, u: Any, sticking: bool = False) -> Rates:
        units = self.divergence()
        if prior.whitened:
            return Rates(jnp.sum(units), units)
        return Rates(drawn_rate(self, prior, u, sticking), jnp.full_like(units, jnp.nan))

    def fit(self, parts: Any, x: jax.Array, u: Any) -> jax.Array:
        return drawn_fit(parts, x, u)


class DiagonalPosterior(AbstractPosteriorFamily):
    """Gaussians with independent coordinates (Kingma and Welling 2014): a mean and a precision for
    each, which the encoder gives."""

    def count(self, prior: Any, likelihood: Any) -> int:
        return 2 * prior.dim

    def check(self, prior: Any, likelihood: Any) -> None:
        require_vector("DiagonalPosterior", prior)

    def propose(self, parts: Any, numbers: jax.Array, some: jax.Array) -> Proposal:
        mean, precision = numbers.reshape(2, -1)
        return diagonal(mean, precision, some)

    def describe(self) -> str:
        return "a diagonal Gaussian"


def diagonal(mean: jax.Array, precision: jax.Array, some: jax.Array) -> Proposal:
    """The proposal of a standard normal u with evidence of this log ``precision``, and its mean."""
    log_scale = -0.5 * jax.nn.softplus(jnp.clip(precision, LEAST, MOST))
    return Proposal(jnp.where(some, mean, 0.0), jnp.where(some, log_scale, 0.0))
