"""Proposals for layers of latent vectors: what the encoder and what the layer above say, met."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from latentia.latents import LayeredLatent
from latentia.numerics import normal_log_density
from latentia.typing import Key

from .diagonal import LEAST, MOST
from .interface import AbstractEncoded, AbstractPosteriorFamily, Rates, drawn_fit


class TopDownProposal(AbstractEncoded):
    """Layer by layer from the top, the product of the prior given the layer above and the evidence
    of the encoder, ``mean [L]`` with ``precision [L]``, about each coordinate of z."""

    prior: LayeredLatent
    mean: Float[Array, "... L"]
    precision: Float[Array, "... L"]

    def noise(self, key: Key, shape: tuple[int, ...]) -> jax.Array:
        return jax.random.normal(key, (*shape, self.mean.shape[-1]), self.mean.dtype)

    def at(self, noise: jax.Array) -> jax.Array:
        return self._down(noise, drawing=True)[0]

    def log_prob(self, u: jax.Array) -> jax.Array:
        _, mean, scale = self._down(u, drawing=False)
        return jnp.sum(normal_log_density(u - mean, scale))

    def _down(self, given: jax.Array, drawing: bool) -> tuple[jax.Array, jax.Array, jax.Array]:
        """u, and mean and scale of each coordinate given the layers above, from noise or from u."""
        layers = self.prior.split(given)
        means, precisions = self.prior.split(self.mean), self.prior.split(self.precision)
        told, above = [], None
        for layer in reversed(range(len(layers))):
            middle, log_scale = jnp.zeros_like(layers[layer]), jnp.zeros_like(layers[layer])
            if above is not None:
                middle, log_scale = self.prior.below(layer, above)
            scale = jnp.exp(log_scale)
            # In units of the prior given the layer above, where that is standard normal.
            variance = 1 / (1 + precisions[layer] * scale**2)
            mean = variance * precisions[layer] * scale * (means[layer] - middle)
            spread = jnp.sqrt(variance)
            u = mean + spread * layers[layer] if drawing else layers[layer]
            above = middle + scale * u
            told.append((u, mean, spread))
        u, mean, spread = (jnp.concatenate(part) for part in zip(*reversed(told), strict=True))
        return u, mean, spread

    def centre(self) -> tuple[jax.Array, jax.Array]:
        u, _, scale = self._down(jnp.zeros_like(self.mean), drawing=True)
        return u, scale

    def rates(self, prior: Any, u: Any, sticking: bool = False) -> Rates:
        # A formula for each layer given those above it, and their mean over the draws.
        _, mean, scale = jax.vmap(lambda u: self._down(u, drawing=False))(u)
        units = jnp.mean(0.5 * (mean**2 + scale**2 - 1) - jnp.log(scale), axis=0)
        return Rates(jnp.sum(units), units)

    def fit(self, parts: Any, x: jax.Array, u: Any) -> jax.Array:
        return drawn_fit(parts, x, u)


class TopDownPosterior(AbstractPosteriorFamily):
    """For a ``LayeredLatent``: the encoder gives a mean and a precision for each coordinate of
    every layer, and on the way down each layer's prior is conditioned on them (Sonderby et al.
    2016, equations 16 to 19)."""

    def count(self, prior: Any, likelihood: Any) -> int:
        return 2 * prior.dim

    def check(self, prior: Any, likelihood: Any) -> None:
        if not isinstance(prior, LayeredLatent):
            raise TypeError(
                "family=TopDownPosterior() should be with a LayeredLatent, but is with a "
                f"{type(prior).__name__}: leave family out."
            )

    def propose(self, parts: Any, numbers: jax.Array, some: jax.Array) -> TopDownProposal:
        mean, precision = numbers.reshape(2, -1)
        said = jax.nn.softplus(jnp.clip(precision, LEAST, MOST))
        return TopDownProposal(parts.prior, mean, jnp.where(some, said, 0.0))

    def describe(self) -> str:
        return "the prior of each layer, conditioned on it from the top down"
