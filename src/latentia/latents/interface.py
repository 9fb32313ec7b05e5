"""What a latent structure p(z) has to offer.

The prior owns the algorithm, since the algorithm follows the structure: a likelihood states its
evidence as a potential, and the prior turns it into a posterior.
"""

from abc import abstractmethod
from typing import Any, Self

import equinox as eqx
import jax
from jaxtyping import Array, Float, Int

from latentia.potentials import AbstractPotential
from latentia.typing import Key, Moments, Scalar, Statistics, Weights
from latentia.verdict import Exactness


class AbstractPrior(eqx.Module):
    """A distribution of one latent variable, of whatever structure."""

    @abstractmethod
    def sample(self, key: Key) -> Any:
        """Draw one z."""

    @abstractmethod
    def log_prob(self, z: Any) -> Scalar:
        """The log density or log probability of one z."""


class AbstractVectorPrior(AbstractPrior):
    """A prior of a real vector z, beside which an encoder can put a Gaussian.

    The encoder speaks of u, from which a smooth map that can be inverted leads to z: mostly an
    affine one.
    """

    @property
    @abstractmethod
    def dim(self) -> int:
        """L."""

    @property
    @abstractmethod
    def whitened(self) -> bool:
        """Whether u is standard normal, so that the divergence from it has a formula."""

    @property
    @abstractmethod
    def affine(self) -> bool:
        """Whether ``place`` is an affine map, so that Gaussians of u are Gaussians of z."""

    @property
    @abstractmethod
    def alone(self) -> bool:
        """Whether no encoder is needed to make it."""

    @abstractmethod
    def prepare(self, propose: Any = None) -> "AbstractVectorPrior":
        """The same prior made quick on many z: what does not depend on them is factored.

        ``propose`` is the encoder's, from one x to a Gaussian, for priors that are made of it.
        """

    @abstractmethod
    def started(self, rows: Any, rng: Any) -> Self:
        """Itself, with what is not set yet taken from data ``[N, *shape]``."""

    @abstractmethod
    def settled(self, propose: Any) -> "AbstractVectorPrior":
        """What stays of the prior when training ends: itself, if it stands alone."""

    @abstractmethod
    def place(self, u: Float[Array, "L"]) -> Float[Array, "L"]:
        """The z of one u."""

    @abstractmethod
    def lift(self, z: Float[Array, "L"]) -> Float[Array, "L"]:
        """The u of one z."""

    @abstractmethod
    def log_prob_at(self, u: Float[Array, "L"]) -> Scalar:
        """The log density of one u."""

    @abstractmethod
    def describe(self) -> str:
        """What it is, in a few words."""


class AbstractPosterior(eqx.Module):
    """p(z|x): what is known of one z after one x was seen."""

    log_evidence: eqx.AbstractVar[jax.Array]

    @property
    @abstractmethod
    def exactness(self) -> Exactness:
        """Whether the numbers are exact, and if not, what they are."""

    @property
    @abstractmethod
    def method(self) -> str:
        """The algorithm that made it."""

    @property
    @abstractmethod
    def moments(self) -> Moments:
        """The expectations of z that learning needs."""

    @abstractmethod
    def mode(self) -> Any:
        """The most probable z: the mode of the joint density too."""

    @abstractmethod
    def sample(self, key: Key) -> Any:
        """Draw one z."""

    @abstractmethod
    def log_prob(self, z: Any) -> Scalar:
        """The log posterior density or probability of one z."""


class AbstractSmoothPrior(AbstractPrior):
    """A prior known by its density alone, over a z that free real numbers determine.

    With any likelihood that is smooth in z this is all that approximate inference needs.
    """

    @property
    @abstractmethod
    def free_dim(self) -> int:
        """How many free real numbers determine z."""

    @property
    @abstractmethod
    def free_names(self) -> tuple[str, ...]:
        """A name for each free number, after the part of z that it belongs to."""

    @property
    @abstractmethod
    def part_names(self) -> tuple[str, ...]:
        """The names of the arrays in z, in the order in which they are told; none if z is one."""

    @property
    @abstractmethod
    def proper(self) -> bool:
        """Whether the density is known to integrate to one."""

    @abstractmethod
    def bind(self, free: jax.Array) -> tuple[Any, Scalar]:
        """The z of some free numbers, and the log of the volume that they stretch to there."""

    @abstractmethod
    def free(self, z: Any) -> jax.Array:
        """The free numbers of one z."""

    @abstractmethod
    def describe(self) -> str:
        """What it is, in a few words."""


class AbstractSequencePosterior(AbstractPosterior):
    """The posterior of a sequence z."""

    @abstractmethod
    def cut(self, length: int) -> Self:
        """The posterior of the first steps alone, if the others only filled the sequence up."""


class AbstractConjugatePrior(AbstractPrior):
    """A prior that can be conditioned on the potentials that it accepts by an algorithm of its own.

    The algorithm is exact, or its posteriors say in ``exactness`` what they are instead.
    """

    @property
    @abstractmethod
    def algorithm(self) -> str:
        """What ``condition`` does, in the words of the field."""

    @abstractmethod
    def accepts(self, potential: AbstractPotential) -> bool:
        """Whether ``condition`` can take potentials of this structure (shapes are enough)."""

    @abstractmethod
    def condition(self, potential: Any) -> AbstractPosterior:
        """The posterior, by Bayes' rule, or what stands for it."""

    @abstractmethod
    def uninformed(self, moments: Moments) -> Any:
        """How far the moments say less than they could, in nats for each datum: the entropy of the
        discrete part of z, which the integrated completed likelihood counts as a loss."""

    @abstractmethod
    def statistics(self, moments: Moments, weight: Weights) -> Statistics:
        """Weighted totals of the moments of N data, which add."""

    @abstractmethod
    def maximize(self, statistics: Statistics) -> Self:
        """The prior with the highest expected log density."""

    @abstractmethod
    def imagine(self, other: Any, weight: Scalar) -> Statistics:
        """The statistics expected from ``weight`` latent variables of ``other``."""

    @abstractmethod
    def expected_log_prob(self, other: Any) -> Scalar:
        """The mean log density of this prior under ``other``, up to a constant of ``other``."""

    @abstractmethod
    def begin(self, assignment: Float[Array, "N K"], weight: Weights) -> Self:
        """A first prior, from a first assignment of the data to states."""

    @abstractmethod
    def reorder(self, order: Int[Array, "K"]) -> Self:
        """The same prior with its states renumbered: new state i is old state ``order[i]``."""

    @abstractmethod
    def shares(self) -> Float[Array, "K"]:
        """The probability of each state; one number, 1, if there are no states."""

    @abstractmethod
    def degrees_of_freedom(self) -> int:
        """How many free parameters it has."""

    @abstractmethod
    def describe(self) -> str:
        """What it is, in a few words."""


class AbstractLabelledPrior(AbstractConjugatePrior):
    """A prior over states, some of which may be known."""

    @abstractmethod
    def label(self, potential: Any, code: Int[Array, ""]) -> AbstractPotential:
        """The potential and the knowledge that the state is ``code``; -1 is no knowledge."""
