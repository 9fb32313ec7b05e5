"""The Dirichlet distribution: its expectations, its density, and its maximum likelihood."""

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln, polygamma

from latentia.numerics import digamma, safe_log
from latentia.typing import Probabilities, Scalar

# Newton steps double the digits, and halved ones never go downhill.
_STEPS = 30
_HALVINGS = 12
# The largest change of a parameter's logarithm in one step.
_FARTHEST = 2.0


def expected_log(concentration: Probabilities) -> Probabilities:
    """E[log z] of a Dirichlet distribution with these parameters ``[..., K]``."""
    total = jnp.sum(concentration, axis=-1, keepdims=True)
    return digamma(jnp.asarray(concentration)) - digamma(total)


def log_density(concentration: Probabilities, z: Probabilities) -> Scalar:
    """The log density at z ``[..., K]``, which sums to one, with respect to its first K - 1."""
    a = jnp.asarray(concentration)
    # At a parameter of one, 0 log 0 = 0.
    terms = jnp.where(a == 1, 0.0, (a - 1) * safe_log(z))
    normaliser = gammaln(jnp.sum(a, axis=-1)) - jnp.sum(gammaln(a), axis=-1)
    return normaliser + jnp.sum(terms, axis=-1)


def divergence(one: Probabilities, two: Probabilities) -> Scalar:
    """The Kullback-Leibler divergence of the Dirichlet distribution ``two`` from ``one``."""
    first, second = jnp.asarray(one), jnp.asarray(two)
    normalisers = gammaln(jnp.sum(first, axis=-1)) - gammaln(jnp.sum(second, axis=-1))
    normalisers -= jnp.sum(gammaln(first) - gammaln(second), axis=-1)
    return normalisers + jnp.sum((first - second) * expected_log(first), axis=-1)


def maximum(mean_log: Probabilities, start: Probabilities) -> Probabilities:
    """The parameters ``[K]`` of highest likelihood for proportions whose mean logarithm is given.

    Newton's method with the diagonal plus rank one Hessian (Minka 2000, "Estimating a Dirichlet
    distribution"). A step changes no parameter by more than a factor, so that all stay positive,
    and is as long as is best of a few halvings, so that the likelihood never falls.
    """

    def height(a: jax.Array) -> jax.Array:
        return gammaln(jnp.sum(a)) - jnp.sum(gammaln(a)) + jnp.sum((a - 1) * mean_log)

    def step(_: int, a: jax.Array) -> jax.Array:
        slope = digamma(jnp.sum(a)) - digamma(a) + mean_log
        curve = -polygamma(1, a)
        shared = polygamma(1, jnp.sum(a))
        common = jnp.sum(slope / curve) / (1 / shared + jnp.sum(1 / curve))
        # Relative to the parameters: the exponential below begins like the step itself.
        move = -(slope - common) / curve / a
        move = move / jnp.maximum(1.0, jnp.max(jnp.abs(move)) / _FARTHEST)
        halvings = jnp.concatenate([jnp.zeros(1), 0.5 ** jnp.arange(_HALVINGS)])
        points = a * jnp.exp(halvings.astype(a.dtype)[:, None] * move)
        return points[jnp.argmax(jax.vmap(height)(points))]

    return jax.lax.fori_loop(0, _STEPS, step, start)
