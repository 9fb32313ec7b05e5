"""What a family of outputs has to offer: the distribution of one entry given P free numbers."""

from abc import abstractmethod
from typing import Self

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from latentia.typing import Key


class AbstractOutput(eqx.Module):
    """The distribution of an observed entry, given P numbers that a network chooses freely.

    Everything works on entries of any shape ``[...]`` at once; entries are independent.
    """

    @property
    @abstractmethod
    def parameters(self) -> int:
        """P, how many numbers an entry takes from the network."""

    @property
    @abstractmethod
    def support(self) -> str:
        """Which values an entry may have, for messages."""

    @property
    @abstractmethod
    def scalable(self) -> bool:
        """Whether entries are real numbers, which may be described in any unit."""

    @abstractmethod
    def log_prob(self, x: Float[Array, "..."], free: Float[Array, "... P"]) -> Float[Array, "..."]:
        """The log density or log probability of each entry."""

    @abstractmethod
    def sample(self, key: Key, free: Float[Array, "... P"]) -> Float[Array, "..."]:
        """Draw each entry."""

    @abstractmethod
    def mean(self, free: Float[Array, "... P"]) -> Float[Array, "..."]:
        """The value expected of each entry (of a category, the most probable one)."""

    @abstractmethod
    def begin(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Free numbers ``[..., P]`` of entries with these moments, where training starts."""

    @abstractmethod
    def started(self, spread: float) -> Self:
        """The family with parameters of its own where training starts, for entries that deviate
        this much from their means."""

    @abstractmethod
    def impossible(self, x: np.ndarray) -> np.ndarray:
        """Which observed entries lie outside the support; a missing one (NaN) never does."""

    @abstractmethod
    def describe(self) -> str:
        """What it is, in a few words."""


def one(free: jax.Array) -> jax.Array:
    """The only free number of each entry."""
    return free[..., 0]
