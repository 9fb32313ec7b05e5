"""A perceptron whose hidden layers each add to what came before (He et al. 2016)."""

import equinox as eqx
import jax

from latentia.typing import Key

from .dense import Dense, as_key, random_dense
from .interface import ACTIVATIONS, AbstractNetwork, check_activation, check_sizes


class ResidualMLP(AbstractNetwork):
    """``h + W2 act(W1 act(h))``, several times over, between two affine maps.

    Args:
        inputs: how many numbers come in, of any shape.
        outputs: how many come out.
        width: of the hidden layers.
        depth: how many blocks.
        activation: as of ``MLP``.
        key: decides the first weights.
    """

    first: Dense
    blocks: tuple[tuple[Dense, Dense], ...]
    last: Dense
    activation: str = eqx.field(static=True)

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int = 256,
        depth: int = 2,
        *,
        activation: str = "silu",
        key: Key | int = 0,
    ) -> None:
        check_sizes(inputs=inputs, outputs=outputs, width=width, depth=depth)
        keys = jax.random.split(as_key(key), 2 * depth + 2)
        self.first = random_dense(keys[0], inputs, width)
        # At first a block adds little, so that a deep network is as easy to train as a flat one.
        self.blocks = tuple(
            (
                random_dense(keys[2 * i + 1], width, width),
                random_dense(keys[2 * i + 2], width, width, 0.1),
            )
            for i in range(depth)
        )
        self.last = random_dense(keys[-1], width, outputs)
        self.activation = activation

    def __check_init__(self) -> None:
        check_activation(self.activation)
        width = self.first.weight.shape[1]
        for inner, outer in self.blocks:
            if inner.weight.shape[0] != width or outer.weight.shape[1] != width:
                raise ValueError("blocks of ResidualMLP should all have one width, but do not.")

    def __call__(self, x: jax.Array) -> jax.Array:
        act = ACTIVATIONS[self.activation]
        x = self.first(x.reshape(-1))
        for inner, outer in self.blocks:
            x = x + outer(act(inner(act(x))))
        return self.last(act(x))

    def describe(self) -> str:
        (inputs, width), outputs = self.first.weight.shape, self.last.weight.shape[1]
        return f"ResidualMLP {inputs}-{width}x{len(self.blocks)}-{outputs}"
