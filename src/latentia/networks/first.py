"""A network of a part of its input."""

from typing import Any

import equinox as eqx
import jax

from .interface import AbstractNetwork, as_network, check_sizes


class First(AbstractNetwork):
    """A network that sees the first numbers of its input alone: of the layers of a
    ``LayeredLatent`` the bottom one, so that x hangs on that.

    Args:
        network: of ``count`` numbers.
        count: how many.
    """

    network: AbstractNetwork
    count: int = eqx.field(static=True)

    def __init__(self, network: Any, count: int) -> None:
        check_sizes(count=count)
        self.network = as_network(network, "network of First")
        self.count = count

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.network(x[: self.count])

    def describe(self) -> str:
        return f"{self.network.describe()} of the first {self.count} numbers"
