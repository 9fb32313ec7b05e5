"""The E-step of topic models: the variational posterior of many sparse documents."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from latentia.data.documents import Documents, Stack, some
from latentia.latents.coordinate_ascent import (
    ascend,
    ascend_once,
    relative,
    responsibilities,
    word_bound,
)
from latentia.latents.dirichlet import divergence

# Steps after which the documents that have not converged are packed together again, since those of
# one batch wait for the slowest.
_ROUNDS = (12, 24, 48)


class Settled(NamedTuple):
    """The posteriors of N sorted documents, which need not be optimal, and what they say.

    Attributes:
        gamma: ``[N, K]``, the parameters of the Dirichlet distributions over proportions.
        bounds: ``[N]``, the evidence lower bounds.
        factors: ``[N, K]``, and ``shares``, one for each stored count: their products with the
            likelihoods are the expected counts.
    """

    gamma: np.ndarray
    bounds: np.ndarray
    factors: np.ndarray
    shares: np.ndarray


class Explainer:
    """Documents and the topics that are to explain them, ready to be asked.

    Args:
        documents: N documents.
        log_topics: ``[K, V]``, log probabilities of words, or their expectations.
        concentration: ``[K]``, of the prior.
    """

    def __init__(
        self, documents: Documents, log_topics: np.ndarray, concentration: np.ndarray
    ) -> None:
        self.documents = documents
        dtype = documents.counts.dtype
        self.top, self.table = _relative(np.asarray(log_topics, dtype))
        self.prior = np.asarray(concentration, dtype)

    def ascend(self, tol: float, max_iter: int, start: np.ndarray | None = None) -> np.ndarray:
        """Coordinate ascent from even proportions, or from ``start``: the parameters ``[N, K]``.

        Args:
            tol: the average change of a document's parameters at which to stop.
            max_iter: the most steps for a document.
            start: ``[N, K]``.
        """
        # One row more, for what fills up the batches.
        gamma = np.ones((self.documents.counts.shape[0] + 1, len(self.prior)), self.prior.dtype)
        gamma[:-1] = self._even() if start is None else start
        stacks, done = self.documents.stacks, 0
        for limit in (*_ROUNDS, max_iter):
            steps = min(limit, max_iter - done)
            stacks = self._advance(stacks, gamma, tol, steps)
            done += steps
            if done >= max_iter or not stacks:
                break
        return gamma[:-1]

    def _even(self) -> np.ndarray:
        words = np.asarray(self.documents.counts.sum(axis=1))
        return self.prior + (words / len(self.prior))[:, None]

    def _advance(
        self, stacks: tuple[Stack, ...], gamma: np.ndarray, tol: float, steps: int
    ) -> tuple[Stack, ...]:
        """Make some steps, and return what has not converged."""
        outs = [
            _ascend(
                self.table,
                stack,
                self.prior,
                gamma[stack.rows],
                np.asarray(tol, gamma.dtype),
                np.int32(steps),
            )
            for stack in stacks
        ]
        left = []
        for stack, (found, change) in zip(stacks, jax.device_get(outs), strict=True):
            known = stack.rows >= 0
            gamma[stack.rows[known]] = found[known]
            going = known & (change > tol)
            if going.any():
                left.append(some(stack, going))
        return tuple(left)

    def settle(self, gamma: np.ndarray, *, improve: bool = False) -> Settled:
        """The bounds and the expected counts under given posteriors.

        Args:
            gamma: ``[N, K]``, in sorted order.
            improve: whether to make one step from them first, which lowers no bound.
        """
        more = np.concatenate([gamma, np.ones_like(gamma[:1])])
        stacks = self.documents.stacks
        outs = [
            _settle(self.table, self.top, stack, self.prior, more[stack.rows], np.bool_(improve))
            for stack in stacks
        ]
        parts = [[], [], [], []]
        for stack, out in zip(stacks, jax.device_get(outs), strict=True):
            known = stack.rows >= 0
            for part, values in zip(parts, out[:3], strict=False):
                part.append(values[known])
            parts[3].append(out[3][stack.counts > 0])
        gamma, words, factors, shares = (np.concatenate(part) for part in parts)
        return Settled(gamma, words - np.asarray(_divergence(gamma, self.prior)), factors, shares)

    def better(self, one: Settled, two: Settled) -> Settled:
        """Of each document the posterior with the higher bound."""
        second = two.bounds > one.bounds
        words = np.repeat(second, np.diff(self.documents.counts.indptr))
        return Settled(
            np.where(second[:, None], two.gamma, one.gamma),
            np.where(second, two.bounds, one.bounds),
            np.where(second[:, None], two.factors, one.factors),
            np.where(words, two.shares, one.shares),
        )

    def expected(self, settled: Settled, weight: np.ndarray | None = None) -> np.ndarray:
        """``[K, V]``: how often each topic is expected to have given each word."""
        found = self.documents.counts
        shares = sp.csr_array((settled.shares, found.indices, found.indptr), shape=found.shape)
        factors = settled.factors if weight is None else settled.factors * weight[:, None]
        return (shares.T @ factors).T * np.asarray(self.table)


_relative = jax.jit(relative)
_divergence = jax.jit(divergence)


@jax.jit
def _ascend(table: Any, stack: Stack, prior: Any, start: Any, tol: Any, max_iter: Any) -> Any:
    def one(words: Any, counts: Any, start: Any) -> Any:
        return ascend(prior, table[:, words], counts, start, tol, max_iter)

    return _each_batch(jax.vmap(one), stack, start)


@jax.jit
def _settle(table: Any, top: Any, stack: Stack, prior: Any, gamma: Any, improve: Any) -> Any:
    def one(words: Any, counts: Any, gamma: Any) -> Any:
        likelihoods = table[:, words]
        after = ascend_once(prior, likelihoods, counts, gamma)
        gamma = jnp.where(improve, after, gamma)
        value = word_bound(gamma, likelihoods, counts, top[words])
        return gamma, value, *responsibilities(gamma, likelihoods, counts)

    return _each_batch(jax.vmap(one), stack, gamma)


def _each_batch(answer: Any, stack: Stack, start: Any) -> Any:
    """The answers for the batches that are used, one after another."""

    def put(index: Any, outs: Any) -> Any:
        found = answer(stack.words[index], stack.counts[index], start[index])
        return jax.tree.map(lambda out, new: out.at[index].set(new), outs, found)

    shapes = jax.eval_shape(answer, stack.words[0], stack.counts[0], start[0])
    count = stack.words.shape[0]
    blank = jax.tree.map(lambda s: jnp.zeros((count, *s.shape), s.dtype), shapes)
    return jax.lax.fori_loop(0, stack.used, put, blank)
