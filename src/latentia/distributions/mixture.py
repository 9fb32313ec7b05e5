"""A mixture density: a family made of others, such as the emission of a hidden Markov model."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.constraints import simplex
from latentia.numerics import log_sum_exp, product_log, safe_log
from latentia.typing import Datum, Form, Key, Probabilities, Rows, Scalar, Weights

from .discrete_terms import ratio
from .interface import AbstractFamily, Limits, Prepared
from .stacks import stack, take

# How far the parts of a first guess lean to either side, in standard deviations.
_LEAN = 2.0


class MixtureTotals(NamedTuple):
    """The weight of each part, ``[K]``, and the statistics of each, stacked."""

    mass: jax.Array
    parts: Any


class Mixture(AbstractFamily):
    """p(x) = sum over k of weights[k] parts[k](x).

    The latent variable of a ``LatentVariableModel`` is inferred and labelled; the part that a datum
    of this family comes from is its own affair. So ``Switch(Mixture(3, Gaussian(dim=2)), 4)`` has
    four states whose densities are mixtures. One ``maximize`` is one step of EM, and imaginary data
    (``imagine``) come with the part that they are from.

    Args:
        weights: ``[K]``, the probability of each part, or the number K if they are to be learned.
        parts: a sequence of K families of one kind; or one whose parameters have a leading axis of
            K; or, with a number of ``weights``, a single one to be repeated.
    """

    weights: Probabilities = eqx.field(metadata=simplex)
    parts: AbstractFamily

    def __init__(self, weights: Any, parts: Any) -> None:
        several = isinstance(parts, Sequence)
        if isinstance(weights, int | np.integer) and not isinstance(weights, bool):
            if weights < 1:
                raise ValueError(f"weights should be at least 1 part, but is {weights}.")
            if not several:
                parts, several = [parts] * int(weights), True
            weights = np.full(int(weights), np.nan)
        parts = stack(parts, "Mixture") if several else parts
        if not isinstance(parts, AbstractFamily):
            raise TypeError(
                f"parts of Mixture should be distributions, but is {parts!r}: write "
                "Mixture(3, Gaussian(dim=2)), for instance."
            )
        self.weights = weights if isinstance(weights, jax.Array) else _proper(weights)
        self.parts = parts
        shape = jnp.shape(self.weights)
        if any(leaf.shape[: len(shape)] != shape for leaf in jax.tree.leaves(parts)):
            raise ValueError(
                f"parts of Mixture should be {shape[-1]}, one for each of the weights: give as "
                "many, or a number of weights and a single part to be repeated."
            )

    @property
    def dim(self) -> int:
        return self.parts.dim

    @property
    def count(self) -> int:
        """K, the number of parts."""
        return self.weights.shape[-1]

    def sample(self, key: Key) -> Datum:
        first, second = jax.random.split(key)
        return take(self.parts, jax.random.categorical(first, safe_log(self.weights))).sample(
            second
        )

    def log_prob(self, x: Datum) -> Scalar:
        return _log_prob(self.weights, self.parts, x)

    def prepare(self, form: Form) -> Prepared:
        return PreparedMixture(self.weights, jax.vmap(lambda part: part.prepare(form))(self.parts))

    def statistics(self, x: Rows, weight: Weights) -> MixtureTotals:
        return _statistics(self.weights, self.parts, x, weight)

    def maximize(self, statistics: MixtureTotals, limits: Limits) -> Self:
        if self.weights.ndim > 1:
            each = jax.vmap(lambda mixture, totals: mixture.maximize(totals, limits))
            return each(self, statistics)
        mass, totals = statistics
        # A part without data keeps what it last had.
        parts = jax.tree.map(
            lambda new, old: jnp.where((mass > 0).reshape(-1, *[1] * (new.ndim - 1)), new, old),
            self.parts.maximize(totals, limits),
            self.parts,
        )
        return type(self)(ratio(mass, jnp.sum(mass), self.weights), parts)

    def restrict(self, limits: Limits) -> Self:
        if self.weights.ndim > 1:
            return jax.vmap(lambda mixture: mixture.restrict(limits))(self)
        return type(self)(self.weights, self.parts.restrict(limits))

    def imagine(self, other: Self, weight: Scalar) -> MixtureTotals:
        count = weight * other.weights
        parts = jax.vmap(lambda mine, theirs, w: mine.imagine(theirs, w))(
            self.parts, other.parts, count
        )
        return MixtureTotals(count, parts)

    def expected_log_prob(self, other: Self) -> Scalar:
        each = jax.vmap(lambda mine, theirs: mine.expected_log_prob(theirs))(
            self.parts, other.parts
        )
        return jnp.sum(product_log(other.weights, self.weights)) + other.weights @ each

    def guess(self, x: Rows, weight: Weights) -> Self:
        """Parts that lean to either side along the main axis of the data and overlap widely."""
        place = _main_axis(self.embed(x), weight)
        tilt = jnp.linspace(-_LEAN, _LEAN, self.count, dtype=x.dtype) if self.count > 1 else 0.0
        shares = jax.nn.softmax(place[:, None] * tilt, axis=1) * weight[:, None]
        parts = jax.vmap(lambda part, w: part.guess(x, w), (0, 1))(self.parts, shares)
        return type(self)(jnp.full(self.count, 1 / self.count, x.dtype), parts)

    def embed(self, x: Rows) -> jax.Array:
        return take(self.parts, 0).embed(x)

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        return take(self.parts, 0).units(centre, spread)

    def affine(self, centre: Datum, scale: Datum) -> Self:
        moved = jax.vmap(lambda part: part.affine(centre, scale))(self.parts)
        return type(self)(self.weights, moved)

    def degenerate(self, limits: Limits) -> jax.Array:
        return jnp.any(self.parts.degenerate(limits) & (self.weights > 0), axis=-1)

    def degrees_of_freedom(self, states: int) -> int:
        return states * (self.count - 1 + take(self.parts, 0).degrees_of_freedom(self.count))


class PreparedMixture(eqx.Module):
    """A mixture of prepared parts: what ``prepare`` returns."""

    weights: jax.Array
    parts: Any

    def log_prob(self, x: Datum) -> Scalar:
        return _log_prob(self.weights, self.parts, x)

    def statistics(self, x: Rows, weight: Weights) -> MixtureTotals:
        return _statistics(self.weights, self.parts, x, weight)


def _joint(weights: jax.Array, parts: Any, x: Datum) -> jax.Array:
    return safe_log(weights) + jax.vmap(lambda part: part.log_prob(x))(parts)


def _log_prob(weights: jax.Array, parts: Any, x: Datum) -> Scalar:
    # Weights sum to one but for rounding; without evidence the result is exactly 0.
    return log_sum_exp(_joint(weights, parts, x)) - log_sum_exp(safe_log(weights))


def _statistics(weights: jax.Array, parts: Any, x: Rows, weight: Weights) -> MixtureTotals:
    joint = jax.vmap(lambda row: _joint(weights, parts, row))(x)
    total = log_sum_exp(joint)[:, None]
    # Where no part explains the datum there is nothing to learn from it.
    explained = jnp.isfinite(total)
    shares = jnp.where(explained, jnp.exp(joint - jnp.where(explained, total, 0.0)), weights)
    shares = shares * weight[:, None]
    totals = jax.vmap(lambda part, w: part.statistics(x, w), (0, 1))(parts, shares)
    return MixtureTotals(jnp.sum(shares, axis=0), totals)


def _main_axis(points: jax.Array, weight: Weights) -> jax.Array:
    """``[N]``: where each point lies along the axis of most variance, in standard deviations."""
    seen = ~jnp.isnan(points)
    heavy = weight[:, None] * seen
    count = jnp.sum(heavy, axis=0)
    points = jnp.where(seen, points, 0.0)
    gap = jnp.where(seen, points - ratio(jnp.sum(heavy * points, axis=0), count, 0.0 * count), 0.0)
    spread = jnp.sqrt(ratio(jnp.sum(heavy * gap**2, axis=0), count, jnp.ones_like(count)))
    scores = gap / jnp.where(spread > 0, spread, 1.0)
    axis = jnp.linspace(1.0, 0.5, scores.shape[1], dtype=scores.dtype)

    def turn(_: Any, axis: jax.Array) -> jax.Array:
        turned = scores.T @ (weight * (scores @ axis))
        return turned / jnp.maximum(jnp.linalg.norm(turned), 1e-30)

    place = scores @ jax.lax.fori_loop(0, 20, turn, axis)
    width = jnp.sqrt(ratio(weight @ place**2, jnp.sum(weight), jnp.ones((), place.dtype)))
    return place / jnp.where(width > 0, width, 1.0)


def _proper(weights: Any) -> Any:
    array = np.asarray(weights, dtype=np.result_type(np.asarray(weights), np.float32))
    known = not np.isnan(array).all()
    if known and not ((array >= 0).all() and np.allclose(array.sum(-1), 1, atol=1e-5)):
        raise ValueError(
            f"weights should be probabilities that sum to 1, but is {array}: divide them by their "
            "sum, or give the number of parts to have them learned."
        )
    return array
