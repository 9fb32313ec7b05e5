"""What the gradient climbs: lower bounds of the log evidence, and what is near them."""

from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.inference.amortized import proposed
from latentia.inference.encoded import AbstractEncoded, Parts, log_weights
from latentia.numerics import log_sum_exp


class Terms(NamedTuple):
    """Of each of B data, in nats: the lower ``bound [B]``, the ``distortion [B]`` (minus the
    expected log p(x|z)), the ``rate [B]`` (how far the posterior is from the prior), and ``units
    [B, L]``, the rate of each coordinate (NaN where it cannot be told apart)."""

    bound: jax.Array
    distortion: jax.Array
    rate: jax.Array
    units: jax.Array


class AbstractObjective(eqx.Module):
    """A function of a model and a batch that training makes as large as it can."""

    @property
    @abstractmethod
    def is_bound(self) -> bool:
        """Whether it is a lower bound of the log evidence, in expectation."""

    @abstractmethod
    def terms(self, parts: Parts, x: jax.Array, key: Any) -> Terms:
        """The parts of the bound for ``x [B, *shape]``."""

    @abstractmethod
    def value(self, terms: Terms, weight: jax.Array, epoch: jax.Array) -> jax.Array:
        """What is maximised, from the terms of a batch with weights ``[B]`` that sum to one."""

    @abstractmethod
    def describe(self) -> str:
        """What it is, in the words of the field."""


class ELBO(AbstractObjective):
    """The evidence lower bound: minus distortion minus rate (Kingma and Welling 2014).

    The rate has its formula where the prior is Gaussian, or a structure that is conditioned by its
    own algorithm, and is estimated by the draws elsewhere.
    With ``beta`` other than 1 (Higgins et al. 2017) or ``free_bits`` (Kingma et al. 2016) it is no
    bound, and the fit says so.

    Args:
        draws: how many draws of z estimate it for each datum.
        beta: what the rate counts.
        free_bits: the rate of a coordinate, in nats and on average over a batch, that costs
            nothing: a remedy for coordinates that are not used.
        warm_up: over how many epochs ``beta`` rises from 0 (Bowman et al. 2016).
        sticking: whether the gradient of an estimated rate leaves out what is zero on average
            (sticking the landing: Roeder, Wu and Duvenaud 2017).
    """

    draws: int = eqx.field(static=True, default=1)
    beta: float = eqx.field(static=True, default=1.0)
    free_bits: float = eqx.field(static=True, default=0.0)
    warm_up: int = eqx.field(static=True, default=0)
    sticking: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        _check_draws("ELBO", self.draws, 1)
        for name in ("beta", "free_bits", "warm_up"):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"{name} of ELBO should be a number of at least 0, but is "
                    f"{getattr(self, name)!r}."
                )

    @property
    def is_bound(self) -> bool:
        return self.beta == 1 and self.free_bits == 0

    def terms(self, parts: Parts, x: jax.Array, key: Any) -> Terms:
        proposals = jax.vmap(lambda x: proposed(parts, x))(x)
        noise = proposals.noise(key, (x.shape[0], self.draws))

        def one(x: jax.Array, proposal: AbstractEncoded, noise: Any) -> Terms:
            u = jax.vmap(proposal.at)(noise)
            fit = proposal.fit(parts, x, u)
            rate, units = proposal.rates(parts.prior, u, self.sticking)
            return Terms(fit - rate, -fit, rate, units)

        return jax.vmap(one)(x, proposals, noise)

    def value(self, terms: Terms, weight: jax.Array, epoch: jax.Array) -> jax.Array:
        beta = self.beta
        if self.warm_up:
            beta = beta * jnp.clip(epoch / self.warm_up, 0.0, 1.0)
        return -weight @ terms.distortion - beta * self._rate(terms, weight)

    def _rate(self, terms: Terms, weight: jax.Array) -> jax.Array:
        if self.free_bits == 0:
            return weight @ terms.rate
        count = terms.units.shape[-1]
        whole = jnp.maximum(weight @ terms.rate, count * self.free_bits)
        each = weight @ terms.units
        # Where coordinates cannot be told apart they share what is free.
        return jnp.where(jnp.isnan(each[0]), whole, jnp.sum(jnp.maximum(each, self.free_bits)))

    def describe(self) -> str:
        name = "ELBO" if self.beta == 1 else f"beta-VAE objective with beta = {self.beta:g}"
        also = [f"{self.free_bits:g} free nats a coordinate"] if self.free_bits else []
        also += [f"a warm-up of {self.warm_up} epochs"] if self.warm_up else []
        also += [f"{self.draws} draws"] if self.draws > 1 else []
        text = name + (f" with {', '.join(also)}" if also else "")
        return text if self.is_bound else f"{text} (not a bound)"


class ImportanceBound(AbstractObjective):
    """The importance-weighted bound with k draws (Burda, Grosse and Salakhutdinov 2016).

    The gradient is doubly reparameterised, so that that of the encoder does not drown in noise as k
    grows (Tucker et al. 2019, equation 8). With missing entries it is the MIWAE bound (Mattei and
    Frellsen 2019).

    Args:
        draws: k.
    """

    draws: int = eqx.field(static=True, default=50)

    def __check_init__(self) -> None:
        _check_draws("ImportanceBound", self.draws, 2)

    @property
    def is_bound(self) -> bool:
        return True

    def terms(self, parts: Parts, x: jax.Array, key: Any) -> Terms:
        proposals = jax.vmap(lambda x: proposed(parts, x))(x)
        noise = proposals.noise(key, (x.shape[0], self.draws))
        u = jax.vmap(lambda proposal, noise: jax.vmap(proposal.at)(noise))(proposals, noise)
        if not all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(u)):
            raise ValueError(
                "objective should be ELBO(...) where z has states, since draws of those have no "
                "slope, but is ImportanceBound(...)."
            )
        known = jax.lax.stop_gradient(proposals)
        bound, mean = _doubly_reparameterised(parts, x, known, u)
        fixed = jax.lax.stop_gradient(u)
        rate, units = jax.vmap(lambda q, u: q.rates(parts.prior, u))(known, fixed)
        return Terms(bound, -(mean + rate), rate, units)

    def value(self, terms: Terms, weight: jax.Array, epoch: jax.Array) -> jax.Array:
        return weight @ terms.bound

    def describe(self) -> str:
        return f"importance-weighted bound with k = {self.draws}"


def _log_weights(parts: Parts, x: jax.Array, proposals: AbstractEncoded, u: jax.Array) -> jax.Array:
    return jax.vmap(lambda x, q, u: log_weights(parts, x, q, u))(x, proposals, u)


@jax.custom_vjp
def _doubly_reparameterised(
    parts: Parts, x: jax.Array, proposals: AbstractEncoded, u: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The bounds ``[B]`` for draws ``u [B, K, L]``, and the mean log weights, without a slope."""
    weights = _log_weights(parts, x, proposals, u)
    return log_sum_exp(weights) - jnp.log(u.shape[1]), jnp.mean(weights, axis=-1)


def _forward(parts: Parts, x: jax.Array, proposals: AbstractEncoded, u: jax.Array) -> Any:
    weights, pull = jax.vjp(lambda parts, u: _log_weights(parts, x, proposals, u), parts, u)
    bound = log_sum_exp(weights) - jnp.log(u.shape[1])
    return (bound, jnp.mean(weights, axis=-1)), (pull, weights, x, proposals)


def _backward(kept: Any, slopes: Any) -> Any:
    pull, weights, x, proposals = kept
    shares = jax.nn.softmax(weights)
    of_parts, of_draws = pull(shares * slopes[0][:, None])
    # Once more the share: what draws say about the encoder is weighted by its square.
    nothing = jax.tree.map(jnp.zeros_like, (x, proposals))
    each = shares.reshape(*shares.shape, *(1,) * (of_draws.ndim - shares.ndim))
    return of_parts, *nothing, of_draws * each


_doubly_reparameterised.defvjp(_forward, _backward)


def _check_draws(name: str, draws: Any, least: int) -> None:
    if not isinstance(draws, int) or isinstance(draws, bool) or draws < least:
        raise ValueError(
            f"draws of {name} should be a whole number of at least {least}, but is {draws!r}."
        )
