"""What a distribution p(x) has to offer: to be drawn from, to be evaluated, and to be learned.

``D`` is the number of columns that a family describes. NaN in a datum means that the entry is
missing: it is integrated out. A parameter that holds NaN is not set yet.
"""

from abc import abstractmethod
from typing import Any, NamedTuple, Protocol, Self

import equinox as eqx
import jax
from jaxtyping import Array, Bool, Float

from latentia.typing import Datum, Form, Key, Rows, Scalar, Statistics, Weights


class Limits(NamedTuple):
    """What keeps variances from vanishing, in the units of the data: both are zero by default.

    ``floor [D]`` is the smallest variance allowed for each column: the maximum of the likelihood is
    sought under that constraint. ``ridge [D]`` is added to every estimated variance.
    """

    floor: jax.Array
    ridge: jax.Array


class AbstractDistribution(eqx.Module):
    """A distribution of one datum."""

    @abstractmethod
    def sample(self, key: Key) -> Datum:
        """Draw one datum."""

    @abstractmethod
    def log_prob(self, x: Datum) -> Scalar:
        """The log density or log probability of one datum, with missing entries integrated out."""


class Prepared(Protocol):
    """A family as the E-step needs it."""

    def log_prob(self, x: Datum) -> Scalar:
        """As that of the family."""
        ...

    def statistics(self, x: Rows, weight: Weights) -> Statistics:
        """As those of the family."""
        ...


class AbstractFamily(AbstractDistribution):
    """A family of distributions that can be learned from weighted data.

    A family whose parameters have a leading axis of K is K distributions, one for each state.
    ``maximize``, ``restrict`` and ``degenerate`` are called on such a stack, so they are written
    for any leading axes; all else is written for one distribution, and the library maps it over
    states.
    """

    @property
    @abstractmethod
    def dim(self) -> int:
        """D, the number of columns."""

    @abstractmethod
    def prepare(self, form: Form) -> Prepared:
        """The family made quick on many data, by factoring once what does not depend on them.

        With ``Form.COMPLETE`` the data have no missing entries. A family with nothing to factor
        returns itself.
        """

    @abstractmethod
    def statistics(self, x: Rows, weight: Weights) -> Statistics:
        """Weighted totals over data, which add: all that ``maximize`` needs to know.

        They may be relative to the parameters of this very family, such as moments about its mean.
        """

    @abstractmethod
    def maximize(self, statistics: Statistics, limits: Limits) -> Self:
        """The family with the highest expected log-likelihood, from its own statistics.

        Of a family with a latent variable of its own (the part of a mixture, the scale of a Student
        t) this is one step of EM, which climbs.
        """

    @abstractmethod
    def restrict(self, limits: Limits) -> Self:
        """The nearest distribution that keeps the floor, for parameters found otherwise."""

    @abstractmethod
    def imagine(self, other: Any, weight: Scalar) -> Statistics:
        """The statistics that it would expect to collect from ``weight`` data of ``other``.

        Conjugate priors and online learning are such imaginary data. They are complete: a latent
        variable that the family has of its own is imagined with them.
        """

    @abstractmethod
    def expected_log_prob(self, other: Any) -> Scalar:
        """The mean of this family's log density under ``other``, up to a constant of ``other``.

        Like imaginary data, the density is that of x and of the family's own latent variable.
        """

    @abstractmethod
    def guess(self, x: Rows, weight: Weights) -> Self:
        """A plausible fit that looks at each column by itself and skips what is missing."""

    @abstractmethod
    def embed(self, x: Rows) -> Float[Array, "N E"]:
        """The data as points whose Euclidean distances mean something, for finding starts."""

    @abstractmethod
    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        """The centre and scale in which this family may be fitted, given those of the data.

        A family that cannot be shifted or scaled answers zeros and ones.
        """

    @abstractmethod
    def affine(self, centre: Datum, scale: Datum) -> Self:
        """The distribution of ``centre + scale * x``, for what ``units`` allows."""

    @abstractmethod
    def degenerate(self, limits: Limits) -> Bool[Array, "..."]:
        """Whether a distribution has shrunk to the smallest variance allowed."""

    @abstractmethod
    def degrees_of_freedom(self, states: int) -> int:
        """How many free parameters ``states`` distributions of this family have together."""


class AbstractExponentialFamily(AbstractFamily):
    """log p(x) = natural · features(x) + base(x), so that many data are one matrix product.

    ``centre [D]`` is a fixed point that x is measured from; a family without shifts ignores it.
    """

    @abstractmethod
    def features(self, x: Datum, centre: Datum) -> Float[Array, "F"]:
        """The sufficient statistics of one datum; those of missing entries are zero."""

    @abstractmethod
    def base(self, x: Datum) -> Scalar:
        """The part of the log density that no parameter enters."""

    @abstractmethod
    def natural(self, centre: Datum) -> Float[Array, "F"]:
        """The natural parameters, and minus the log normaliser where it has a feature."""

    @abstractmethod
    def from_natural(self, natural: Float[Array, "F"], centre: Datum) -> Self:
        """The member of the family with these natural parameters."""

    @abstractmethod
    def statistics_of(self, totals: Float[Array, "F"], centre: Datum) -> Statistics:
        """What ``statistics`` would have collected, from weighted totals of the features."""

    @abstractmethod
    def safe_products(self, radius: Scalar, missing: bool) -> Bool[Array, "..."]:
        """Whether the product form is as good as any for data within ``radius`` of the centre."""
