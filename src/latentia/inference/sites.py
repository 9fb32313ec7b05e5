"""Surrogate sites: one Gaussian function for each thing that was observed, until they fit.

A likelihood that is a sum over functions of linear maps ``eta`` of z, such as a generalised linear
model's, is replaced by Gaussian functions ``exp(linear eta - precision eta² / 2)``. With these the
prior is conditioned exactly, whatever its structure: a vector, a chain, branches. What each site
should be follows from the marginal of its eta, which follows from all sites; methods differ in this
rule alone.
"""

from abc import abstractmethod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from latentia.latents import AbstractPosterior
from latentia.latents.gaussian import GaussianMoments
from latentia.model import LatentVariableModel
from latentia.potentials import (
    AbstractAdditivePotential,
    GaussianPotential,
    in_its_place,
    smooth_part,
)
from latentia.typing import Datum, Key, Moments, Scalar

from .interface import AbstractInference
from .surrogate_posterior import SurrogatePosterior

_STEPS = 200
# A site is no higher at its peak, above its place, than half of the reciprocal of this, in nats: a
# slope without curvature has no peak at all.
_FLATTEST = 1e-3
# Nodes of Gauss and Hermite's rule for the mean over a marginal.
_NODES, _SHARES = np.polynomial.hermite_e.hermegauss(32)
NODES, LOG_SHARES = _NODES, np.log(_SHARES / _SHARES.sum())


class Sites(NamedTuple):
    """``precision [..., R]`` and ``linear [..., R]``."""

    precision: jax.Array
    linear: jax.Array


class Marginals(NamedTuple):
    """``mean [..., R]`` and ``variance [..., R]`` of each eta."""

    mean: jax.Array
    variance: jax.Array

    @property
    def nodes(self) -> jax.Array:
        """``[Q, ..., R]``, for sums with the weights ``exp(LOG_SHARES)``."""
        spread = jnp.sqrt(self.variance)
        return self.mean + spread * along(NODES, self.mean)


def along(values: np.ndarray, like: jax.Array) -> jax.Array:
    """Numbers ``[Q]`` as an array ``[Q, 1, ...]`` beside others of some shape."""
    return jnp.asarray(values, like.dtype).reshape(-1, *[1] * like.ndim)


def each(part: Any, eta: jax.Array) -> jax.Array:
    """The functions of a potential, stacked or not, at ``eta [Q, ..., R]``."""
    ask = lambda part, eta: part.each(eta)  # noqa: E731
    for _ in range(jnp.ndim(part.base)):
        ask = jax.vmap(ask, (0, 1), 1)
    return ask(part, eta)


def expanded(part: Any, eta: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Values, slopes and curvatures of the functions at ``eta [Q, ..., R]``."""
    one = jnp.ones_like(eta)

    def slope(eta: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.jvp(lambda at: each(part, at), (eta,), (one,))

    (value, first), (_, second) = jax.jvp(slope, (eta,), (one,))
    return value, first, second


def site_of(slope: jax.Array, curvature: jax.Array, at: jax.Array) -> Sites:
    """The sites with these slopes at ``at`` and these curvatures, where they are downwards."""
    precision = jnp.maximum(-curvature, _FLATTEST * slope**2)
    return Sites(precision, slope + precision * at)


def log_site(sites: Sites, eta: jax.Array) -> jax.Array:
    """The log of the Gaussian functions at ``eta [Q, ..., R]``."""
    return sites.linear * eta - 0.5 * sites.precision * eta**2


class AbstractSurrogate(AbstractInference):
    """A method that puts a Gaussian function in place of each thing that was observed."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The method, in the words of the field."""

    @abstractmethod
    def wanted(self, part: Any, marginals: Marginals, held: Sites) -> Sites:
        """What the sites should be, given the marginals that they lead to."""

    @abstractmethod
    def constants(self, part: Any, marginals: Marginals, held: Sites) -> jax.Array:
        """A number ``[..., R]`` for each site, so that the evidence of all is the method's own."""

    @abstractmethod
    def height(self, shape: "Shape", seen: "Seen") -> Scalar:
        """What steps may not lower; a constant if there is nothing of the kind."""

    def infer(
        self, model: LatentVariableModel, x: Datum, key: Key | None = None
    ) -> SurrogatePosterior:
        parts: Any = model
        return self.condition(parts.prior, parts.likelihood.potential(x))

    @abstractmethod
    def condition(self, prior: Any, potential: Any) -> SurrogatePosterior:
        """The Gaussian posterior, of the structure that the prior has."""

    def expect(self, prior: Any, potential: Any) -> tuple[Moments, Scalar]:
        raise ValueError(
            f"inference of EM should sum over z, but is {type(self).__name__}, by which a fit is "
            "not possible yet: use Quadrature, or leave it to the model."
        )


class Seen(NamedTuple):
    """Some sites, the marginals that they lead to, and how high they are on the way up."""

    sites: Sites
    marginals: Marginals
    height: Any


class Shape(NamedTuple):
    """A prior and the evidence of x, and ``prior_mean [..., R]`` of each eta."""

    prior: Any
    potential: Any
    part: Any
    prior_mean: jax.Array

    @classmethod
    def of(cls, prior: Any, potential: Any) -> "Shape":
        part = smooth_part(potential)
        if not isinstance(part, AbstractAdditivePotential):
            raise TypeError(
                "The likelihood should be a sum over functions of linear maps of z, such as "
                f"GeneralizedLinear, but speaks of {type(potential).__name__}: use Laplace, or "
                "leave inference out."
            )
        rows = part.projections.shape[:-1]
        zeros = jnp.zeros(rows, part.projections.dtype)
        bare = cls(prior, potential, part, zeros)
        return bare._replace(prior_mean=bare.marginals(Sites(zeros, zeros)).mean)

    def gaussian(self, sites: Sites, constants: Any = 0.0) -> GaussianPotential:
        """The sites as a potential of z."""
        some = sites.precision > 0
        root = jnp.sqrt(jnp.where(some, sites.precision, 1.0))
        target = jnp.where(some, sites.linear / root, 0.0)
        design = jnp.where(some, root, 0.0)[..., None] * self.part.projections
        constant = jnp.sum(constants + 0.5 * target**2, axis=-1) + self.part.base
        return GaussianPotential(design, target, constant)

    def conditioned(self, gaussian: GaussianPotential) -> AbstractPosterior:
        """The posterior with these sites in place of the likelihood."""
        return self.prior.condition(in_its_place(self.potential, gaussian))

    def marginals(self, sites: Sites) -> Marginals:
        """Of each eta."""
        moments = gaussian_moments(self.conditioned(self.gaussian(sites)))
        rows = self.part.projections
        mean = jnp.einsum("...rl,...l->...r", rows, moments.mean)
        variance = jnp.einsum("...rl,...lk,...rk->...r", rows, moments.covariance, rows)
        # Nothing is asked of what was not observed, such as the flat start of a chain.
        return Marginals(mean, jnp.where(jnp.isfinite(variance), jnp.maximum(variance, 0), 0.0))


def gaussian_moments(posterior: AbstractPosterior) -> GaussianMoments:
    """Mean ``[..., L]`` and covariance ``[..., L, L]`` of each vector in a posterior."""

    def found(leaf: Any) -> bool:
        return isinstance(leaf, GaussianMoments)

    return next(m for m in jax.tree.leaves(posterior.moments, is_leaf=found) if found(m))


def settle(
    method: AbstractSurrogate, shape: Shape, start: Sites
) -> tuple[Sites, Marginals, jax.Array]:
    """Sites that are what their marginals want, those marginals, and whether they are."""
    dtype = shape.part.projections.dtype
    small = 4 * jnp.sqrt(jnp.finfo(dtype).eps)
    rounding = 64 * jnp.finfo(dtype).eps

    def look(sites: Sites) -> Seen:
        seen = Seen(sites, shape.marginals(sites), 0.0)
        return seen._replace(height=method.height(shape, seen))

    def going(carry: Any) -> jax.Array:
        count, _, share, gap = carry
        return (count < _STEPS) & (gap > small) & (share > 1e-6)

    def step(carry: Any) -> Any:
        count, seen, share, before = carry
        wanted = method.wanted(shape.part, seen.marginals, seen.sites)
        gap = _distance(seen.sites, wanted, seen.marginals)
        trial: Sites = jax.tree.map(lambda a, b: a + share * (b - a), seen.sites, wanted)
        there = look(trial)
        slack = rounding * (1 + jnp.abs(seen.height))
        better = there.height >= seen.height - slack
        # Where nothing says how high it is, a growing gap does.
        share = jnp.where(gap > before, 0.5 * share, jnp.minimum(1.0, 1.5 * share))
        share = jnp.where(better, share, 0.25 * carry[2])
        kept = jax.tree.map(lambda new, old: jnp.where(better, new, old), there, seen)
        # From a place that was not left the gap is as it was.
        return count + 1, kept, share, gap

    first = jnp.zeros((), jnp.int32), look(start), jnp.ones((), dtype), jnp.array(jnp.inf, dtype)
    _, seen, _, gap = jax.lax.while_loop(going, step, first)
    return seen.sites, seen.marginals, gap <= small


def _distance(held: Sites, wanted: Sites, marginals: Marginals) -> jax.Array:
    """The largest change of a site, in units of its marginal: of its slope and its curvature."""
    mean, variance = marginals
    bend = wanted.precision - held.precision
    slope = wanted.linear - held.linear - bend * mean
    return jnp.maximum(
        jnp.max(jnp.abs(bend) * variance), jnp.max(jnp.abs(slope) * jnp.sqrt(variance))
    )
