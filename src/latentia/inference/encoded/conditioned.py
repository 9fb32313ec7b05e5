"""Proposals for latent structures: the prior itself, conditioned on what the encoder says."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.distributions.given import inputs
from latentia.latents import AbstractConjugatePrior, AbstractPrior, AbstractVectorPrior, MarkovChain
from latentia.likelihoods import AbstractConjugateLikelihood, Coded, Neural, PerStep
from latentia.potentials import (
    AbstractPotential,
    DiscretePotential,
    GaussianPotential,
    StepPotentials,
)
from latentia.typing import Key, Moments, Scalar

from .diagonal import LEAST, MOST
from .interface import AbstractEncoded, AbstractPosteriorFamily, Parts, Rates, drawn_fit


class Framed(eqx.Module):
    """A prior of any structure as training takes it: u is z itself."""

    prior: AbstractPrior

    @property
    def dim(self) -> int:
        """1: the rate of a structure is not told apart."""
        return 1

    @property
    def whitened(self) -> bool:
        """Whether u is standard normal."""
        return False

    def place(self, u: Any) -> Any:
        """The z of one u."""
        return u

    def log_prob_at(self, u: Any) -> Scalar:
        """The log density of one u."""
        return self.prior.log_prob(u)


class Conditioned(AbstractEncoded):
    """``posterior``, that of the prior given the ``potential`` that the encoder emits."""

    posterior: Any
    potential: AbstractPotential

    def noise(self, key: Key, shape: tuple[int, ...]) -> jax.Array:
        return jax.random.split(key, shape)

    def at(self, noise: Any) -> Any:
        return self.posterior.sample(noise)

    def log_prob(self, u: Any) -> Scalar:
        return self.posterior.log_prob(u)

    def centre(self) -> tuple[Any, Any]:
        steps = self.potential.steps if isinstance(self.potential, StepPotentials) else None
        if not isinstance(steps, GaussianPotential):
            return None, None
        moments = self.posterior.moments.steps
        return moments.mean, jnp.sqrt(jnp.diagonal(moments.covariance, axis1=-2, axis2=-1))

    def rates(self, prior: Any, u: Any, sticking: bool = False) -> Rates:
        # log q(z) - log p(z) is the potential less its log evidence, so its mean needs no draws.
        said = expected_value(self.potential, self.posterior.moments)
        total = said - self.posterior.log_evidence
        return Rates(total, jnp.full(1, jnp.nan, total.dtype))

    def fit(self, parts: Parts, x: jax.Array, u: Any) -> Scalar:
        likelihood = parts.likelihood
        if speaks_to(parts.prior.prior, likelihood, x):
            return expected_value(likelihood.potential(x), self.posterior.moments)
        if isinstance(likelihood, Coded):
            steps = self.posterior.moments.steps
            return jnp.mean(jax.vmap(lambda u: likelihood.relaxed(x, u, steps))(u))
        return drawn_fit(parts, x, u)


class ConditionedPosterior(AbstractPosteriorFamily):
    """The prior conditioned, by its own algorithm, on a potential that the encoder emits (Johnson
    et al. 2016, equation 10): for structures such as a ``GaussianChain`` or a ``MarkovChain``.

    For a sequence the encoder sees one step at a time, and the algorithm carries what it says of
    one step to the others. The encoder gives K numbers for one of K states, log evidence for each;
    and 2 L for a vector of L numbers, a mean and a precision for each.
    """

    def count(self, prior: Any, likelihood: Any) -> int:
        if isinstance(likelihood, Coded):
            return likelihood.positions * likelihood.codebook.shape[1]
        return len(_sketch(prior)[0])

    def check(self, prior: Any, likelihood: Any) -> None:
        if isinstance(prior, AbstractVectorPrior):
            raise TypeError(
                "family=ConditionedPosterior() should be with a prior of states or of a chain, but "
                f"is with a {type(prior).__name__}: leave family out."
            )
        if not isinstance(prior, AbstractConjugatePrior) or _sketch(prior) is None:
            raise TypeError(
                "inference=Amortized(...) should be with a prior of a real vector, of states, or a "
                f"chain of either, but is with a {type(prior).__name__}: leave inference out."
            )
        if inputs(likelihood):
            raise ValueError(
                "likelihood should be without covariates where the encoder serves a "
                f"{type(prior).__name__}, but uses {inputs(likelihood)}."
            )
        if isinstance(likelihood, Coded):
            _check_codes(prior, likelihood)
            return
        stepwise = isinstance(likelihood, PerStep)
        if stepwise is not _sketch(prior)[1]:
            raise TypeError(
                f"likelihood should be {'a PerStep' if not stepwise else 'of one z'}"
                f", as a {type(prior).__name__} has{'' if stepwise else ' no'} steps, but is "
                f"{likelihood.describe()}."
            )
        _check_language(prior, likelihood)

    def propose(self, parts: Any, numbers: jax.Array, some: jax.Array) -> Conditioned:
        """``numbers [T, C]`` and ``some [T]`` of a sequence; ``[C]`` and ``()`` of all else."""
        prior = parts.prior.prior
        if isinstance(parts.likelihood, Coded):
            potential = parts.likelihood.said(numbers, some)
        else:
            potential = said_by(prior, numbers, some)
        return Conditioned(prior.condition(potential), potential)

    def describe(self) -> str:
        return "the prior conditioned on it, by its own algorithm"


def _check_language(prior: Any, likelihood: Any) -> None:
    """Raise if what the likelihood takes is not what the prior draws."""
    emission = likelihood.emission if isinstance(likelihood, PerStep) else likelihood
    if _sketch(prior)[2] is _discrete:
        x = jax.ShapeDtypeStruct(likelihood.shape, jax.tree.leaves(likelihood)[0].dtype)
        if isinstance(emission, Neural) or not speaks_to(prior, likelihood, x):
            raise TypeError(
                f"likelihood should be one of {prior.states} states, such as a Switch, with a "
                f"{type(prior).__name__}, since draws of states have no slope that an encoder "
                f"could learn from, but is {likelihood.describe()}."
            )
        return
    taken = getattr(emission, "latent_dim", prior.dim)
    if taken != prior.dim:
        raise ValueError(
            f"latent_dim of {type(emission).__name__} should be {prior.dim}, as the prior has "
            f"dimensions, but is {taken}."
        )


def _check_codes(prior: Any, likelihood: Coded) -> None:
    if not isinstance(prior, MarkovChain) or prior.states != likelihood.states:
        raise ValueError(
            f"prior of codes should be a MarkovChain of {likelihood.states} states, as there are "
            f"codes, but is {prior.describe()}."
        )
    if prior.length != likelihood.positions:
        raise ValueError(
            f"length of MarkovChain should be {likelihood.positions}, as x has codes, but is "
            f"{prior.length}."
        )


def _sketch(prior: Any) -> Any:
    """Numbers of the right size for one z, or for one of its steps, and whether it has steps."""
    for size in sorted({getattr(prior, "states", 0), 2 * getattr(prior, "dim", 0)} - {0}):
        for steps in (False, True):
            numbers = jnp.zeros((2, size) if steps else (size,))
            some = jnp.ones(numbers.shape[:-1], bool)
            for kind in _KINDS:
                if size % 2 and kind is _gaussian:
                    continue
                shape = jax.eval_shape(lambda n, s, k=kind: _stacked(k, n, s), numbers, some)
                if prior.accepts(shape):
                    return numbers[0] if steps else numbers, steps, kind
    return None


def said_by(prior: Any, numbers: jax.Array, some: jax.Array) -> AbstractPotential:
    """The potential that an encoder's numbers are, in the language of the prior."""
    return _stacked(_sketch(prior)[2], numbers, some)


def _stacked(kind: Any, numbers: jax.Array, some: jax.Array) -> AbstractPotential:
    return (
        StepPotentials(jax.vmap(kind)(numbers, some)) if numbers.ndim > 1 else kind(numbers, some)
    )


def _discrete(numbers: jax.Array, some: jax.Array) -> DiscretePotential:
    return DiscretePotential(jnp.where(some, numbers, 0.0))


def _gaussian(numbers: jax.Array, some: jax.Array) -> GaussianPotential:
    mean, precision = numbers.reshape(2, -1)
    # In units of a precision of 1 where the encoder says nothing in particular.
    root = jnp.sqrt(jax.nn.softplus(jnp.clip(precision, LEAST, MOST)))
    root = jnp.where(some, root, 0.0)
    return GaussianPotential(jnp.diag(root), root * mean, jnp.zeros((), root.dtype))


_KINDS = (_discrete, _gaussian)


def speaks_to(prior: Any, likelihood: Any, x: Any) -> bool:
    """Whether the likelihood's own evidence is such that its expectation has a formula."""
    if not isinstance(likelihood, AbstractConjugateLikelihood):
        return False
    evidence = jax.eval_shape(lambda part, x: part.potential(x), likelihood, x)
    return prior.accepts(evidence) and _known(evidence)


def _known(potential: Any) -> bool:
    inner = potential.steps if isinstance(potential, StepPotentials) else potential
    return isinstance(inner, DiscretePotential | GaussianPotential)


def expected_value(potential: Any, moments: Moments) -> Scalar:
    """The mean of a potential over a z with these moments."""
    if isinstance(potential, StepPotentials):
        return jnp.sum(jax.vmap(expected_value)(potential.steps, moments.steps))
    if isinstance(potential, GaussianPotential):
        gap = potential.target - potential.design @ moments.mean
        spread = jnp.sum((potential.design @ moments.covariance) * potential.design)
        return potential.constant - 0.5 * (gap @ gap + spread)
    likely = moments > 0
    values = jnp.where(likely, potential.log_values, 0.0)
    return jnp.sum(jnp.where(likely, moments, 0.0) * values)
