"""Posteriors that an encoder proposes and that are no single Gaussian."""

from typing import Any, Self

import equinox as eqx
import jax

from latentia.latents import AbstractPosterior, AbstractSequencePosterior, GaussianMoments
from latentia.typing import Key, LatentMatrix, LatentVector, Moments, Scalar
from latentia.verdict import Exactness

from .amortized_posterior import told_bound
from .encoded_verdict import JudgedByDraws


class EncodedPosterior(JudgedByDraws, AbstractPosterior):
    """A posterior of a vector z, of any shape, from one pass through the encoder.

    ``mean`` and ``covariance`` are those of ``draws`` draws from it; ``log_evidence`` and
    ``effective`` as of ``AmortizedPosterior``; ``q`` is the proposal itself, of u.
    """

    mean: LatentVector
    covariance: LatentMatrix
    log_evidence: jax.Array
    effective: jax.Array
    x: jax.Array
    q: Any
    prior: Any
    draws: int = eqx.field(static=True)
    climb: Any = eqx.field(static=True)

    @property
    def exactness(self) -> Exactness:
        return Exactness.ESTIMATE

    @property
    def method(self) -> str:
        return f"an encoder network (approximation); {told_bound(self.draws)}"

    @property
    def moments(self) -> GaussianMoments:
        return GaussianMoments(self.mean, self.covariance)

    def mode(self) -> LatentVector:
        """The mode of the joint density, uphill from the encoder's guess."""
        return self.climb(self.x)

    def sample(self, key: Key) -> LatentVector:
        return self.prior.place(self.q.at(self.q.noise(key, ())))

    def log_prob(self, z: LatentVector) -> Scalar:
        u = self.prior.lift(z)
        # The prior knows both densities, and so how much the map from u to z stretches.
        return self.q.log_prob(u) + self.prior.log_prob(z) - self.prior.log_prob_at(u)


class StructuredPosterior(JudgedByDraws, AbstractSequencePosterior):
    """The posterior ``inner`` of a latent structure, conditioned by the prior's own algorithm on
    what an encoder says of one x.

    ``log_evidence`` and ``effective`` as of ``AmortizedPosterior``, by ``draws`` draws of z.
    """

    inner: Any
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
        how = f"{self.inner.method}, given what an encoder network says of x (approximation)"
        return f"{how}; {told_bound(self.draws)}"

    @property
    def moments(self) -> Moments:
        return self.inner.moments

    @property
    def mean(self) -> jax.Array:
        """Of a Gaussian chain: ``[T, L]``."""
        return self.inner.mean

    @property
    def covariance(self) -> jax.Array:
        """Of a Gaussian chain: ``[T, L, L]``."""
        return self.inner.covariance

    @property
    def probabilities(self) -> jax.Array:
        """Of states: ``[K]``, or ``[T, K]``."""
        return self.inner.probabilities

    def cut(self, length: int) -> Self:
        return type(self)(
            self.inner.cut(length), self.log_evidence, self.effective, self.x[:length], self.draws,
            self.climb,
        )  # fmt: skip

    def mode(self) -> Any:
        """Of states that the likelihood speaks of, or of vectors, the mode of the joint density; of
        codes the most probable ones by the encoder."""
        return self.climb(self.x)

    def sample(self, key: Key) -> Any:
        return self.inner.sample(key)

    def log_prob(self, z: Any) -> Scalar:
        return self.inner.log_prob(z)
