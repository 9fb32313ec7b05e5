"""Posteriors of any smooth shape: a Gaussian of each datum, bent by invertible maps."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from latentia.networks import MLP
from latentia.typing import Key

from .diagonal import Proposal, diagonal
from .interface import (
    AbstractEncoded,
    AbstractPosteriorFamily,
    Rates,
    drawn_fit,
    drawn_rate,
    require_vector,
)


class CouplingProposal(AbstractEncoded):
    """``base``, a Gaussian, through affine couplings whose networks see ``context [C]`` too."""

    base: Proposal
    networks: tuple[MLP, ...]
    context: Float[Array, "... C"]
    some: jax.Array

    def noise(self, key: Key, shape: tuple[int, ...]) -> jax.Array:
        return self.base.noise(key, shape)

    def at(self, noise: jax.Array) -> jax.Array:
        u = self.base.at(noise)
        for index, network in enumerate(self.networks):
            shift, stretch = self._coupling(network, u, index)
            u = u * jnp.exp(stretch) + shift
        return u

    def log_prob(self, u: jax.Array) -> jax.Array:
        total = jnp.zeros((), u.dtype)
        for index in reversed(range(len(self.networks))):
            shift, stretch = self._coupling(self.networks[index], u, index)
            u = (u - shift) * jnp.exp(-stretch)
            total = total + jnp.sum(stretch)
        return self.base.log_prob(u) - total

    def _coupling(self, network: MLP, u: jax.Array, index: int) -> tuple[jax.Array, jax.Array]:
        moved = (jnp.arange(u.size) + index) % 2 == 0
        seen = jnp.concatenate([jnp.where(moved, 0.0, u), self.context])
        shift, stretch = network(seen).reshape(2, -1)
        # Bounded, so that a layer never stretches more than about sevenfold.
        bent = moved & self.some
        return jnp.where(bent, shift, 0.0), jnp.where(bent, 2 * jnp.tanh(stretch), 0.0)

    def centre(self) -> tuple[jax.Array, jax.Array]:
        return self.at(jnp.zeros_like(self.base.mean)), self.base.scale

    def rates(self, prior: Any, u: Any, sticking: bool = False) -> Rates:
        units = jnp.full_like(self.base.mean, jnp.nan)
        return Rates(drawn_rate(self, prior, u, sticking), units)

    def fit(self, parts: Any, x: jax.Array, u: Any) -> jax.Array:
        return drawn_fit(parts, x, u)


class CouplingPosterior(AbstractPosteriorFamily):
    """A diagonal Gaussian, and affine couplings after it that depend on the datum: a normalizing
    flow for each x (Rezende and Mohamed 2015; the couplings are those of Dinh, Sohl-Dickstein and
    Bengio 2017).

    Unlike an inverse autoregressive flow (Kingma et al. 2016) it has a quick density of any u,
    which importance weights need. At first it is the diagonal Gaussian. The rate is estimated by
    the draws.

    Args:
        dim: L, at least 2.
        layers: how many couplings.
        width: of the hidden layer of each network.
        context: C, how many numbers of the encoder, besides the 2 L of the Gaussian, tell the
            couplings of the datum.
        key: decides the first weights.
    """

    networks: tuple[MLP, ...]
    context: int = eqx.field(static=True)

    def __init__(
        self,
        dim: int | None = None,
        layers: int = 4,
        width: int = 64,
        context: int = 16,
        *,
        key: int = 0,
        networks: tuple[MLP, ...] | None = None,
    ) -> None:
        self.context = context
        if networks is not None:
            self.networks = networks
            return
        if not isinstance(dim, int) or dim < 2:
            raise ValueError(
                f"dim of CouplingPosterior should be a whole number of at least 2, but is {dim!r}: "
                "one half of the coordinates moves the other."
            )
        for name, value in (("layers", layers), ("width", width), ("context", context)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"{name} of CouplingPosterior should be a whole number of at least 1, but is "
                    f"{value!r}."
                )
        keys = jax.random.split(jax.random.key(key), layers)
        made = [MLP(dim + context, 2 * dim, (width,), key=k) for k in keys]
        last = lambda network: network.layers[-1].weight  # noqa: E731
        self.networks = tuple(eqx.tree_at(last, n, replace_fn=jnp.zeros_like) for n in made)

    def count(self, prior: Any, likelihood: Any) -> int:
        return 2 * prior.dim + self.context

    def check(self, prior: Any, likelihood: Any) -> None:
        require_vector("CouplingPosterior", prior)
        bent = self.networks[0].layers[-1].weight.shape[1] // 2
        if bent != prior.dim:
            raise ValueError(
                f"dim of CouplingPosterior should be {prior.dim}, as the prior has dimensions, but "
                f"is {bent}."
            )

    def propose(self, parts: Any, numbers: jax.Array, some: jax.Array) -> CouplingProposal:
        numbers = numbers.reshape(-1)
        size = parts.prior.dim
        base = diagonal(numbers[:size], numbers[size : 2 * size], some)
        return CouplingProposal(base, self.networks, numbers[2 * size :], some)

    def describe(self) -> str:
        return f"a Gaussian bent by {len(self.networks)} couplings"
