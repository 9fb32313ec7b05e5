"""Gaussians whose coordinates depend on each other."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from latentia.numerics import LOG_2PI
from latentia.stacks import solve_triangular
from latentia.typing import Key

from .interface import (
    AbstractEncoded,
    AbstractPosteriorFamily,
    Rates,
    drawn_fit,
    drawn_rate,
    require_vector,
)


class FullProposal(AbstractEncoded):
    """A Gaussian: ``mean [L]``, and ``root [L, L]``, lower triangular, of its covariance."""

    mean: Float[Array, "... L"]
    root: Float[Array, "... L L"]

    def noise(self, key: Key, shape: tuple[int, ...]) -> jax.Array:
        return jax.random.normal(key, (*shape, self.mean.shape[-1]), self.mean.dtype)

    def at(self, noise: jax.Array) -> jax.Array:
        return self.mean + self.root @ noise

    def log_prob(self, u: jax.Array) -> jax.Array:
        white = solve_triangular(self.root, (u - self.mean)[:, None], True)[:, 0]
        log_det = jnp.sum(jnp.log(jnp.diagonal(self.root)))
        return -0.5 * white @ white - log_det - 0.5 * u.size * LOG_2PI

    def centre(self) -> tuple[jax.Array, jax.Array]:
        return self.mean, jnp.sqrt(jnp.sum(self.root**2, axis=-1))

    def rates(self, prior: Any, u: Any, sticking: bool = False) -> Rates:
        # By the chain rule, each coordinate given those before it; none of the terms is negative.
        square = self.mean**2 + jnp.sum(self.root**2, axis=-1)
        units = 0.5 * (square - 1) - jnp.log(jnp.diagonal(self.root))
        if prior.whitened:
            return Rates(jnp.sum(units), units)
        return Rates(drawn_rate(self, prior, u, sticking), jnp.full_like(units, jnp.nan))

    def fit(self, parts: Any, x: jax.Array, u: Any) -> jax.Array:
        return drawn_fit(parts, x, u)


class FullPosterior(AbstractPosteriorFamily):
    """Gaussians with any covariance: for L dimensions the encoder gives ``L + L (L + 1) / 2``
    numbers, a mean and the triangular root of the covariance (Kingma and Welling 2019, section
    2.5.1)."""

    def count(self, prior: Any, likelihood: Any) -> int:
        return prior.dim + prior.dim * (prior.dim + 1) // 2

    def check(self, prior: Any, likelihood: Any) -> None:
        require_vector("FullPosterior", prior)

    def propose(self, parts: Any, numbers: jax.Array, some: jax.Array) -> FullProposal:
        numbers = numbers.reshape(-1)
        size = parts.prior.dim
        mean, spread = numbers[:size], numbers[size : 2 * size]
        below = jnp.zeros((size, size), numbers.dtype)
        below = below.at[jnp.tril_indices(size, -1)].set(numbers[2 * size :])
        # Scales of at most about e^3, and in any case above zero.
        scale = jnp.exp(jnp.clip(spread, -12.0, 3.0))
        eye = jnp.eye(size, dtype=numbers.dtype)
        root = jnp.where(some, below + jnp.diag(scale), eye)
        return FullProposal(jnp.where(some, mean, 0.0), root)

    def describe(self) -> str:
        return "a full Gaussian"
