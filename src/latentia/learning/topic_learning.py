"""Learning topics: variational Bayes over all documents, or over batches of them."""

from typing import NamedTuple

import jax
import numpy as np
from scipy.special import gammaln, psi

from latentia.data.documents import Documents
from latentia.latents.dirichlet import maximum

from .topic_inference import Explainer, Settled

# While topics are learned a document gets no more steps of coordinate ascent than this in a pass.
# Early topics mean little; to follow them to the end costs time, and leads to worse optima.
PATIENCE = 24


class TopicMass(NamedTuple):
    """Independent Dirichlet distributions over the topics: ``mass [K, V]``, and their ``prior``."""

    mass: np.ndarray
    prior: float

    def expected_log(self) -> np.ndarray:
        """``[K, V]``: the expected log probability of every word in every topic."""
        return psi(self.mass) - psi(self.mass.sum(axis=1, keepdims=True))

    def mean(self) -> np.ndarray:
        """``[K, V]``: the expected probabilities."""
        return self.mass / self.mass.sum(axis=1, keepdims=True)

    def divergence(self) -> float:
        """The Kullback-Leibler divergence of the prior from these distributions, summed."""
        topics, words = self.mass.shape
        prior = topics * (gammaln(words * self.prior) - words * gammaln(self.prior))
        own = np.sum(gammaln(self.mass.sum(axis=1))) - np.sum(gammaln(self.mass))
        return float(own - prior + np.sum((self.mass - self.prior) * self.expected_log()))

    def after(self, expected: np.ndarray) -> "TopicMass":
        """The best distributions, given how often each topic is expected to give each word."""
        return self._replace(mass=self.prior + expected)


class Rules(NamedTuple):
    """How documents are explained: when coordinate ascent stops, and whether alpha is learned."""

    tol: float
    max_iter: int
    learn_concentration: bool = False

    @property
    def in_a_pass(self) -> int:
        """The most steps for a document in a pass that learns."""
        return min(self.max_iter, PATIENCE)


class Progress(NamedTuple):
    """Topics, the prior of proportions, the last posteriors of the documents, and the bound."""

    topics: TopicMass
    concentration: np.ndarray
    gamma: np.ndarray | None = None
    warm: bool = False
    objective: float = -np.inf


class BatchLearner:
    """Variational Bayes over a corpus (Blei, Ng and Jordan 2003): the objective never falls.

    The objective is the evidence lower bound of the whole corpus: the bounds of the documents less
    the divergence of the topics' posterior from their prior.

    Args:
        documents: the corpus.
        weight: ``[N]``, how often each document counts, in sorted order.
        rules: how they are explained.
    """

    def __init__(self, documents: Documents, weight: np.ndarray, rules: Rules) -> None:
        self.documents = documents
        self.weight = weight
        self.rules = rules

    def explain(self, state: Progress, max_iter: int) -> tuple[Progress, np.ndarray]:
        """The state with new posteriors of the documents, and the expected counts ``[K, V]``."""
        explainer = Explainer(self.documents, state.topics.expected_log(), state.concentration)
        start = state.gamma if state.warm else None
        settled = explainer.settle(explainer.ascend(self.rules.tol, max_iter, start))
        loss = state.topics.divergence()
        warm, value = state.warm, self._total(settled) - loss
        if value < state.objective and state.gamma is not None:
            # From even proportions it went elsewhere, so from now on it goes on where it was.
            settled = explainer.better(settled, explainer.settle(state.gamma, improve=True))
            warm, value = True, self._total(settled) - loss
        expected = explainer.expected(settled, self.weight)
        return state._replace(gamma=settled.gamma, warm=warm, objective=value), expected

    def update(self, state: Progress, expected: np.ndarray) -> Progress:
        """The M-step: the best topics, and the best concentration if it is learned."""
        concentration = state.concentration
        if self.rules.learn_concentration and state.gamma is not None:
            concentration = best_concentration(state.gamma, self.weight, concentration)
        return state._replace(topics=state.topics.after(expected), concentration=concentration)

    def _total(self, settled: Settled) -> float:
        counted = self.weight > 0
        return float(self.weight[counted] @ settled.bounds[counted].astype(np.float64))


class OnlineLearner(NamedTuple):
    """Stochastic natural gradients, batch by batch (Hoffman, Blei and Bach 2010).

    Attributes:
        rules: how documents are explained.
        decay: the step of batch t has the size ``(offset + t) ** -decay``.
        offset: makes early steps smaller.
    """

    rules: Rules
    decay: float
    offset: float

    def update(
        self, state: Progress, documents: Documents, weight: np.ndarray, total: float, count: int
    ) -> Progress:
        """The state after one more batch, the batch ``count`` from 1, of a corpus of ``total``."""
        explainer = Explainer(documents, state.topics.expected_log(), state.concentration)
        settled = explainer.settle(explainer.ascend(self.rules.tol, self.rules.max_iter))
        mass = weight.sum()
        if mass == 0:
            return state
        step = (self.offset + count) ** -self.decay
        target = state.topics.after(explainer.expected(settled, weight) * (total / mass))
        mixed = (1 - step) * state.topics.mass + step * target.mass
        concentration = state.concentration
        if self.rules.learn_concentration:
            best = best_concentration(settled.gamma, weight, concentration)
            # Between the logarithms, so that it stays above zero.
            concentration = concentration ** (1 - step) * best**step
        return state._replace(topics=state.topics._replace(mass=mixed), concentration=concentration)


def best_concentration(gamma: np.ndarray, weight: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The prior of proportions ``[K]`` that explains the posteriors ``gamma [N, K]`` best."""
    total = weight.sum()
    if total == 0:
        return start
    logs = psi(gamma.astype(np.float64)) - psi(gamma.sum(axis=1, keepdims=True, dtype=np.float64))
    with jax.enable_x64(True):
        return np.asarray(_maximum(weight @ logs / total, start.astype(np.float64)))


_maximum = jax.jit(maximum)
