"""What a response has to offer: the distribution of D columns given a linear predictor of each.

With a predictor ``eta`` the log probability of an entry is ``features(x) · terms(eta)``, and a
number that no parameter enters. For a category the features say which one it is, for a count they
are (x, 1). So many data at many eta are one matrix product.
"""

from abc import abstractmethod
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from latentia.typing import Datum, Key, Rows, Scalar, Weights


class AbstractResponse(eqx.Module):
    """The distribution of D columns, each with a predictor of its own: independent given those.

    C is the number of features of a column, T that of its own parameters (intercepts and the like).
    """

    @property
    @abstractmethod
    def dim(self) -> int:
        """D."""

    @abstractmethod
    def terms(self, eta: Float[Array, "... D"]) -> Float[Array, "... D C"]:
        """What each feature counts for in the log probability."""

    @abstractmethod
    def expected(self, eta: Float[Array, "... D"]) -> Float[Array, "... D C"]:
        """The features expected of each column."""

    @abstractmethod
    def features(self, x: Rows) -> Float[Array, "... D C"]:
        """The features of data ``[..., D]``; those of missing entries are zero."""

    @abstractmethod
    def base(self, x: Datum) -> Scalar:
        """The part of the log probability that depends on x alone; minus infinity if impossible."""

    @abstractmethod
    def draw(self, key: Key, eta: Datum) -> Datum:
        """Draw one datum."""

    @abstractmethod
    def free(self) -> Float[Array, "D T"]:
        """The parameters of each column in coordinates without constraints."""

    @abstractmethod
    def bound(self, free: Float[Array, "D T"]) -> Self:
        """The response with these coordinates."""

    @abstractmethod
    def begin(self, x: Rows, weight: Weights, slopes: Any, key: Key) -> Self:
        """A first response from the columns' margins, for ``slopes [D]`` on a standard normal z."""

    @abstractmethod
    def slopes_from(self, loadings: Any) -> Any:
        """Slopes on the predictor from the loadings ``[D, L]`` of a factor analysis."""

    @abstractmethod
    def possible(self, x: Rows) -> Bool[Array, "N"]:
        """Which rows some parameters can explain."""

    @abstractmethod
    def degrees_of_freedom(self) -> int:
        """How many free parameters the columns have, slopes aside."""

    @abstractmethod
    def saturated(self) -> float:
        """How many free parameters the most general distribution of the D columns has."""

    @abstractmethod
    def describe(self) -> str:
        """What it is, in a few words."""


def seen_and_values(x: Any) -> tuple[jax.Array, jax.Array]:
    """Which entries are observed, and the entries with zero in place of missing ones."""
    seen = ~jnp.isnan(x)
    return seen, jnp.where(seen, x, 0.0)
