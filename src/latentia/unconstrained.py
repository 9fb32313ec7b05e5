"""The log density of a model's unconstrained numbers, for samplers of one's own choice."""

from typing import Any

import equinox as eqx
import jax

from latentia.inference.target import Target
from latentia.latents import AbstractSmoothPrior
from latentia.likelihoods import AbstractWholeLikelihood
from latentia.model import LatentVariableModel
from latentia.typing import Scalar


class LogDensity(eqx.Module):
    """Log p(x, z) as a function of n unconstrained numbers behind z, volume included.

    It may be used under ``jit``, ``grad`` and ``vmap``, so that any sampler of JAX takes it.
    """

    target: Target

    @property
    def dim(self) -> int:
        """N, how many unconstrained numbers there are."""
        return self.target.prior.free_dim

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each of them."""
        return self.target.prior.free_names

    def __call__(self, free: jax.Array) -> Scalar:
        """The log density of unconstrained numbers ``[n]``, up to the log evidence."""
        if jax.numpy.shape(free) != (self.dim,):
            raise ValueError(
                f"free should be a vector of {self.dim} unconstrained numbers, but has shape "
                f"{jax.numpy.shape(free)}: use unconstrain(z), and vmap for several."
            )
        return self.target.log_joint(jax.numpy.asarray(free))

    def constrain(self, free: jax.Array) -> Any:
        """The z with these unconstrained numbers ``[n]``."""
        return self.target.prior.bind(jax.numpy.asarray(free))[0]

    def unconstrain(self, z: Any) -> jax.Array:
        """The unconstrained numbers ``[n]`` behind one z.

        Raises:
            ValueError: if z lacks a part or lies outside of its support.
        """
        return self.target.prior.free(z)


def log_density(model: LatentVariableModel, x: Any) -> LogDensity:
    """The log density log p(x, z) of a model given x, as a function of unconstrained numbers.

    Positive numbers are given by their logarithm, and so on (see ``latentia.supports``); the log of
    the volume that this stretches is part of the density.

    Args:
        model: one with a density of real numbers: a ``Continuous`` or ``GaussianLatent`` prior.
        x: all the data of a ``Custom`` likelihood, or one datum of another.

    Raises:
        TypeError: if the latent variables are not real numbers.
    """
    prior, likelihood = model.prior, model.likelihood
    if not isinstance(prior, AbstractSmoothPrior):
        raise TypeError(
            "The prior of model should have a density of real numbers, but is "
            f"{type(prior).__name__}: a log density needs a Continuous or GaussianLatent prior."
        )
    if isinstance(likelihood, AbstractWholeLikelihood):
        x = likelihood.read(x)
    return LogDensity(Target(prior, likelihood.potential(x)))  # pyright: ignore
