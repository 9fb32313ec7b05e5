"""The posterior that an encoder proposes, with an estimate of the log evidence by its draws."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.latents import AbstractPosterior, GaussianMoments
from latentia.latents.gaussian import log_density
from latentia.typing import Key, LatentMatrix, LatentVector, Scalar
from latentia.verdict import Exactness

from .encoded_verdict import JudgedByDraws


def told_bound(draws: int) -> str:
    """How the log evidence was found, in words."""
    return f"the log evidence is the importance-weighted bound with k = {draws} draws (estimate)"


class AmortizedPosterior(JudgedByDraws, AbstractPosterior):
    """A Gaussian over z from one pass through the encoder, ``mean + root u``.

    ``log_evidence`` is the importance-weighted bound with ``draws`` draws from it: in expectation
    below the true log evidence, and closer to it the more draws there are (Burda, Grosse and
    Salakhutdinov 2016, theorem 1). ``effective`` is how many independent draws the weights are
    worth.
    """

    mean: LatentVector
    root: LatentMatrix
    log_evidence: jax.Array
    effective: jax.Array
    x: jax.Array
    draws: int = eqx.field(static=True)
    climb: Any = eqx.field(static=True)

    @property
    def exactness(self) -> Exactness:
        return Exactness.ESTIMATE

    @property
    def method(self) -> str:
        return f"an encoder network (approximation); {told_bound(self.draws)}"

    @property
    def covariance(self) -> LatentMatrix:
        """``[L, L]``."""
        return self.root @ jnp.swapaxes(self.root, -1, -2)

    @property
    def moments(self) -> GaussianMoments:
        return GaussianMoments(self.mean, self.covariance)

    def mode(self) -> LatentVector:
        """The mode of the joint density, uphill from the encoder's mean."""
        return self.climb(self.x)

    def sample(self, key: Key) -> LatentVector:
        return self.mean + self.root @ jax.random.normal(key, self.mean.shape, self.mean.dtype)

    def log_prob(self, z: LatentVector) -> Scalar:
        return log_density(z - self.mean, self.root)
