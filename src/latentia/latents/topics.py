"""The proportions in which a document mixes K topics."""

from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln

from latentia.constraints import positive
from latentia.potentials import AbstractPotential, WordPotential
from latentia.typing import Key, Probabilities, Scalar, Weights
from latentia.verdict import Exactness

from .coordinate_ascent import ascend, bound, relative
from .dirichlet import expected_log, log_density, maximum
from .interface import AbstractConjugatePrior, AbstractPosterior

_ALGORITHM = "coordinate ascent"


class TopicsPosterior(AbstractPosterior):
    """A Dirichlet distribution that stands for p(z|x): the one that coordinate ascent leads to.

    ``concentration [K]`` are its parameters, and ``log_evidence`` is a lower bound of log p(x).
    """

    concentration: Probabilities
    log_evidence: jax.Array

    @property
    def exactness(self) -> Exactness:
        return Exactness.LOWER_BOUND

    @property
    def method(self) -> str:
        return _ALGORITHM

    @property
    def moments(self) -> Probabilities:
        """``[K]``: the expected logarithms of the proportions."""
        return expected_log(self.concentration)

    @property
    def probabilities(self) -> Probabilities:
        """``[K]``: the expected proportions."""
        return self.concentration / self.concentration.sum(axis=-1, keepdims=True)

    def mode(self) -> Probabilities:
        """The most probable proportions.

        Topics whose parameter is 1 or less get none; if all are, the largest gets everything.
        """
        above = (self.concentration - 1).clip(0)
        largest = self.concentration == self.concentration.max(axis=-1, keepdims=True)
        above = above + largest * (above.sum(axis=-1, keepdims=True) == 0)
        return above / above.sum(axis=-1, keepdims=True)

    def sample(self, key: Key) -> Probabilities:
        return jax.random.dirichlet(key, self.concentration)

    def log_prob(self, z: Probabilities) -> Scalar:
        return log_density(self.concentration, z)


class TopicTotals(NamedTuple):
    """The sum of E[log z] and the sum of the weights."""

    log_proportions: Probabilities
    weight: Scalar


class Topics(AbstractConjugatePrior):
    """The proportions z ``[K]`` in which a document mixes K topics: Dirichlet distributed.

    The prior of latent Dirichlet allocation (Blei, Ng and Jordan 2003), with the topic of every
    word summed out. Its posterior has no closed form. ``condition`` climbs the evidence lower bound
    over Dirichlet distributions, so log evidences are lower bounds, and say so.

    Args:
        topics: K, the number of topics; not needed if ``concentration`` has one number for each.
        concentration: the parameters of the Dirichlet distribution, one number or ``[K]``; to be
            learned if not given. Below 1 most documents are about few topics.
        tol: coordinate ascent stops when its parameters change by less than this on average,
            relative to their mean.
        max_iter: the most rounds of coordinate ascent.
    """

    concentration: Probabilities = eqx.field(metadata=positive)
    tol: float = eqx.field(static=True)
    max_iter: int = eqx.field(static=True)

    def __init__(
        self,
        topics: int | None = None,
        concentration: Any = None,
        *,
        tol: float = 1e-6,
        max_iter: int = 1000,
    ) -> None:
        if topics is None and np.ndim(concentration) == 1:
            topics = np.shape(concentration)[0]
        if isinstance(topics, bool) or not isinstance(topics, int | np.integer) or topics < 1:
            raise ValueError(
                f"topics should be a whole number of at least 1, but is {topics!r}: write "
                "Topics(10), for instance."
            )
        if not isinstance(concentration, jax.Array):
            concentration = _read(concentration, int(topics))
        self.concentration = concentration
        self.tol = float(tol)
        self.max_iter = int(max_iter)

    @property
    def states(self) -> int:
        """K, the number of topics."""
        return self.concentration.shape[-1]

    @property
    def algorithm(self) -> str:
        return _ALGORITHM

    def _with(self, concentration: jax.Array) -> Self:
        return type(self)(None, concentration, tol=self.tol, max_iter=self.max_iter)

    def sample(self, key: Key) -> Probabilities:
        return jax.random.dirichlet(key, jnp.asarray(self.concentration))

    def log_prob(self, z: Probabilities) -> Scalar:
        return log_density(self.concentration, z)

    def accepts(self, potential: AbstractPotential) -> bool:
        return (
            isinstance(potential, WordPotential)
            and potential.log_likelihoods.shape[-2] == self.concentration.shape[-1]
        )

    def condition(self, potential: WordPotential) -> TopicsPosterior:
        top, likelihoods = relative(potential.log_likelihoods)
        prior = jnp.asarray(self.concentration)
        words = jnp.sum(potential.counts)
        # To begin with, every topic has as many of the words.
        start = prior + words / self.states
        tol = self.tol * jnp.mean(start)
        found, _ = ascend(prior, likelihoods, potential.counts, start, tol, self.max_iter)
        return TopicsPosterior(found, bound(prior, found, likelihoods, potential.counts, top))

    def uninformed(self, moments: Probabilities) -> Scalar:
        return jnp.zeros(moments.shape[:-1], moments.dtype)

    def statistics(self, moments: jax.Array, weight: Weights) -> TopicTotals:
        return TopicTotals(weight @ moments, jnp.sum(weight))

    def maximize(self, statistics: TopicTotals) -> Self:
        some = statistics.weight > 0
        mean = statistics.log_proportions / jnp.where(some, statistics.weight, 1.0)
        found = maximum(mean, jnp.asarray(self.concentration))
        return self._with(jnp.where(some, found, self.concentration))

    def imagine(self, other: Self, weight: Scalar) -> TopicTotals:
        return TopicTotals(weight * expected_log(other.concentration), weight)

    def expected_log_prob(self, other: Self) -> Scalar:
        mine, total = self.concentration, jnp.sum(self.concentration)
        mean = expected_log(other.concentration)
        return gammaln(total) - jnp.sum(gammaln(mine)) + jnp.sum((mine - 1) * mean)

    def begin(self, assignment: jax.Array, weight: Weights) -> Self:
        shares = weight @ assignment
        shares = shares / jnp.sum(shares)
        # About one topic for each document, and none impossible.
        return self._with((shares + 1 / self.states) / 2)

    def reorder(self, order: jax.Array) -> Self:
        return self._with(jnp.asarray(self.concentration)[order])

    def shares(self) -> Probabilities:
        return self.concentration / jnp.sum(self.concentration)

    def degrees_of_freedom(self) -> int:
        return self.states

    def describe(self) -> str:
        return f"Topics: proportions of {self.states} topic{'s' if self.states > 1 else ''}"


def _read(concentration: Any, topics: int) -> np.ndarray:
    if concentration is None:
        return np.full(topics, np.nan)
    values = np.asarray(concentration)
    values = values.astype(np.result_type(values, np.float32), copy=False)
    if values.ndim > 1 or (values.ndim == 1 and len(values) != topics):
        raise ValueError(
            f"concentration should be one number or {topics}, one for each topic, but has the "
            f"shape {values.shape}."
        )
    values = np.array(np.broadcast_to(values, (topics,)))
    if not np.isnan(values).all() and not ((values > 0) & np.isfinite(values)).all():
        raise ValueError(
            f"concentration should be above 0 and finite, but is {concentration}: 1 makes all "
            "proportions equally likely, and less makes documents about fewer topics."
        )
    return values
