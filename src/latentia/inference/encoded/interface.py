"""What an encoder proposes: draws of u, their density, and what is paid for them."""

from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.latents import AbstractVectorPrior
from latentia.typing import Key, Scalar


class Parts(NamedTuple):
    """What a deep model is made of, with the prior made ready for many z."""

    prior: Any
    likelihood: Any
    inference: Any


class Rates(NamedTuple):
    """How far a proposal is from the prior, ``total ()`` in nats, and what of it is that of each
    coordinate, ``units [C]`` (NaN where coordinates cannot be told apart)."""

    total: jax.Array
    units: jax.Array


class AbstractEncoded(eqx.Module):
    """q(u|x): what is proposed for one x, about the u of ``AbstractVectorPrior``."""

    @abstractmethod
    def noise(self, key: Key, shape: tuple[int, ...]) -> Any:
        """The randomness behind draws, with leading axes ``shape``; of a batch of proposals too."""

    @abstractmethod
    def at(self, noise: Any) -> Any:
        """The u of one ``noise``, differentiable in the proposal where u is a vector."""

    @abstractmethod
    def log_prob(self, u: Any) -> Scalar:
        """The log density of one u."""

    @abstractmethod
    def centre(self) -> tuple[Any, Any]:
        """A u in the middle, and how wide it is there in each coordinate; None for states."""

    @abstractmethod
    def rates(self, prior: Any, u: Any, sticking: bool = False) -> Rates:
        """The divergence from the prior: by its formula if there is one, else by draws ``u``.

        Args:
            prior: made ready by ``prepare``.
            u: draws, with a leading axis.
            sticking: whether the slope of an estimate leaves out what is zero on average.
        """

    @abstractmethod
    def fit(self, parts: Parts, x: jax.Array, u: Any) -> Scalar:
        """The expected log p(x|z): exactly where that is possible, else over draws ``u``."""


class AbstractPosteriorFamily(eqx.Module):
    """The kind of posterior that an encoder's numbers describe."""

    @abstractmethod
    def count(self, prior: Any, likelihood: Any) -> int:
        """How many numbers it takes from the encoder."""

    @abstractmethod
    def check(self, prior: Any, likelihood: Any) -> None:
        """Raise if such posteriors do not fit the other parts of a model."""

    @abstractmethod
    def propose(self, parts: Any, numbers: jax.Array, some: jax.Array) -> AbstractEncoded:
        """The proposal that the ``numbers`` describe; ``some`` says if anything was observed,
        without which it is the prior.

        Args:
            parts: with a ``prior`` and a ``likelihood``, for families that are made of them too.
        """

    @abstractmethod
    def describe(self) -> str:
        """What it is, in a few words."""


def drawn_fit(parts: Parts, x: jax.Array, u: Any) -> Scalar:
    """The mean of log p(x|z) over draws ``u [K, ...]``."""
    return jnp.mean(
        jax.vmap(lambda u: parts.likelihood.log_prob(x, parts.prior.place(u)))(u), axis=0
    )


def drawn_rate(q: AbstractEncoded, prior: Any, u: Any, sticking: bool) -> Scalar:
    """The mean of ``log q(u) - log p(u)`` over draws ``u [K, ...]``."""
    known = jax.lax.stop_gradient(q) if sticking else q
    return jnp.mean(jax.vmap(known.log_prob)(u) - jax.vmap(prior.log_prob_at)(u))


def log_weights(parts: Any, x: jax.Array, proposal: AbstractEncoded, u: Any) -> jax.Array:
    """``log p(x, u) - log q(u)`` for draws ``u [K, ...]`` of one x: importance weights, ``[K]``."""

    def one(u: Any) -> jax.Array:
        joint = parts.likelihood.log_prob(x, parts.prior.place(u)) + parts.prior.log_prob_at(u)
        return joint - proposal.log_prob(u)

    return jax.vmap(one)(u)


def require_vector(name: str, prior: Any) -> None:
    """Raise ``TypeError`` if z is no real vector."""
    if not isinstance(prior, AbstractVectorPrior):
        raise TypeError(
            f"family={name}() should be with a prior of a real vector, but is with a "
            f"{type(prior).__name__}: leave family out."
        )
