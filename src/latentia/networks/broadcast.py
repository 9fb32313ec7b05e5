"""A decoder that knows where each pixel lies."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.typing import Key

from .convolutional import (
    check_channels,
    convolved,
    picture,
    quartered,
    random_convolutions,
    read_shape,
    reduced,
)
from .dense import Dense, as_key, check_layers, random_layers
from .interface import ACTIVATIONS, AbstractNetwork, check_activation, check_sizes
from .products import product

# The grid reaches so far to each side, as z does.
_REACH = 2.0


class BroadcastDecoder(AbstractNetwork):
    """One perceptron for every point of a coarse grid, which sees z and where the point lies; then
    convolutions that double the picture each (Watters et al. 2019, "Spatial Broadcast Decoder").

    A thing that moves in the picture is one number of z here: its pixels ask how far they are from
    it. An affine map of z to a grid has no place, and so codes one by waves, several numbers for
    each place.

    Args:
        inputs: how many numbers come in.
        shape: of the picture that comes out: ``(height, width, channels)``; channels times the
            ``parameters`` of the family of outputs.
        widths: the channels before each convolution; none makes the grid as fine as the picture.
        hidden: the widths of the perceptron's hidden layers.
        activation: as of ``MLP``.
        key: decides the first weights.
    """

    grid: tuple[Dense, ...]
    layers: tuple[Dense, ...]
    shape: tuple[int, ...] = eqx.field(static=True)
    activation: str = eqx.field(static=True)

    def __init__(
        self,
        inputs: int,
        shape: tuple[int, int, int],
        widths: Sequence[int] = (64, 32),
        hidden: Sequence[int] = (128, 128),
        *,
        activation: str = "silu",
        key: Key | int = 0,
    ) -> None:
        self.shape = read_shape(shape)
        check_sizes(inputs=inputs)
        for size in widths:
            check_sizes(widths=size)
        for size in hidden:
            check_sizes(hidden=size)
        channels = [*widths, self.shape[2]]
        sizes = [inputs + 2, *hidden, channels[0]]
        keys = jax.random.split(as_key(key), len(sizes) + len(channels))
        self.grid = random_layers(keys[: len(sizes) - 1], sizes)
        self.layers = random_convolutions(keys[len(sizes) : -1], channels, 4)
        self.activation = activation

    def __check_init__(self) -> None:
        check_activation(self.activation)
        check_layers(self.grid, "BroadcastDecoder")
        check_channels(self.layers, self.grid[-1].bias.size, 4)

    def __call__(self, x: jax.Array) -> jax.Array:
        act = ACTIVATIONS[self.activation]
        height, width = reduced(self.shape, len(self.layers))
        # The same z everywhere, so that its part of the first layer is made once.
        first = self.grid[0]
        points = _points(height, width).astype(x.dtype)
        rows = product(points, first.weight[-2:]) + product(x, first.weight[:-2]) + first.bias
        for layer in self.grid[1:]:
            rows = layer(act(rows))
        image = rows.reshape(height, width, -1)
        for layer in self.layers:
            image = quartered(convolved(layer, act(image)))
        return image[: self.shape[0], : self.shape[1]]

    def describe(self) -> str:
        return f"BroadcastDecoder to {picture(self.shape)}"


def _points(height: int, width: int) -> jax.Array:
    """Where the points of a grid lie, down and across, ``[height * width, 2]``."""
    axes = [np.linspace(-_REACH, _REACH, size) for size in (height, width)]
    return jnp.asarray(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2))
