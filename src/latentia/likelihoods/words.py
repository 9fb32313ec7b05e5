"""Counts of words, each drawn from a mixture of topics."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from latentia.constraints import simplex
from latentia.distributions import Limits
from latentia.numerics import product_log, safe_log
from latentia.potentials import WordPotential
from latentia.typing import Datum, Form, Key, Probabilities, Rows, Scalar, Weights

from .interface import AbstractLearnableLikelihood

# States of equal weight are told apart by the first few columns.
_KEYS = 16


class WordCounts(AbstractLearnableLikelihood):
    """How often each of V words came in a document that mixes K topics in the proportions z.

    Every word is drawn from ``z @ topics``. As in all of the literature on topics, p(x|z) is the
    probability of the words in the order in which they came, ``prod (z @ topics) ** x``, given how
    many there are: no factor counts the possible orders. A count may be a fraction, which weights
    the word. NaN means that this word was not recorded: what was recorded is explained.

    Args:
        topics: ``[K, V]``, the probabilities of the words in each topic.
        dim: V, and ``states``: K, in place of ``topics`` that are to be learned.
        length: how many words a document has that is drawn.
    """

    topics: Float[Array, "K V"] = eqx.field(metadata=simplex)
    length: int = eqx.field(static=True)

    def __init__(
        self,
        topics: Any = None,
        *,
        dim: int | None = None,
        states: int | None = None,
        length: int = 100,
    ) -> None:
        if topics is None:
            if dim is None or states is None or dim < 1 or states < 1:
                raise ValueError(
                    "topics should be probabilities [K, V], but is None: give them, or the number "
                    "of words as dim and the number of topics as states to have them learned."
                )
            topics = np.full((states, dim), np.nan)
        if not isinstance(topics, jax.Array):
            topics = _read(topics)
        self.topics = topics
        self.length = int(length)

    def _with(self, topics: Any) -> Self:
        return type(self)(topics, length=self.length)

    @property
    def dim(self) -> int:
        return self.topics.shape[-1]

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.dim,)

    @property
    def states(self) -> int:
        return self.topics.shape[-2]

    @property
    def quadratic(self) -> bool:
        return False

    def sample(self, key: Key, z: Probabilities) -> Datum:
        logits = safe_log(z @ self.topics)
        words = jax.random.categorical(key, logits, shape=(self.length,))
        return jnp.zeros_like(logits).at[words].add(1.0)

    def log_prob(self, x: Datum, z: Probabilities) -> Scalar:
        counts = jnp.where(jnp.isnan(x), 0.0, x)
        value = jnp.sum(product_log(counts, z @ self.topics))
        return jnp.where(jnp.all(counts >= 0), value, -jnp.inf)

    def potential(self, x: Datum) -> WordPotential:
        return WordPotential(safe_log(jnp.asarray(self.topics)), jnp.where(jnp.isnan(x), 0.0, x))

    def prepare(self, form: Form) -> Self:
        return self

    def finish(self, totals: Float[Array, "K V"]) -> Float[Array, "K V"]:
        """The totals: nothing is left to do."""
        return totals

    def safe_products(self, radius: Scalar, missing: bool) -> jax.Array:
        return jnp.array(False)

    def statistics(self, x: Rows, moments: Any, weight: Weights) -> Float[Array, "K V"]:
        """How often each topic is expected to have given each word."""
        counts = jnp.where(jnp.isnan(x), 0.0, x) * weight[:, None]
        factors = jnp.exp(moments - jnp.max(moments, axis=1, keepdims=True))
        mixed = factors @ self.topics
        shares = jnp.where(mixed > 0, counts / jnp.where(mixed > 0, mixed, 1.0), 0.0)
        return self.topics * (factors.T @ shares)

    def maximize(self, statistics: Float[Array, "K V"], limits: Limits) -> Self:
        mass = jnp.sum(statistics, axis=-1, keepdims=True)
        # A topic without words keeps those it had.
        found = statistics / jnp.where(mass > 0, mass, 1.0)
        return self._with(jnp.where(mass > 0, found, self.topics))

    def restrict(self, limits: Limits) -> Self:
        return self

    def imagine(self, other: Self, weight: Scalar, shares: jax.Array) -> Float[Array, "K V"]:
        """The statistics of ``weight`` words."""
        return weight * shares[:, None] * other.topics

    def expected_log_prob(self, other: Self, shares: jax.Array) -> Scalar:
        return jnp.sum(shares[:, None] * product_log(other.topics, self.topics))

    def begin(
        self,
        x: Rows,
        assignment: jax.Array,
        weight: Weights,
        limits: Limits,
        key: Key,
        form: Form = Form.MISSING,
    ) -> Self:
        counts = jnp.where(jnp.isnan(x), 0.0, x) * weight[:, None]
        pooled = jnp.sum(counts, axis=0)
        own = assignment.T @ counts
        # What a topic never gives it cannot learn to give, so each begins with all the words.
        mixed = own + 0.3 * jnp.mean(jnp.sum(own, axis=1)) * pooled / jnp.sum(pooled)
        return self._with(mixed / jnp.sum(mixed, axis=1, keepdims=True))

    def possible(self, x: Rows, weight: Weights) -> jax.Array:
        return jnp.all(jnp.isnan(x) | ((x >= 0) & jnp.isfinite(x)), axis=1)

    def embed(self, x: Rows) -> jax.Array:
        counts = jnp.where(jnp.isnan(x), 0.0, x)
        total = jnp.sum(counts, axis=1, keepdims=True)
        # Euclidean distances of these are Hellinger distances of the shares.
        return jnp.sqrt(jnp.maximum(counts, 0.0) / jnp.where(total > 0, total, 1.0))

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        return jnp.zeros_like(centre), jnp.ones_like(spread)

    def affine(self, centre: Datum, scale: Datum) -> Self:
        return self

    def degenerate(self, limits: Limits) -> jax.Array:
        return jnp.zeros(self.states, bool)

    def order_keys(self) -> jax.Array:
        return jnp.asarray(self.topics)[:, :_KEYS]

    def reorder(self, order: jax.Array) -> Self:
        return self._with(jnp.asarray(self.topics)[order])

    def canonical(self) -> Self:
        return self

    def degrees_of_freedom(self, states: int) -> int:
        return states * self.states * (self.dim - 1)

    def describe(self) -> str:
        return f"WordCounts: {self.dim} words in {self.states} topics"


def _read(topics: Any) -> np.ndarray:
    values = np.asarray(topics)
    values = values.astype(np.result_type(values, np.float32), copy=False)
    if values.ndim < 2:
        raise ValueError(
            f"topics should be probabilities [K, V], but has the shape {values.shape}: give one "
            "row for each topic and one column for each word."
        )
    if np.isnan(values).all():
        return values
    if not (values >= 0).all() or not np.allclose(values.sum(-1), 1, atol=1e-5):
        raise ValueError(
            "topics should have rows of probabilities that sum to 1, but has sums from "
            f"{values.sum(-1).min():.4g} to {values.sum(-1).max():.4g}: divide each by its sum."
        )
    return values
