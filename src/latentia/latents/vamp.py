"""A prior that is what the encoder makes of a few learned inputs."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from latentia.typing import Key, LatentVector, Scalar

from .interface import AbstractVectorPrior
from .mixture import MixtureLatent


class VampPrior(AbstractVectorPrior):
    """The mixture of the posteriors of K learned pseudo-inputs (Tomczak and Welling 2018, eq. 9).

    It is learned with the encoder; after training the model has the ``MixtureLatent`` that it has
    become, which needs no encoder any more.

    Args:
        pseudo_inputs: K, to start from K random data; or the inputs ``[K, *shape]``.
        dim: L.
        shape: of one x, with a number of pseudo-inputs.
    """

    pseudo_inputs: Float[Array, "K ..."]
    size: int = eqx.field(static=True)

    def __init__(self, pseudo_inputs: Any, dim: int, shape: int | tuple[int, ...] = ()) -> None:
        if isinstance(pseudo_inputs, int):
            inner = (shape,) if isinstance(shape, int) else tuple(shape)
            if pseudo_inputs < 1 or not inner:
                raise ValueError(
                    "pseudo_inputs of VampPrior should be a whole number of at least 1, with the "
                    f"shape of one x, but are {pseudo_inputs} and {shape}."
                )
            pseudo_inputs = np.full((pseudo_inputs, *inner), np.nan, np.float32)
        self.pseudo_inputs = pseudo_inputs
        self.size = dim

    @property
    def dim(self) -> int:
        return self.size

    @property
    def whitened(self) -> bool:
        return False

    @property
    def affine(self) -> bool:
        return True

    @property
    def alone(self) -> bool:
        return False

    def prepare(self, propose: Any = None) -> MixtureLatent:
        if propose is None:
            raise ValueError(
                "VampPrior should be in a model with inference=Amortized(...): it is made by the "
                "encoder, and of use alone once latentia.fit has turned it into a mixture."
            )
        found = jax.vmap(propose)(self.pseudo_inputs)
        count = len(self.pseudo_inputs)
        weights = jnp.full(count, 1 / count, found.mean.dtype)
        return MixtureLatent(weights=weights, means=found.mean, scales=found.scale)

    def started(self, rows: Any, rng: Any) -> Self:
        if not np.isnan(self.pseudo_inputs).any():
            return self
        count = len(self.pseudo_inputs)
        chosen = np.nan_to_num(rows[rng.choice(len(rows), count, replace=count > len(rows))])
        # Apart from each other even if the data repeat.
        noise = 0.01 * np.std(chosen) * rng.normal(size=chosen.shape)
        return type(self)(np.asarray(chosen + noise, rows.dtype), self.size)

    def settled(self, propose: Any) -> MixtureLatent:
        return self.prepare(propose)

    def place(self, u: LatentVector) -> LatentVector:
        return u

    def lift(self, z: LatentVector) -> LatentVector:
        return z

    def log_prob_at(self, u: LatentVector) -> Scalar:
        return self.prepare().log_prob(u)

    def log_prob(self, z: LatentVector) -> Scalar:
        return self.prepare().log_prob(z)

    def sample(self, key: Key) -> LatentVector:
        return self.prepare().sample(key)

    def describe(self) -> str:
        return f"VampPrior: the posteriors of {len(self.pseudo_inputs)} pseudo-inputs"
