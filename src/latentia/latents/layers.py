"""Layers of Gaussian vectors, each given by a network of the one above."""

from collections.abc import Sequence
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.networks import MLP
from latentia.numerics import LOG_2PI
from latentia.typing import Key, LatentVector, Scalar

from .interface import AbstractVectorPrior


class LayeredLatent(AbstractVectorPrior):
    """``p(z_1|z_2) ... p(z_{m-1}|z_m) p(z_m)``: hierarchical latent variables.

    The top layer is standard normal; a network of each layer gives mean and scale of every
    coordinate of the one below (Rezende, Mohamed and Wierstra 2014; with an encoder whose answers
    meet the prior's on the way down it is the ladder of Sonderby et al. 2016). z is one vector,
    with the bottom layer first; a decoder of that layer alone is ``latentia.networks.First``, and
    an encoder with a level for each layer ``latentia.networks.BottomUp``.

    Args:
        sizes: how many dimensions each layer has, from the bottom, which x hangs on, to the top.
        widths: of the hidden layers of each network.
        key: decides the first weights.
    """

    networks: tuple[MLP, ...]

    def __init__(
        self,
        sizes: Sequence[int] | None = None,
        widths: Sequence[int] = (64,),
        *,
        key: int = 0,
        networks: tuple[MLP, ...] | None = None,
    ) -> None:
        if networks is not None:
            self.networks = networks
            return
        if sizes is None or len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(
                f"sizes of LayeredLatent should be two whole numbers or more, each at least 1, but "
                f"are {sizes!r}: write LayeredLatent((16, 8)), or use a GaussianLatent."
            )
        keys = jax.random.split(jax.random.key(key), len(sizes) - 1)
        made = [
            MLP(above, 2 * below, widths, key=k)
            for k, above, below in zip(keys, sizes[1:], sizes[:-1], strict=True)
        ]
        # At first every layer is nearly standard normal.
        self.networks = tuple(
            eqx.tree_at(lambda n: n.layers[-1].weight, n, 0.1 * n.layers[-1].weight) for n in made
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """The dimensions of each layer, from the bottom."""
        below = tuple(network.layers[-1].weight.shape[1] // 2 for network in self.networks)
        return *below, self.networks[-1].layers[0].weight.shape[0]

    @property
    def dim(self) -> int:
        return sum(self.sizes)

    @property
    def whitened(self) -> bool:
        return True

    @property
    def affine(self) -> bool:
        return False

    @property
    def alone(self) -> bool:
        return True

    def prepare(self, propose: Any = None) -> Self:
        return self

    def started(self, rows: Any, rng: Any) -> Self:
        return self

    def settled(self, propose: Any) -> Self:
        return self

    def split(self, z: LatentVector) -> list[jax.Array]:
        """The layers of a vector, from the bottom."""
        edges, start = [], 0
        for size in self.sizes:
            edges.append(z[start : start + size])
            start += size
        return edges

    def below(self, layer: int, above: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Mean and log scale of ``layer``, given the one above."""
        mean, log_scale = self.networks[layer](above).reshape(2, -1)
        # Between about 1/20 and 20, so that no layer can shrink to a point.
        return mean, 3 * jnp.tanh(log_scale / 3)

    def place(self, u: LatentVector) -> LatentVector:
        layers = self.split(u)
        for layer in reversed(range(len(self.networks))):
            mean, log_scale = self.below(layer, layers[layer + 1])
            layers[layer] = mean + jnp.exp(log_scale) * layers[layer]
        return jnp.concatenate(layers)

    def lift(self, z: LatentVector) -> LatentVector:
        layers = self.split(z)
        white = [
            (layers[layer] - mean) * jnp.exp(-log_scale)
            for layer, (mean, log_scale) in enumerate(self._moments(layers))
        ]
        return jnp.concatenate([*white, layers[-1]])

    def _moments(self, layers: list[jax.Array]) -> list[tuple[jax.Array, jax.Array]]:
        return [self.below(layer, layers[layer + 1]) for layer in range(len(self.networks))]

    def log_prob_at(self, u: LatentVector) -> Scalar:
        return -0.5 * u @ u - 0.5 * u.size * LOG_2PI

    def log_prob(self, z: LatentVector) -> Scalar:
        stretched = sum(jnp.sum(log_scale) for _, log_scale in self._moments(self.split(z)))
        return self.log_prob_at(self.lift(z)) - stretched

    def sample(self, key: Key) -> LatentVector:
        dtype = self.networks[0].layers[0].weight.dtype
        return self.place(jax.random.normal(key, (self.dim,), dtype))

    def describe(self) -> str:
        sizes = ", ".join(map(str, self.sizes))
        return f"LayeredLatent: Gaussian vectors in {sizes} dimensions, each given the next"
