"""A prior of any smooth shape: a standard normal vector, bent by invertible maps."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.networks import MLP
from latentia.numerics import LOG_2PI
from latentia.typing import Key, LatentVector, Scalar

from .interface import AbstractVectorPrior


class FlowLatent(AbstractVectorPrior):
    """A standard normal vector through affine couplings (Dinh, Sohl-Dickstein and Bengio 2017).

    In each layer one half of the coordinates, alternately, is scaled and shifted by what a network
    makes of the other half. At first it is the standard normal vector itself.

    Args:
        dim: L, at least 2.
        layers: how many couplings.
        width: of the hidden layer of each network.
        key: decides the first weights.
    """

    networks: tuple[MLP, ...]

    def __init__(
        self,
        dim: int | None = None,
        layers: int = 6,
        width: int = 64,
        *,
        key: int = 0,
        networks: tuple[MLP, ...] | None = None,
    ) -> None:
        if networks is not None:
            self.networks = networks
            return
        if not isinstance(dim, int) or dim < 2:
            raise ValueError(
                f"dim of FlowLatent should be a whole number of at least 2, but is {dim!r}: one "
                "half of the coordinates moves the other."
            )
        keys = jax.random.split(jax.random.key(key), layers)
        self.networks = tuple(_flat(MLP(dim, 2 * dim, (width,), key=k)) for k in keys)

    @property
    def dim(self) -> int:
        return self.networks[0].layers[0].weight.shape[0]

    @property
    def whitened(self) -> bool:
        return False

    @property
    def affine(self) -> bool:
        return True

    @property
    def alone(self) -> bool:
        return True

    def prepare(self, propose: Any = None) -> Self:
        return self

    def started(self, rows: Any, rng: Any) -> Self:
        return self

    def settled(self, propose: Any) -> Self:
        return self

    def place(self, u: LatentVector) -> LatentVector:
        return u

    def lift(self, z: LatentVector) -> LatentVector:
        return z

    def log_prob_at(self, u: LatentVector) -> Scalar:
        return self.log_prob(u)

    def log_prob(self, z: LatentVector) -> Scalar:
        u, log_volume = self.pull(z)
        return -log_volume - 0.5 * u @ u - 0.5 * z.size * LOG_2PI

    def sample(self, key: Key) -> LatentVector:
        dtype = self.networks[0].layers[0].weight.dtype
        return self.push(jax.random.normal(key, (self.dim,), dtype))[0]

    def push(self, u: LatentVector) -> tuple[LatentVector, Scalar]:
        """The z that a standard normal vector becomes, and the log volume that this stretches."""
        total = jnp.zeros((), u.dtype)
        for index in reversed(range(len(self.networks))):
            shift, stretch = self._coupling(self.networks[index], u, index)
            u = u * jnp.exp(stretch) + shift
            total = total + jnp.sum(stretch)
        return u, total

    def pull(self, z: LatentVector) -> tuple[LatentVector, Scalar]:
        """The standard normal vector behind z, and the log volume that ``push`` stretches there."""
        total = jnp.zeros((), z.dtype)
        for index, network in enumerate(self.networks):
            shift, stretch = self._coupling(network, z, index)
            z = (z - shift) * jnp.exp(-stretch)
            total = total + jnp.sum(stretch)
        return z, total

    def _coupling(self, network: MLP, z: jax.Array, index: int) -> tuple[jax.Array, jax.Array]:
        moved = (jnp.arange(z.size) + index) % 2 == 0
        shift, stretch = network(jnp.where(moved, 0.0, z)).reshape(2, -1)
        # Bounded, so that a layer never stretches more than about sevenfold.
        return jnp.where(moved, shift, 0.0), jnp.where(moved, 2 * jnp.tanh(stretch), 0.0)

    def describe(self) -> str:
        return f"FlowLatent: {len(self.networks)} couplings in {self.dim} dimensions"


def _flat(network: MLP) -> MLP:
    """The network with outputs of zero."""
    return eqx.tree_at(lambda n: n.layers[-1].weight, network, replace_fn=jnp.zeros_like)
