"""What is known of a Gaussian chain after a sequence was seen."""

from functools import partial
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from latentia.potentials import GaussianPotential
from latentia.precision import is_traced, on_host, precision_of
from latentia.typing import Key, Scalar
from latentia.verdict import Exactness

from .gaussian import GaussianMoments
from .interface import AbstractSequencePosterior
from .path_questions import filtered_moments, lag_one_covariance, sampled_path
from .smoothing import Transitions, smoothed
from .square_roots import fewer_rows

KALMAN = "Kalman filter and smoother"


class ChainMoments(NamedTuple):
    """``steps``, the mean ``[T, L]`` and covariance ``[T, L, L]`` of each z_t; ``moves``, totals
    over the transitions; and ``informed ()``, whether anything was seen at all."""

    steps: GaussianMoments
    moves: Transitions
    informed: jax.Array


class GaussianChainPosterior(AbstractSequencePosterior):
    """The posterior of a Gaussian chain.

    Attributes:
        log_evidence: log p(x); with a diffuse start, that of a flat density on it.
        mean: ``[T, L]``, of each z_t given the whole sequence.
        covariance: ``[T, L, L]``, likewise; infinite where a diffuse start was never seen.
        moves: totals over the transitions, which learning needs.
        chain: the prior (with its covariates, if any drive it).
        observed: the evidence that it was conditioned on.
    """

    log_evidence: jax.Array
    mean: Float[Array, "T L"]
    covariance: Float[Array, "T L L"]
    moves: Transitions
    chain: Any
    observed: GaussianPotential

    @classmethod
    def of(cls, chain: Any, observed: GaussianPotential) -> Self:
        """The posterior of a ``GaussianChain`` given the evidence at each step."""
        found = smoothed(chain.dynamics, *_rows(observed))
        return cls(*found, chain, observed)

    @property
    def exactness(self) -> Exactness:
        return Exactness.EXACT

    @property
    def method(self) -> str:
        return KALMAN

    @property
    def moments(self) -> ChainMoments:
        o = self.observed
        some = jnp.any(o.design != 0) | jnp.any(o.target != 0) | jnp.any(o.constant != 0)
        return ChainMoments(GaussianMoments(self.mean, self.covariance), self.moves, some)

    def cut(self, length: int) -> Self:
        observed = jax.tree.map(lambda leaf: leaf[:length], self.observed)
        mean, covariance = self.mean[:length], self.covariance[:length]
        chain = self.chain.until(length)
        return type(self)(self.log_evidence, mean, covariance, self.moves, chain, observed)

    def mode(self) -> Float[Array, "T L"]:
        return self.mean

    def log_prob(self, z: Float[Array, "T L"]) -> Scalar:
        evidence = jnp.sum(jax.vmap(lambda potential, step: potential(step))(self.observed, z))
        return self.chain.log_prob(z) + evidence - self.log_evidence

    def sample(self, key: Key) -> Float[Array, "T L"]:
        """A path: the smoothed mean, and noise sent back through the smoother."""
        return _answered(sampled_path, self, key)

    @property
    def lag_one(self) -> Float[Array, "T-1 L L"]:
        """The covariance of z_{t+1} and z_t given the whole sequence."""
        return _answered(lag_one_covariance, self)

    @property
    def filtered(self) -> GaussianMoments:
        """The moments of each z_t given the sequence up to x_t: ``[T, L]`` and ``[T, L, L]``."""
        return GaussianMoments(*_answered(filtered_moments, self))


def _answered(question: Any, posterior: GaussianChainPosterior, *arguments: Any) -> Any:
    """What the filter says once more, compiled, and in the posterior's own precision."""
    if is_traced(posterior, arguments):
        return _asked(question, posterior, *arguments)
    with precision_of(posterior):
        return on_host(_compiled(question, posterior, *arguments))


def _asked(question: Any, posterior: Any, *arguments: Any) -> Any:
    design, target, _ = _rows(posterior.observed)
    return question(posterior.chain.dynamics, design, target, posterior.mean, *arguments)


_compiled = partial(jax.jit, static_argnums=0)(_asked)


def _rows(observed: GaussianPotential) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Design, target and constant, with no more rows than there are latent dimensions."""
    design, target, constant = observed.design, observed.target, observed.constant
    if design.shape[-2] <= design.shape[-1]:
        return design, target, constant
    fewer, less, rest = jax.vmap(fewer_rows)(design, target)
    return fewer, less, constant - 0.5 * rest
