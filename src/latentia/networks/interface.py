"""What a network has to offer: one array from another."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "elu": jax.nn.elu,
    "gelu": jax.nn.gelu,
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "tanh": jnp.tanh,
}


class AbstractNetwork(eqx.Module):
    """A smooth function with parameters, of ONE array: ``vmap`` adds the batch."""

    @abstractmethod
    def __call__(self, x: jax.Array) -> jax.Array:
        """The output for one input."""

    @abstractmethod
    def describe(self) -> str:
        """What it is, in a few words."""


class Wrapped(AbstractNetwork):
    """A module of the user's own: its arrays are parameters, and all else is fixed."""

    arrays: Any
    rest: Any = eqx.field(static=True)

    def __call__(self, x: jax.Array) -> jax.Array:
        return eqx.combine(self.arrays, self.rest)(x)

    def describe(self) -> str:
        return f"a network of one's own ({type(self.rest).__name__})"


class Given(AbstractNetwork):
    """A network whose last inputs are known: covariates ``u [P]`` behind what is asked."""

    network: AbstractNetwork
    u: jax.Array

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.network(jnp.concatenate([x, self.u.astype(x.dtype)]))

    def describe(self) -> str:
        return self.network.describe()


def as_network(module: Any, argument: str) -> AbstractNetwork:
    """The module itself if it is one of the library's networks, else wrapped to look like one.

    Raises:
        TypeError: if it cannot be called.
    """
    if isinstance(module, AbstractNetwork):
        return module
    if not callable(module):
        raise TypeError(
            f"{argument} should be a network, which is called with an array, but is {module!r}: "
            "write latentia.networks.MLP(2, 10), for instance."
        )
    arrays, rest = eqx.partition(module, eqx.is_inexact_array)
    return Wrapped(arrays, rest)


def check_activation(name: str) -> None:
    """Raise ``ValueError`` if no activation has this name."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation should be one of {', '.join(ACTIVATIONS)}, but is {name!r}.")


def check_sizes(**sizes: Any) -> None:
    """Raise ``ValueError`` for the first size that is no whole number of at least 1."""
    for name, size in sizes.items():
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise ValueError(
                f"{name} of a network should be a whole number of at least 1, but is {size!r}."
            )
