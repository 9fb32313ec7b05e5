"""Laplace's method: a Gaussian at the mode, with the curvature there.

Tierney and Kadane 1986. The likelihood is replaced by its expansion to second order at the mode of
the posterior; with that potential the rest is exact Gaussian algebra.
"""

from typing import Any

import jax
import jax.numpy as jnp

from latentia.model import LatentVariableModel
from latentia.potentials import AbstractSmoothPotential, in_its_place
from latentia.typing import Scalar
from latentia.verdict import Exactness

from .newton import arrived, ascend, whitened
from .sites import (
    AbstractSurrogate,
    Marginals,
    Seen,
    Shape,
    Sites,
    each,
    expanded,
    gaussian_moments,
    log_site,
    settle,
    site_of,
)
from .surrogate_posterior import SurrogatePosterior

_NAME = "Laplace's method"


class Laplace(AbstractSurrogate):
    """A Gaussian at the mode of the posterior, for smooth likelihoods of Gaussian vectors: of one,
    of each in a chain, or of one in each branch."""

    @property
    def exactness(self) -> Exactness:
        return Exactness.APPROXIMATION

    @property
    def name(self) -> str:
        return _NAME

    def wanted(self, part: Any, marginals: Marginals, held: Sites) -> Sites:
        _, slope, bend = expanded(part, marginals.mean[None])
        return site_of(slope[0], bend[0], marginals.mean)

    def constants(self, part: Any, marginals: Marginals, held: Sites) -> jax.Array:
        place = marginals.mean[None]
        return (each(part, place) - log_site(held, place))[0]

    def height(self, shape: Shape, seen: Seen) -> Scalar:
        """The log joint density at the mean, up to a constant."""
        # With Gaussian sites the slope of the log prior is minus that of the sites at the mean.
        place = seen.marginals.mean
        slope = seen.sites.linear - seen.sites.precision * place
        prior = -0.5 * jnp.sum((place - shape.prior_mean) * slope)
        return prior + jnp.sum(each(shape.part, place[None]))

    def condition(self, prior: Any, potential: Any) -> SurrogatePosterior:
        if isinstance(potential, AbstractSmoothPotential):
            value, place = whitened(prior, potential)
            # At the mode the chain of steps ends, so gradients flow through the expansion alone.
            at = jax.lax.stop_gradient(ascend(value, jnp.zeros_like(prior.mean)))
            sites, settled = potential.expand(place(at)), jax.lax.stop_gradient(arrived(value, at))
        else:
            shape = Shape.of(prior, potential)
            found, _, settled = at_mode(shape)
            mode = gaussian_moments(shape.conditioned(shape.gaussian(found))).mean
            expand = lambda part, mode: part.expand(mode)  # noqa: E731
            for _ in range(jnp.ndim(shape.part.base)):
                expand = jax.vmap(expand)
            sites = in_its_place(potential, expand(shape.part, jax.lax.stop_gradient(mode)))
        posterior = prior.condition(sites)
        return SurrogatePosterior.of(posterior, potential, sites, settled, _NAME, self.exactness)

    def expect(self, prior: Any, potential: Any) -> Any:
        raise ValueError(
            "inference of EM should sum over z, but is Laplace, whose moments are not those of its "
            "objective, so that steps may lower it: use Quadrature, or leave it to the model."
        )

    def describe(self, model: LatentVariableModel) -> str:
        return "Laplace's method, a Gaussian at the mode"


def at_mode(shape: Shape) -> tuple[Sites, Marginals, jax.Array]:
    """The sites of Laplace's method, from which the others start."""
    nowhere = Marginals(shape.prior_mean, jnp.zeros_like(shape.prior_mean))
    zeros = jnp.zeros_like(shape.prior_mean)
    rule = Laplace()
    return settle(rule, shape, rule.wanted(shape.part, nowhere, Sites(zeros, zeros)))


def concluded(method: AbstractSurrogate, prior: Any, potential: Any) -> SurrogatePosterior:
    """The posterior by the sites of a method, with its own evidence."""
    shape = Shape.of(prior, potential)
    start, _, _ = at_mode(shape)
    sites, marginals, settled = settle(method, shape, start)
    constants = method.constants(shape.part, marginals, sites)
    gaussian = shape.gaussian(sites, constants)
    return SurrogatePosterior.of(
        shape.conditioned(gaussian), potential, in_its_place(potential, gaussian), settled,
        method.name, method.exactness,
    )  # fmt: skip
