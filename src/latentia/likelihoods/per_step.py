"""The same likelihood at every step of a sequence."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.distributions import Limits
from latentia.distributions.covariates import units_beside
from latentia.distributions.given import inputs
from latentia.potentials import DrivenPotentials, StepPotentials
from latentia.typing import Form, Key, Rows, Scalar, Weights

from .interface import AbstractLearnableLikelihood, Prepared
from .neural import Neural


class PerStep(AbstractLearnableLikelihood):
    """x is a sequence ``[T, D]``; given z, step t of x depends on step t of z alone.

    A step in which every entry is missing says nothing about its z. Sequences of different lengths
    are filled up with such steps.

    Args:
        emission: p(x_t|z_t), such as ``Switch(Poisson(dim=1), 3)`` for a hidden Markov model or a
            ``LinearGaussian`` for a linear dynamical system; or, in a model with an encoder, a
            ``Neural``.
        drivers: P, how many covariates drive the latent chain, such as a ``DrivenMarkovChain`` or a
            ``DrivenGaussianChain``: the last P columns of ``given``, behind those that the emission
            uses itself.
    """

    # A learnable likelihood, or a Neural in a model with an encoder, which EM never asks.
    emission: Any
    drivers: int = eqx.field(static=True)

    def __init__(self, emission: AbstractLearnableLikelihood | Neural, drivers: int = 0) -> None:
        if not isinstance(emission, AbstractLearnableLikelihood | Neural):
            raise TypeError(
                f"emission of PerStep should be a likelihood, but is {emission!r}: write "
                "PerStep(Switch(Poisson(dim=1), 3)), for instance."
            )
        if not isinstance(drivers, int | np.integer) or drivers < 0:
            raise ValueError(
                f"drivers of PerStep should be a number of covariates, but is {drivers!r}."
            )
        self.emission = emission
        self.drivers = int(drivers)

    def _like(self, emission: Any) -> Self:
        return type(self)(emission, self.drivers)

    def _within(self, limits: Limits) -> Limits:
        """Those of the columns of the emission."""
        if self.drivers == 0:
            return limits
        return Limits(self._own(limits.floor), self._own(limits.ridge))

    def _own(self, x: jax.Array) -> jax.Array:
        """The columns of the emission."""
        return x[..., : self.emission.dim]

    @property
    def dim(self) -> int:
        return self.emission.dim + self.drivers

    @property
    def shape(self) -> tuple[int, ...]:
        return (2, self.dim)

    @property
    def states(self) -> int:
        return self.emission.states

    @property
    def quadratic(self) -> bool:
        # In a row it would be, but the steps of a sequence are not exchangeable.
        return False

    def sample(self, key: Key, z: Any) -> jax.Array:
        steps = jax.tree.leaves(z)[0].shape[0]
        return jax.vmap(self.emission.sample)(jax.random.split(key, steps), z)

    def log_prob(self, x: jax.Array, z: Any) -> Scalar:
        return jnp.sum(jax.vmap(self.emission.log_prob)(self._own(x), z))

    def potential(self, x: jax.Array) -> StepPotentials | DrivenPotentials:
        return self.driven(_potential(self.emission, self._own(x), inputs(self.emission)), x)

    def driven(self, potentials: StepPotentials, x: jax.Array) -> StepPotentials | DrivenPotentials:
        """The evidence of a sequence and, if there are any, the covariates that drive it."""
        if self.drivers == 0:
            return potentials
        return DrivenPotentials(potentials.steps, jnp.nan_to_num(x[..., self.emission.dim :]))

    def prepare(self, form: Form) -> Prepared:
        whole = form is Form.WHOLE
        return _Prepared(self, self.emission.prepare(Form.COMPLETE if whole else form), whole)

    def safe_products(self, radius: Scalar, missing: bool) -> jax.Array:
        return self.emission.safe_products(radius, missing)

    def statistics(self, x: jax.Array, moments: Any, weight: Weights) -> Any:
        return _statistics(self.emission, self._own(x), moments, weight, inputs(self.emission))

    def maximize(self, statistics: Any, limits: Limits) -> Self:
        return self._like(self.emission.maximize(statistics, self._within(limits)))

    def restrict(self, limits: Limits) -> Self:
        return self._like(self.emission.restrict(self._within(limits)))

    def imagine(self, other: Self, weight: Scalar, shares: jax.Array) -> Any:
        return self.emission.imagine(other.emission, weight, shares)

    def expected_log_prob(self, other: Self, shares: jax.Array) -> Scalar:
        return self.emission.expected_log_prob(other.emission, shares)

    def begin(
        self,
        x: Rows,
        assignment: jax.Array,
        weight: Weights,
        limits: Limits,
        key: Key,
        form: Form = Form.MISSING,
    ) -> Self:
        """As of the emission: for a start the steps are rows in no order."""
        own, limits = self._own(x), self._within(limits)
        return self._like(self.emission.begin(own, assignment, weight, limits, key, form))

    def possible(self, x: Rows, weight: Weights) -> jax.Array:
        return self.emission.possible(self._own(x), weight)

    def embed(self, x: Rows) -> jax.Array:
        return self.emission.embed(self._own(x))

    def units(self, centre: jax.Array, spread: jax.Array) -> tuple[jax.Array, jax.Array]:
        return units_beside(self.emission.units(self._own(centre), self._own(spread)), self.drivers)

    def affine(self, centre: jax.Array, scale: jax.Array) -> Self:
        return self._like(self.emission.affine(self._own(centre), self._own(scale)))

    def degenerate(self, limits: Limits) -> jax.Array:
        return self.emission.degenerate(self._within(limits))

    def order_keys(self) -> jax.Array:
        return self.emission.order_keys()

    def reorder(self, order: jax.Array) -> Self:
        return self._like(self.emission.reorder(order))

    def canonical(self) -> Self:
        # Only states are put in order: a rotated latent space would change the prior's dynamics.
        return self

    def degrees_of_freedom(self, states: int) -> int:
        return self.emission.degrees_of_freedom(states)

    def describe(self) -> str:
        driven = ""
        if self.drivers:
            driven = f"; covariates of the chain: {self.drivers}"
        return f"at every step {self.emission.describe()}{driven}"


class _Prepared(eqx.Module):
    """A prepared emission, at every step."""

    likelihood: PerStep
    emission: Any
    whole: bool = eqx.field(static=True)

    def potential(self, x: jax.Array) -> StepPotentials | DrivenPotentials:
        own = self.likelihood._own(x)
        if self.whole:
            # What is not a matter of x stays one for all sequences.
            return self.likelihood.driven(StepPotentials(jax.vmap(self.emission.potential)(own)), x)
        given = inputs(self.likelihood.emission)
        return self.likelihood.driven(_potential(self.emission, own, given), x)

    def statistics(self, x: jax.Array, moments: Any, weight: Weights) -> Any:
        given = inputs(self.likelihood.emission)
        return _statistics(self.emission, self.likelihood._own(x), moments, weight, given)

    def finish(self, totals: Any) -> Any:
        return self.emission.finish(totals)


def _filled(x: jax.Array, given: int) -> tuple[jax.Array, jax.Array]:
    """The steps with zeros in place of those that are all missing, and which those are.

    So a sequence that is only filled up, or lacks whole steps, needs no care for single entries.
    The last ``given`` columns are covariates, and do not count.
    """
    empty = jnp.all(jnp.isnan(x[..., : x.shape[-1] - given]), axis=-1)
    return jnp.where(empty[..., None], 0.0, x), empty


def _potential(emission: Any, x: jax.Array, given: int) -> StepPotentials:
    values, empty = _filled(x, given)
    steps = jax.vmap(emission.potential)(values)

    def silent(leaf: jax.Array) -> jax.Array:
        return jnp.where(empty.reshape(-1, *[1] * (leaf.ndim - 1)), 0.0, leaf)

    # Every kind of potential is zero where all its numbers are.
    return StepPotentials(jax.tree.map(silent, steps))


def _statistics(emission: Any, x: jax.Array, moments: Any, weight: Weights, given: int) -> Any:
    values, empty = _filled(x, given)
    each = jnp.where(empty, 0.0, weight[:, None]).ravel()
    steps = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), moments.steps)
    return emission.statistics(values.reshape(-1, x.shape[-1]), steps, each)
