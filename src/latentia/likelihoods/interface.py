"""What a likelihood p(x|z) has to offer.

It knows nothing of algorithms: it states what x says about z as a potential, in the language of the
priors that it fits.
"""

from abc import abstractmethod
from typing import Any, Protocol, Self

import equinox as eqx
from jaxtyping import Array, Bool, Float, Int

from latentia.distributions import Limits
from latentia.distributions.stacks import take as take
from latentia.potentials import AbstractPotential
from latentia.typing import Datum, Form, Key, Moments, Rows, Scalar, Statistics, Weights


class AbstractLikelihood(eqx.Module):
    """The distribution of one x given one z."""

    @abstractmethod
    def sample(self, key: Key, z: Any) -> Datum:
        """Draw one x."""

    @abstractmethod
    def log_prob(self, x: Datum, z: Any) -> Scalar:
        """The log density or log probability of one x, with missing entries integrated out."""


class AbstractConjugateLikelihood(AbstractLikelihood):
    """A likelihood that some prior can be conditioned on exactly."""

    @abstractmethod
    def potential(self, x: Datum) -> AbstractPotential:
        """Log p(x|z) as a function of z; a missing x says nothing."""


class AbstractWholeLikelihood(AbstractConjugateLikelihood):
    """A likelihood of one x of any structure about one z: all the data, or one datum of many."""

    # The shape of one datum, if each has a z of its own; None if one x is all the data.
    datum_shape: eqx.AbstractVar[tuple[int, ...] | None]

    @abstractmethod
    def read(self, x: Any, argument: str = "x") -> Any:
        """The data with arrays in place of lists and tables, or an error that names what is not
        a number."""

    @abstractmethod
    def describe(self) -> str:
        """What it is, in a few words."""


class Prepared(Protocol):
    """A likelihood as the E-step needs it."""

    def potential(self, x: Datum) -> AbstractPotential:
        """As that of the likelihood."""
        ...

    def statistics(self, x: Rows, moments: Moments, weight: Weights) -> Statistics:
        """Weighted totals, which add; ``finish`` turns them into those of the likelihood."""
        ...

    def finish(self, totals: Statistics) -> Statistics:
        """The statistics of the likelihood, from totals over all the data."""
        ...


class AbstractLearnableLikelihood(AbstractConjugateLikelihood):
    """A likelihood that EM can learn."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """D, the number of columns."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of one x: ``(D,)``, or ``(T, D)`` with some T for sequences of any length."""

    @property
    @abstractmethod
    def states(self) -> int:
        """K, the number of states that it tells apart; 1 if z has none."""

    @property
    @abstractmethod
    def quadratic(self) -> bool:
        """Whether log p(x) is quadratic in x, so that data enter by their mean and covariance."""

    @abstractmethod
    def prepare(self, form: Form) -> Prepared:
        """The likelihood made quick on many data: what does not depend on them is factored."""

    @abstractmethod
    def safe_products(self, radius: Scalar, missing: bool) -> Bool[Array, ""]:
        """Whether ``Form.PRODUCTS`` is possible and exact enough for data within ``radius``."""

    @abstractmethod
    def statistics(self, x: Rows, moments: Moments, weight: Weights) -> Statistics:
        """Weighted totals over N data and the posterior moments of their z, which add.

        They may be relative to the parameters of this very likelihood.
        """

    @abstractmethod
    def maximize(self, statistics: Statistics, limits: Limits) -> Self:
        """The likelihood with the highest expected log-likelihood, from its own statistics."""

    @abstractmethod
    def restrict(self, limits: Limits) -> Self:
        """The nearest likelihood that keeps the floor, for parameters found otherwise."""

    @abstractmethod
    def imagine(self, other: Any, weight: Scalar, shares: Float[Array, "K"]) -> Statistics:
        """The statistics expected from ``weight`` data of ``other`` with these ``shares``."""

    @abstractmethod
    def expected_log_prob(self, other: Any, shares: Float[Array, "K"]) -> Scalar:
        """The mean complete-data log-likelihood under ``other``, up to a constant of ``other``."""

    @abstractmethod
    def begin(
        self,
        x: Rows,
        assignment: Float[Array, "N K"],
        weight: Weights,
        limits: Limits,
        key: Key,
        form: Form = Form.MISSING,
    ) -> Self:
        """A first likelihood, from an assignment of data to states, and chance where needed."""

    @abstractmethod
    def possible(self, x: Rows, weight: Weights) -> Bool[Array, "N"]:
        """Which rows some parameters can explain: a negative count, say, none can."""

    @abstractmethod
    def embed(self, x: Rows) -> Float[Array, "N E"]:
        """The data as points whose Euclidean distances mean something."""

    @abstractmethod
    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        """The centre and scale in which it may be fitted, given those of the data."""

    @abstractmethod
    def affine(self, centre: Datum, scale: Datum) -> Self:
        """The likelihood of ``centre + scale * x``, for what ``units`` allows."""

    @abstractmethod
    def degenerate(self, limits: Limits) -> Bool[Array, "K"]:
        """Which states have shrunk to the smallest variance allowed."""

    @abstractmethod
    def order_keys(self) -> Float[Array, "K Q"]:
        """What states of equal weight are ordered by, the first column first."""

    @abstractmethod
    def reorder(self, order: Int[Array, "K"]) -> Self:
        """The same likelihood with its states renumbered: new state i is old ``order[i]``."""

    @abstractmethod
    def canonical(self) -> Self:
        """The same likelihood in the one form, of several equally good ones, that is reported."""

    @abstractmethod
    def degrees_of_freedom(self, states: int) -> int:
        """How many free parameters ``states`` such likelihoods have together."""

    @abstractmethod
    def describe(self) -> str:
        """What it is, in a few words."""
