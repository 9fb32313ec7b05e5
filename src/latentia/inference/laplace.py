"""Laplace's method: a Gaussian at the mode, with the curvature there.

Tierney and Kadane 1986. The likelihood is replaced by its expansion to second order at the mode of
the posterior; with that potential the rest is exact Gaussian algebra.
"""

from typing import Any

import jax
import jax.numpy as jnp

from latentia.latents import AbstractPosterior
from latentia.latents.gaussian import GaussianMoments, GaussianPosterior
from latentia.model import LatentVariableModel
from latentia.typing import Datum, Key, LatentMatrix, LatentVector, Moments, Scalar
from latentia.verdict import Exactness

from .interface import AbstractInference
from .newton import ascend, whitened


class SurrogatePosterior(AbstractPosterior):
    """A Gaussian that stands in for the posterior: its mode is right, the rest approximate."""

    gaussian: GaussianPosterior
    log_evidence: jax.Array

    @property
    def exactness(self) -> Exactness:
        return Exactness.APPROXIMATION

    @property
    def method(self) -> str:
        return "Laplace's method"

    @property
    def mean(self) -> LatentVector:
        """``[L]``, which is the mode."""
        return self.gaussian.mean

    @property
    def covariance(self) -> LatentMatrix:
        """``[L, L]``."""
        return self.gaussian.covariance

    @property
    def moments(self) -> GaussianMoments:
        return self.gaussian.moments

    def mode(self) -> LatentVector:
        return self.gaussian.mean

    def mode_covariance(self) -> LatentMatrix:
        """The inverse of the curvature at the mode."""
        return self.gaussian.covariance

    def sample(self, key: Key) -> LatentVector:
        return self.gaussian.sample(key)

    def log_prob(self, z: LatentVector) -> Scalar:
        return self.gaussian.log_prob(z)


class Laplace(AbstractInference):
    """A Gaussian at the mode of the posterior, for smooth likelihoods of a Gaussian vector."""

    @property
    def exactness(self) -> Exactness:
        return Exactness.APPROXIMATION

    def infer(
        self, model: LatentVariableModel, x: Datum, key: Key | None = None
    ) -> SurrogatePosterior:
        parts: Any = model
        return self.condition(parts.prior, parts.likelihood.potential(x))

    def condition(self, prior: Any, potential: Any) -> SurrogatePosterior:
        value, place = whitened(prior, potential)
        # At the mode the chain of steps ends, so gradients flow through the expansion alone.
        mode = jax.lax.stop_gradient(place(ascend(value, jnp.zeros_like(prior.mean))))
        gaussian = prior.condition(potential.expand(mode))
        return SurrogatePosterior(gaussian, gaussian.log_evidence)

    def expect(self, prior: Any, potential: Any) -> tuple[Moments, Scalar]:
        raise ValueError(
            "inference of EM should sum over z, but is Laplace, whose moments are not those of its "
            "objective, so that steps may lower it: use Quadrature, or leave it to the model."
        )

    def describe(self, model: LatentVariableModel) -> str:
        return "Laplace's method, a Gaussian at the mode"
