"""A latent variable model is a pair: p(x, z) = p(z) p(x|z)."""

from enum import StrEnum
from functools import lru_cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.latents import AbstractConjugatePrior, AbstractPrior, AbstractSmoothPrior
from latentia.latents.given import log_prob_latent
from latentia.likelihoods import (
    AbstractConjugateLikelihood,
    AbstractLikelihood,
    AbstractWholeLikelihood,
)
from latentia.potentials import (
    AbstractAdditivePotential,
    AbstractSmoothPotential,
    in_its_place,
    smooth_part,
)
from latentia.typing import Datum, Key, Scalar
from latentia.verdict import Exactness

# Up to so many latent dimensions a grid of z is feasible, and quasi-random points are good enough.
GRID_DIMENSIONS = 3
POINT_DIMENSIONS = 6


class Route(StrEnum):
    """How z can be inferred from x, as the shapes of prior and likelihood allow."""

    EXACT = "exact"  # the prior is conjugate to the likelihood
    BOUND = "bound"  # by an algorithm of the prior that climbs a lower bound of the evidence
    GRID = "grid"  # by sums over a grid of z
    POINTS = "points"  # by sums over quasi-random points of z
    SURROGATE = "surrogate"  # by a Gaussian in place of the likelihood
    SITES = "sites"  # the same, one for each step of a sequence or each branch
    LADDER = "ladder"  # by approximations that importance sampling corrects and judges
    AMORTIZED = "amortized"  # by an encoder network that has learned to
    NONE = "none"


class LatentVariableModel(eqx.Module):
    """p(x, z) = p(z) p(x|z).

    Args:
        prior: p(z), such as ``Discrete(3)`` or ``GaussianLatent(dim=2)``.
        likelihood: p(x|z), such as ``Switch(Gaussian(dim=4), 3)``.
        inference: how to find z, where it has parameters that are learned with the model:
            ``Amortized(encoder)``. By default the algorithm follows from the other two.

    Raises:
        ValueError: if the prior cannot take the evidence that the likelihood gives.
    """

    prior: AbstractPrior
    likelihood: AbstractLikelihood
    inference: Any = None

    def __check_init__(self) -> None:
        if not isinstance(self.prior, AbstractPrior):
            raise TypeError(
                f"prior should be a latent structure, but is {self.prior!r}: write Discrete(3) or "
                "GaussianLatent(dim=2), for instance."
            )
        if not isinstance(self.likelihood, AbstractLikelihood):
            raise TypeError(
                f"likelihood should be a likelihood, but is {self.likelihood!r}: put distributions "
                "into a Switch, for instance Switch(Gaussian(dim=4), 3)."
            )
        if self.inference is not None:
            self.inference.check(self.prior, self.likelihood)
        fits = self.route is not Route.NONE
        if isinstance(self.likelihood, AbstractWholeLikelihood) and not fits:
            raise ValueError(
                "The prior of a likelihood of all the data should be a density of real numbers, "
                f"but is a {type(self.prior).__name__}: write Continuous({{'mu': Normal(0, 5)}}), "
                "for instance."
            )
        if fits or not isinstance(self.prior, AbstractConjugatePrior):
            return
        evidence = _evidence(self.likelihood)
        if smooth_part(evidence) is not None and _is_opaque(evidence):
            raise ValueError(
                "inference should be Amortized(encoder) for the likelihood "
                f"({self.likelihood.describe()}), but is None: no other method infers z of it."  # pyright: ignore
            )
        raise ValueError(
            f"The prior ({self.prior.describe()}) and the likelihood "  # pyright: ignore
            f"({self.likelihood.describe()}) do not fit: the likelihood speaks of "  # pyright: ignore
            f"{_sketch(self.likelihood)}, so give both the same states and latent dimensions."
        )

    @property
    def conjugate(self) -> bool:
        """Whether inference is exact."""
        return self.route is Route.EXACT

    @property
    def route(self) -> Route:
        """The way of inference: read from the shapes of the parts, nothing is computed."""
        if self.inference is not None:
            return Route.AMORTIZED
        if not isinstance(self.likelihood, AbstractConjugateLikelihood):
            return Route.NONE
        conjugate = isinstance(self.prior, AbstractConjugatePrior)
        if not conjugate or isinstance(self.likelihood, AbstractWholeLikelihood):
            smooth = isinstance(self.prior, AbstractSmoothPrior)
            return Route.LADDER if smooth else Route.NONE
        leaves, structure = jax.tree.flatten((self.prior, self.likelihood))
        shapes = tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)
        return _route(structure, shapes)

    def sample(self, key: Key) -> tuple[Any, Datum]:
        """Draw one pair: z from the prior, then x given z."""
        first, second = jax.random.split(key)
        z = self.prior.sample(first)
        return z, self.likelihood.sample(second, z)

    def log_joint(self, x: Datum, z: Any) -> Scalar:
        """Log p(x, z) of one pair; with covariates, which stand behind x, log p(x, z | u)."""
        return log_prob_latent(self.prior, z, x) + self.likelihood.log_prob(x, z)

    def __repr__(self) -> str:
        if self.inference is not None:
            return _told(_deep_lines(self))
        route = self.route
        if not isinstance(self.prior, AbstractConjugatePrior) and route is not Route.LADDER:
            return eqx.tree_pformat(self)
        how = Exactness.LOWER_BOUND if route is Route.BOUND else Exactness.EXACT
        way = _WAYS.get(route) or f"{self.prior.algorithm} ({how})"  # pyright: ignore
        lines = [
            ("p(z)", self.prior.describe()),  # pyright: ignore
            ("p(x|z)", self.likelihood.describe()),  # pyright: ignore
            ("sample", "z from the prior, then x given z"),
            ("infer", way),
            ("map_estimate", "Newton's method" if route in _WAYS else f"{way}, then its mode"),
            ("score", _SCORES.get(route, f"{way}, summed or integrated over z")),
            ("fit", _FITS.get(route, "EM to maximum likelihood")),
        ]
        return _told(lines)


def _told(lines: list[tuple[str, str]]) -> str:
    body = "\n".join(f"  {name:<13}{text}" for name, text in lines)
    return f"LatentVariableModel: p(x, z) = p(z) p(x|z)\n{body}"


def _deep_lines(model: Any) -> list[tuple[str, str]]:
    bound = f"importance-weighted bound with k = {model.inference.draws} draws (estimate)"
    return [
        ("p(z)", model.prior.describe()),
        ("p(x|z)", model.likelihood.describe()),
        ("sample", "z from the prior, then x given z"),
        ("infer", model.inference.describe()),
        ("map_estimate", "uphill from the encoder's mean, by a quasi-Newton method"),
        ("score", bound),
        ("fit", "stochastic gradient to the highest lower bound of the likelihood"),
    ]


_WAYS = {
    Route.GRID: "quadrature on a grid of z, refined to a stated error (approximation)",
    Route.POINTS: "quadrature over quasi-random points of z, with a stated error (approximation)",
    Route.SURROGATE: "Laplace's method, a Gaussian at the mode (approximation)",
    Route.SITES: "Laplace's method, a Gaussian at the mode of each part (approximation)",
    Route.LADDER: "approximations corrected by importance sampling, until one passes (estimate)",
}
_SCORES = {Route.LADDER: "by the same draws"}
_FITS = {
    Route.LADDER: "not yet: infer what is unknown as part of z",
    Route.SITES: "not yet: give it its parameters, and infer z",
    Route.BOUND: "EM to the highest lower bound of the likelihood",
    Route.SURROGATE: "EM to maximum likelihood, z summed over quasi-random points (approximation)",
}


@lru_cache(maxsize=1024)
def _route(structure: Any, shapes: Any) -> Route:
    # Remembered, since a fit makes the same kind of model over and over, also while it is traced.
    prior, likelihood = jax.tree.unflatten(structure, [jax.ShapeDtypeStruct(*s) for s in shapes])
    evidence = _evidence(likelihood)
    if prior.accepts(evidence):
        exact = _exactness(prior, evidence) is Exactness.EXACT
        return Route.EXACT if exact else Route.BOUND
    if smooth_part(evidence) is None or _is_opaque(evidence):
        return Route.NONE
    if not prior.accepts(_sites(evidence)):
        return Route.NONE
    if not isinstance(evidence, AbstractSmoothPotential):
        return Route.SITES
    if evidence.latent_dim <= GRID_DIMENSIONS:
        return Route.GRID
    return Route.POINTS if evidence.latent_dim <= POINT_DIMENSIONS else Route.SURROGATE


def _is_opaque(evidence: Any) -> bool:
    """Whether steps or branches have evidence that only an encoder can learn to answer."""
    additive = isinstance(smooth_part(evidence), AbstractAdditivePotential)
    return not additive and not isinstance(evidence, AbstractSmoothPotential)


def _sites(evidence: Any) -> Any:
    """The evidence, by shapes, with a Gaussian potential in place of its smooth one."""
    part = smooth_part(evidence)

    def expand(part: Any) -> Any:
        return part.expand(jnp.zeros(part.latent_dim))

    def stacked(part: Any) -> Any:
        return jax.vmap(expand)(part) if jnp.ndim(part.base) else expand(part)

    stacks = stacked if isinstance(part, AbstractAdditivePotential) else expand
    return in_its_place(evidence, jax.eval_shape(stacks, part))


def _exactness(prior: Any, evidence: Any) -> Exactness:
    """What the prior's own posteriors say of themselves."""

    # In the precision of the scope, which does not matter here, so that JAX has nothing to warn of.
    def canonical(struct: Any) -> Any:
        return jax.ShapeDtypeStruct(struct.shape, jax.dtypes.canonicalize_dtype(struct.dtype))

    parts = jax.tree.map(canonical, (prior, evidence))
    return jax.eval_shape(lambda prior, given: prior.condition(given), *parts).exactness


def _evidence(likelihood: Any) -> Any:
    dtype = jax.tree.leaves(likelihood)[0].dtype
    datum = jax.ShapeDtypeStruct(likelihood.shape, dtype)
    return jax.eval_shape(lambda part, x: part.potential(x), likelihood, datum)


def _sketch(likelihood: Any) -> str:
    evidence = _evidence(likelihood)
    shapes = [str(tuple(jnp.shape(leaf))) for leaf in jax.tree.leaves(evidence)]
    return f"a {type(evidence).__name__} of shapes {', '.join(shapes)}"
