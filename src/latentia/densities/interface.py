"""What a density of one named latent variable has to offer."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.supports import AbstractSupport
from latentia.typing import Key, Scalar


class AbstractDensity(eqx.Module):
    """A density of an array of this shape, whose entries are independent unless it says otherwise.

    It is made of plain numbers, or of traced ones inside a function that JAX differentiates.
    """

    shape: eqx.AbstractVar[tuple[int, ...]]

    @property
    @abstractmethod
    def support(self) -> AbstractSupport:
        """Where the value may lie."""

    @property
    @abstractmethod
    def proper(self) -> bool:
        """Whether it integrates to one."""

    @abstractmethod
    def log_prob(self, value: Any) -> Scalar:
        """The log density of a value, or of many independent ones, summed over all entries."""

    @abstractmethod
    def sample(self, key: Key) -> jax.Array:
        """Draw one value."""


def parameter(value: Any, name: str, positive: bool = False) -> Any:
    """A parameter of a density, checked where its value is known."""
    if isinstance(value, jax.Array):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} should be a number or an array of them, but is {value!r}.")
    array = array.astype(np.float64)
    if not np.isfinite(array).all() or (positive and not (array > 0).all()):
        kind = "positive" if positive else "finite"
        raise ValueError(f"{name} should be {kind}, but is {value!r}: give {kind} numbers.")
    return array


def shape_of(shape: int | tuple[int, ...] | None, *parameters: Any) -> tuple[int, ...]:
    """The shape asked for, or else that of the parameters together."""
    together = np.broadcast_shapes(*(np.shape(value) for value in parameters))
    if shape is None:
        return together
    wanted = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    ends = zip(reversed(wanted), reversed(together), strict=False)
    if len(together) > len(wanted) or any(side not in (1, full) for full, side in ends):
        raise ValueError(
            f"shape should hold the parameters of shape {together}, but is {wanted}: leave it out, "
            "or let its last entries be theirs."
        )
    return tuple(int(side) for side in wanted)


def total(terms: Any) -> Scalar:
    """The sum over all entries."""
    return jnp.sum(terms)
