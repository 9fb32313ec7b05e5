"""A discrete choice, then a latent variable of its own for each branch."""

from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp

from latentia.potentials import AbstractPotential, BranchPotential, DiscretePotential
from latentia.typing import Code, Key, Moments, Probabilities, Scalar, Weights
from latentia.verdict import Exactness

from .discrete import Discrete, DiscretePosterior, label_values
from .interface import AbstractConjugatePrior, AbstractLabelledPrior, AbstractPosterior


class BranchMoments(NamedTuple):
    """The probability of each branch, ``[K]``, and the moments in each branch, stacked."""

    branch: Probabilities
    inner: Moments


class BranchPosterior(AbstractPosterior):
    """The posterior of z = (k, inner): of the branch, and within each branch, stacked."""

    branch: DiscretePosterior
    inner: AbstractPosterior

    @property
    def log_evidence(self) -> jax.Array:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.branch.log_evidence

    @property
    def exactness(self) -> Exactness:
        return self.inner.exactness

    @property
    def method(self) -> str:
        return f"{self.branch.method}, each by {self.inner.method}"

    @property
    def probabilities(self) -> Probabilities:
        """``[K]``: the probability of each branch."""
        return self.branch.probabilities

    @property
    def moments(self) -> BranchMoments:
        return BranchMoments(self.branch.moments, jax.vmap(lambda q: q.moments)(self.inner))

    def mode(self) -> tuple[Code, Any]:
        modes = jax.vmap(lambda q: q.mode())(self.inner)
        # The joint mode: of the branches, the one whose own mode is the most probable.
        heights = jax.vmap(lambda q, z: q.log_prob(z))(self.inner, modes)
        best = jnp.argmax(self.branch.log_probs + heights)
        return best, jax.tree.map(lambda leaf: leaf[best], modes)

    def sample(self, key: Key) -> tuple[Code, Any]:
        first, second = jax.random.split(key)
        branch = self.branch.sample(first)
        return branch, _take(self.inner, branch).sample(second)

    def log_prob(self, z: tuple[Code, Any]) -> Scalar:
        branch, inner = z
        return self.branch.log_prob(branch) + _take(self.inner, branch).log_prob(inner)


class Branching(AbstractLabelledPrior):
    """z = (k, inner): a branch k, then a latent variable of that branch.

    Args:
        choice: the prior of the branch, or the number K of branches.
        branches: the prior of the inner latent variable; the same for every branch, or with a
            leading axis of K if ``stacked``.
        stacked: whether ``branches`` has a leading axis of K already.
    """

    choice: Discrete
    branches: AbstractConjugatePrior

    def __init__(
        self, choice: Discrete | int, branches: AbstractConjugatePrior, *, stacked: bool = False
    ) -> None:
        self.choice = choice if isinstance(choice, Discrete) else Discrete(choice)
        if not stacked:
            count = self.choice.states
            branches = jax.tree.map(lambda leaf: _repeat(leaf, count), branches)
        self.branches = branches

    @property
    def states(self) -> int:
        """K, the number of branches."""
        return self.choice.states

    @property
    def algorithm(self) -> str:
        return f"{self.choice.algorithm}, each by {self.branches.algorithm}"

    def sample(self, key: Key) -> tuple[Code, Any]:
        first, second = jax.random.split(key)
        branch = self.choice.sample(first)
        return branch, _take(self.branches, branch).sample(second)

    def log_prob(self, z: tuple[Code, Any]) -> Scalar:
        branch, inner = z
        return self.choice.log_prob(branch) + _take(self.branches, branch).log_prob(inner)

    def accepts(self, potential: AbstractPotential) -> bool:
        return (
            isinstance(potential, BranchPotential)
            and potential.log_values.shape == (self.states,)
            and self.branches.accepts(potential.inner)
        )

    def condition(self, potential: BranchPotential) -> BranchPosterior:
        inner = jax.vmap(lambda prior, p: prior.condition(p))(self.branches, potential.inner)
        evidence = inner.log_evidence + potential.log_values
        choice = self.choice.condition(DiscretePotential(evidence))
        return BranchPosterior(choice, inner)  # pyright: ignore[reportCallIssue]

    def label(self, potential: BranchPotential, code: Code) -> BranchPotential:
        known = label_values(code, self.states, potential.log_values.dtype)
        return BranchPotential(potential.inner, potential.log_values + known)

    def uninformed(self, moments: BranchMoments) -> jax.Array:
        return self.choice.uninformed(moments.branch)

    def statistics(self, moments: BranchMoments, weight: Weights) -> tuple[Any, Any]:
        shared = weight[:, None] * moments.branch
        inner = jax.vmap(lambda prior, m, w: prior.statistics(m, w), (0, 1, 1))(
            self.branches, moments.inner, shared
        )
        return self.choice.statistics(moments.branch, weight), inner

    def maximize(self, statistics: tuple[Any, Any]) -> Self:
        choice, inner = statistics
        branches = jax.vmap(lambda prior, s: prior.maximize(s))(self.branches, inner)
        return type(self)(self.choice.maximize(choice), branches, stacked=True)

    def imagine(self, other: Self, weight: Scalar) -> tuple[Any, Any]:
        inner = jax.vmap(lambda mine, theirs, w: mine.imagine(theirs, w))(
            self.branches, other.branches, weight * other.choice.weights
        )
        return self.choice.imagine(other.choice, weight), inner

    def expected_log_prob(self, other: Self) -> Scalar:
        inner = jax.vmap(lambda mine, theirs: mine.expected_log_prob(theirs))(
            self.branches, other.branches
        )
        return self.choice.expected_log_prob(other.choice) + other.choice.weights @ inner

    def begin(self, assignment: jax.Array, weight: Weights) -> Self:
        branches = jax.vmap(lambda prior, share: prior.begin(share[:, None], weight))(
            self.branches, assignment.T
        )
        return type(self)(self.choice.begin(assignment, weight), branches, stacked=True)

    def reorder(self, order: jax.Array) -> Self:
        branches = jax.tree.map(lambda leaf: leaf[order], self.branches)
        return type(self)(self.choice.reorder(order), branches, stacked=True)

    def shares(self) -> Probabilities:
        return self.choice.weights

    def degrees_of_freedom(self) -> int:
        return (
            self.choice.degrees_of_freedom()
            + self.states * _take(self.branches, 0).degrees_of_freedom()
        )

    def describe(self) -> str:
        inner = _take(self.branches, 0).describe()
        return f"Branching: one of {self.states} branches, each with {inner}"


def _take(stacked: Any, index: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[index], stacked)


def _repeat(leaf: Any, count: int) -> Any:
    if isinstance(leaf, jax.Array):
        return jnp.broadcast_to(leaf, (count, *leaf.shape))
    return leaf[None].repeat(count, axis=0)
