"""Networks of pictures, ``[height, width, channels]``: every pixel sees its neighbours."""

from collections.abc import Sequence
from math import ceil, prod

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.typing import Key

from .dense import MLP, Dense, as_key, random_dense
from .interface import ACTIVATIONS, AbstractNetwork, check_activation, check_sizes
from .products import product


class ConvEncoder(AbstractNetwork):
    """Convolutions over 3 x 3 neighbours that halve the picture each, then a perceptron.

    Args:
        shape: of the picture: ``(height, width, channels)``.
        outputs: how many numbers come out.
        widths: the channels after each convolution.
        hidden: the widths of the perceptron's hidden layers; none makes an affine map.
        activation: as of ``MLP``.
        key: decides the first weights.
    """

    layers: tuple[Dense, ...]
    head: MLP
    shape: tuple[int, ...] = eqx.field(static=True)
    activation: str = eqx.field(static=True)

    def __init__(
        self,
        shape: tuple[int, int, int],
        outputs: int,
        widths: Sequence[int] = (32, 64, 128),
        hidden: Sequence[int] = (),
        *,
        activation: str = "silu",
        key: Key | int = 0,
    ) -> None:
        self.shape = read_shape(shape)
        check_sizes(outputs=outputs)
        keys = jax.random.split(as_key(key), len(widths) + 1)
        channels = [self.shape[2], *widths]
        self.layers = random_convolutions(keys[1:], channels, 1)
        height, width = reduced(self.shape, len(widths))
        self.head = MLP(
            height * width * channels[-1], outputs, hidden, activation=activation, key=keys[0]
        )
        self.activation = activation

    def __check_init__(self) -> None:
        check_activation(self.activation)
        check_channels(self.layers, self.shape[2], 1)

    def __call__(self, x: jax.Array) -> jax.Array:
        act = ACTIVATIONS[self.activation]
        x = x.reshape(self.shape)
        for layer in self.layers:
            x = act(convolved(layer, x, stride=2))
        return self.head(x)

    def describe(self) -> str:
        return f"ConvEncoder of {picture(self.shape)}"


class ConvDecoder(AbstractNetwork):
    """An affine map to a small picture, then convolutions that double it each.

    A convolution makes four values for each pixel, one for each quarter of it (Shi et al. 2016).

    Args:
        inputs: how many numbers come in.
        shape: of the picture that comes out: ``(height, width, channels)``; channels times the
            ``parameters`` of the family of outputs.
        widths: the channels before each convolution.
        activation: as of ``MLP``.
        key: decides the first weights.
    """

    first: Dense
    layers: tuple[Dense, ...]
    shape: tuple[int, ...] = eqx.field(static=True)
    activation: str = eqx.field(static=True)

    def __init__(
        self,
        inputs: int,
        shape: tuple[int, int, int],
        widths: Sequence[int] = (128, 64, 32),
        *,
        activation: str = "silu",
        key: Key | int = 0,
    ) -> None:
        self.shape = read_shape(shape)
        check_sizes(inputs=inputs)
        keys = jax.random.split(as_key(key), len(widths) + 1)
        channels = [*widths, self.shape[2]]
        self.layers = random_convolutions(keys[1:], channels, 4)
        height, width = reduced(self.shape, len(widths))
        self.first = random_dense(keys[0], inputs, height * width * channels[0])
        self.activation = activation

    def __check_init__(self) -> None:
        check_activation(self.activation)
        height, width = reduced(self.shape, len(self.layers))
        check_channels(self.layers, self.first.bias.size // (height * width), 4)

    def __call__(self, x: jax.Array) -> jax.Array:
        act = ACTIVATIONS[self.activation]
        x = self.first(x).reshape(*reduced(self.shape, len(self.layers)), -1)
        for layer in self.layers:
            x = quartered(convolved(layer, act(x)))
        return x[: self.shape[0], : self.shape[1]]

    def describe(self) -> str:
        return f"ConvDecoder to {picture(self.shape)}"


def random_convolutions(keys: Key, channels: Sequence[int], quarters: int) -> tuple[Dense, ...]:
    """Convolutions from each number of channels to the next, one for each key; with 4 quarters each
    pixel becomes four."""
    return tuple(
        random_dense(key, 9 * before, quarters * after)
        for key, before, after in zip(keys, channels[:-1], channels[1:], strict=True)
    )


def convolved(layer: Dense, x: jax.Array, stride: int = 1) -> jax.Array:
    """Each pixel with its 8 neighbours through an affine map, ``[H, W, C]`` to ``[H / stride,
    W / stride, O]``.

    A convolution is then one product of matrices, and so are its slopes: XLA has no quick routine
    on CPUs for those of a convolution itself, which took 15 times as long. Of few outputs the
    product is taken of every pixel and its parts are added where they belong, since nine copies of
    all channels would take longer than the product.
    """
    channels, outputs = x.shape[-1], layer.bias.size
    if stride == 1 and outputs < channels:
        weight = layer.weight.reshape(9, channels, outputs).transpose(1, 0, 2)
        parts = product(x, weight.reshape(channels, 9 * outputs))
        shifts = _shifts(parts, 1)
        pieces = [p[..., n * outputs : (n + 1) * outputs] for n, p in enumerate(shifts)]
        return sum(pieces[1:], pieces[0]) + layer.bias
    return layer(jnp.concatenate(_shifts(x, stride), axis=-1))


def _shifts(x: jax.Array, stride: int) -> list[jax.Array]:
    """The picture seen from each of a pixel's 9 neighbours, zero outside."""
    height, width, _ = x.shape
    padded = jnp.pad(x, ((1, 1), (1, 1), (0, 0)))
    return [
        padded[i : i + height : stride, j : j + width : stride] for i in range(3) for j in range(3)
    ]


def quartered(x: jax.Array) -> jax.Array:
    """Four channels of a pixel become its four quarters: ``[H, W, 4 C]`` to ``[2 H, 2 W, C]``."""
    height, width, channels = x.shape
    parts = x.reshape(height, width, 2, 2, channels // 4).transpose(0, 2, 1, 3, 4)
    return parts.reshape(2 * height, 2 * width, channels // 4)


def reduced(shape: tuple[int, ...], times: int) -> tuple[int, int]:
    """The height and width after so many halvings."""
    height, width = shape[:2]
    for _ in range(times):
        height, width = ceil(height / 2), ceil(width / 2)
    return height, width


def read_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a picture, if it is one."""
    if len(shape) != 3 or prod(shape) < 1:
        raise ValueError(
            f"shape should be (height, width, channels), but is {shape}: of grey pictures the "
            "last is 1."
        )
    return tuple(int(size) for size in shape)


def check_channels(layers: tuple[Dense, ...], channels: int, quarters: int) -> None:
    """Raise if the convolutions do not fit each other."""
    for layer in layers:
        if layer.weight.shape[0] != 9 * channels:
            raise ValueError("layers of a convolutional network should fit each other, but do not.")
        channels = layer.weight.shape[1] // quarters


def picture(shape: tuple[int, ...]) -> str:
    """The shape in words."""
    height, width, channels = shape
    return f"pictures of {height} x {width} in {channels} channel{'s' if channels > 1 else ''}"
