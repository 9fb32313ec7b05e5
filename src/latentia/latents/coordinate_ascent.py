"""Coordinate ascent on the evidence lower bound of one document's topics."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from latentia.numerics import digamma
from latentia.typing import Probabilities, Scalar

from .dirichlet import divergence, expected_log

# The first extrapolation goes at most so far, and the limit moves by the same factor.
_GROWTH = 4.0


def relative(log_likelihoods: Float[Array, "K R"]) -> tuple[jax.Array, jax.Array]:
    """The largest log-likelihood of each word ``[R]``, and likelihoods relative to it ``[K, R]``.

    So that a word that is unlikely in every topic is explained all the same.
    """
    top = jnp.max(log_likelihoods, axis=-2)
    finite = jnp.where(top > -jnp.inf, top, 0.0)
    return top, jnp.exp(log_likelihoods - finite[..., None, :])


def ascend(
    prior: Probabilities,
    likelihoods: Float[Array, "K R"],
    counts: Float[Array, "R"],
    start: Probabilities,
    tol: Any,
    max_iter: Any,
) -> tuple[Probabilities, Scalar]:
    """The parameters of q(z) where coordinate ascent on the evidence lower bound stops.

    Blei, Ng and Jordan 2003, equations 6 and 7, with the distribution over the topic of each word
    put in at its optimum. Two such steps and an extrapolation from them in the logarithms (the
    scheme S3 of Varadhan and Roland 2008) take turns, until a step changes the parameters by no
    more than ``tol`` on average, or ``max_iter`` steps are made.

    Returns:
        The parameters ``[K]``, and how much the last step changed them.
    """

    def going(state: _Ascent) -> jax.Array:
        return (state.change > tol) & (state.steps < max_iter)

    def again(state: _Ascent) -> _Ascent:
        once = ascend_once(prior, likelihoods, counts, state.gamma)
        twice = ascend_once(prior, likelihoods, counts, once)
        change = jnp.mean(jnp.abs(twice - once))
        first = jnp.log(once) - jnp.log(state.gamma)
        bend = jnp.log(twice) - jnp.log(once) - first
        # At least 1, which is the second step itself.
        length = _norm(first) / jnp.maximum(_norm(bend), jnp.finfo(first.dtype).tiny)
        length = jnp.clip(length, 1.0, state.longest)
        ahead = state.gamma * jnp.exp(length * (2 * first + length * bend))
        # After an extrapolation that led astray come shorter ones.
        worse = change > state.change
        plain = worse | (change <= tol) | ~jnp.all(jnp.isfinite(ahead))
        longest = jnp.where(length >= state.longest, _GROWTH * state.longest, state.longest)
        return _Ascent(
            jnp.where(plain, twice, jnp.maximum(ahead, prior)),
            change,
            state.steps + 2,
            jnp.where(worse, jnp.maximum(state.longest / _GROWTH, 1.0), longest),
        )

    infinite = jnp.array(jnp.inf, start.dtype)
    growth = jnp.array(_GROWTH, start.dtype)
    last = jax.lax.while_loop(
        going, again, _Ascent(start, infinite, jnp.zeros((), jnp.int32), growth)
    )
    return last.gamma, last.change


class _Ascent(NamedTuple):
    """Where coordinate ascent stands, and the longest extrapolation that it may make next."""

    gamma: jax.Array
    change: jax.Array
    steps: jax.Array
    longest: jax.Array


def ascend_once(
    prior: Probabilities,
    likelihoods: Float[Array, "K R"],
    counts: Float[Array, "R"],
    gamma: Probabilities,
) -> Probabilities:
    """One step of coordinate ascent, which never lowers the evidence lower bound."""
    weight = _weights(gamma)
    return prior + weight * (likelihoods @ _per_likelihood(weight, likelihoods, counts))


def _norm(values: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.sum(values**2, axis=-1))


def bound(
    prior: Probabilities,
    gamma: Probabilities,
    likelihoods: Float[Array, "K R"],
    counts: Float[Array, "R"],
    top: Float[Array, "R"],
) -> Scalar:
    """The evidence lower bound at q(z) = Dirichlet(gamma); 0 without any words."""
    return word_bound(gamma, likelihoods, counts, top) - divergence(gamma, prior)


def word_bound(
    gamma: Probabilities,
    likelihoods: Float[Array, "K R"],
    counts: Float[Array, "R"],
    top: Float[Array, "R"],
) -> Scalar:
    """The part of the bound that says how well the words are explained."""
    mixed = _weights(gamma) @ likelihoods
    word = jnp.where(mixed > 0, jnp.log(jnp.where(mixed > 0, mixed, 1.0)), -jnp.inf) + top
    came = counts > 0
    words = jnp.sum(jnp.where(came, counts * jnp.where(came, word, 0.0), 0.0))
    # The weights are relative to that of the largest.
    return words + jnp.sum(counts) * jnp.max(expected_log(gamma))


def responsibilities(
    gamma: Probabilities, likelihoods: Float[Array, "K R"], counts: Float[Array, "R"]
) -> tuple[Probabilities, Float[Array, "R"]]:
    """Factors ``[K]`` and ``[R]`` whose products with the likelihoods are the expected counts."""
    weight = _weights(gamma)
    return weight, _per_likelihood(weight, likelihoods, counts)


def _weights(gamma: Probabilities) -> Probabilities:
    """Exp E[log z], relative to the largest."""
    logs = digamma(gamma)
    gap = logs - jnp.max(logs, axis=-1, keepdims=True)
    # Not zero, so that a word that only an unused topic explains brings it back.
    return jnp.exp(jnp.maximum(gap, -80.0 if gap.dtype == jnp.float32 else -600.0))


def _per_likelihood(weight: jax.Array, likelihoods: jax.Array, counts: jax.Array) -> jax.Array:
    mixed = weight @ likelihoods
    explained = mixed > 0
    return jnp.where(explained, counts / jnp.where(explained, mixed, 1.0), 0.0)
