"""Layers in which every output sees every input."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from latentia.typing import Key

from .interface import ACTIVATIONS, AbstractNetwork, check_activation, check_sizes
from .products import product


class Dense(AbstractNetwork):
    """An affine map: ``weight [I, O]`` and ``bias [O]``."""

    weight: Float[Array, "I O"]
    bias: Float[Array, "O"]

    def __check_init__(self) -> None:
        if self.weight.ndim != 2 or self.bias.shape != self.weight.shape[1:]:
            raise ValueError(
                f"bias of Dense should have shape {self.weight.shape[1:]}, one for each output, "
                f"but has {self.bias.shape}."
            )

    def __call__(self, x: jax.Array) -> jax.Array:
        return product(x, self.weight) + self.bias

    def describe(self) -> str:
        return f"an affine map of {self.weight.shape[0]} to {self.weight.shape[1]}"


def random_dense(key: Key, inputs: int, outputs: int, gain: float = 1.0) -> Dense:
    """An affine map that keeps the size of random inputs, times ``gain`` (LeCun et al. 1998)."""
    weight = jax.random.normal(key, (inputs, outputs), jnp.float32) * (gain / inputs**0.5)
    return Dense(weight, jnp.zeros(outputs, jnp.float32))


def random_layers(keys: Key, sizes: Sequence[int]) -> tuple[Dense, ...]:
    """Affine maps from each size to the next, one for each key."""
    return tuple(random_dense(*p) for p in zip(keys, sizes[:-1], sizes[1:], strict=True))


def check_layers(layers: tuple[Dense, ...], network: str) -> None:
    """Raise if a layer takes another number of inputs than the one before it gives."""
    for first, second in zip(layers[:-1], layers[1:], strict=True):
        if first.weight.shape[1] != second.weight.shape[0]:
            raise ValueError(f"layers of {network} should fit each other, but do not.")


class MLP(AbstractNetwork):
    """A perceptron with hidden layers: affine maps with an activation between them.

    An input of any shape is read as one vector.

    Args:
        inputs: how many numbers come in.
        outputs: how many come out.
        widths: of the hidden layers; none makes an affine map.
        activation: "silu", "gelu", "relu", "elu", "softplus" or "tanh".
        key: decides the first weights: a whole number or a JAX key.
    """

    layers: tuple[Dense, ...]
    activation: str = eqx.field(static=True)

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: Sequence[int] = (200, 200),
        *,
        activation: str = "silu",
        key: Key | int = 0,
    ) -> None:
        sizes = [inputs, *widths, outputs]
        for size in sizes:
            check_sizes(widths=size)
        self.layers = random_layers(jax.random.split(as_key(key), len(sizes) - 1), sizes)
        self.activation = activation

    def __check_init__(self) -> None:
        check_activation(self.activation)
        check_layers(self.layers, "MLP")

    def __call__(self, x: jax.Array) -> jax.Array:
        act = ACTIVATIONS[self.activation]
        x = x.reshape(-1)
        for layer in self.layers[:-1]:
            x = act(layer(x))
        return self.layers[-1](x)

    def describe(self) -> str:
        sizes = [self.layers[0].weight.shape[0], *(layer.weight.shape[1] for layer in self.layers)]
        return f"MLP {'-'.join(map(str, sizes))}"


def as_key(key: Key | int) -> Key:
    """A JAX key from one, or from a whole number."""
    return jax.random.key(key) if isinstance(key, int) else key
