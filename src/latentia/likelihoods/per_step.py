"""The same likelihood at every step of a sequence."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.distributions import Limits
from latentia.potentials import StepPotentials
from latentia.typing import Form, Key, Rows, Scalar, Weights

from .interface import AbstractLearnableLikelihood, Prepared


class PerStep(AbstractLearnableLikelihood):
    """x is a sequence ``[T, D]``; given z, step t of x depends on step t of z alone.

    A step in which every entry is missing says nothing about its z. Sequences of different lengths
    are filled up with such steps.

    Args:
        emission: p(x_t|z_t), such as ``Switch(Poisson(dim=1), 3)`` for a hidden Markov model or a
            ``LinearGaussian`` for a linear dynamical system.
    """

    emission: AbstractLearnableLikelihood

    def __init__(self, emission: AbstractLearnableLikelihood) -> None:
        if not isinstance(emission, AbstractLearnableLikelihood):
            raise TypeError(
                f"emission of PerStep should be a likelihood, but is {emission!r}: write "
                "PerStep(Switch(Poisson(dim=1), 3)), for instance."
            )
        self.emission = emission

    @property
    def dim(self) -> int:
        return self.emission.dim

    @property
    def shape(self) -> tuple[int, ...]:
        return (2, *self.emission.shape)

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
        return jnp.sum(jax.vmap(self.emission.log_prob)(x, z))

    def potential(self, x: jax.Array) -> StepPotentials:
        return _potential(self.emission, x)

    def prepare(self, form: Form) -> Prepared:
        whole = form is Form.WHOLE
        return _Prepared(self.emission.prepare(Form.COMPLETE if whole else form), whole)

    def safe_products(self, radius: Scalar, missing: bool) -> jax.Array:
        return self.emission.safe_products(radius, missing)

    def statistics(self, x: jax.Array, moments: Any, weight: Weights) -> Any:
        return _statistics(self.emission, x, moments, weight)

    def maximize(self, statistics: Any, limits: Limits) -> Self:
        return type(self)(self.emission.maximize(statistics, limits))

    def restrict(self, limits: Limits) -> Self:
        return type(self)(self.emission.restrict(limits))

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
        return type(self)(self.emission.begin(x, assignment, weight, limits, key, form))

    def possible(self, x: Rows, weight: Weights) -> jax.Array:
        return self.emission.possible(x, weight)

    def embed(self, x: Rows) -> jax.Array:
        return self.emission.embed(x)

    def units(self, centre: jax.Array, spread: jax.Array) -> tuple[jax.Array, jax.Array]:
        return self.emission.units(centre, spread)

    def affine(self, centre: jax.Array, scale: jax.Array) -> Self:
        return type(self)(self.emission.affine(centre, scale))

    def degenerate(self, limits: Limits) -> jax.Array:
        return self.emission.degenerate(limits)

    def order_keys(self) -> jax.Array:
        return self.emission.order_keys()

    def reorder(self, order: jax.Array) -> Self:
        return type(self)(self.emission.reorder(order))

    def canonical(self) -> Self:
        # Only states are put in order: a rotated latent space would change the prior's dynamics.
        return self

    def degrees_of_freedom(self, states: int) -> int:
        return self.emission.degrees_of_freedom(states)

    def describe(self) -> str:
        return f"at every step {self.emission.describe()}"


class _Prepared(eqx.Module):
    """A prepared emission, at every step."""

    emission: Any
    whole: bool = eqx.field(static=True)

    def potential(self, x: jax.Array) -> StepPotentials:
        if self.whole:
            # What is not a matter of x stays one for all sequences.
            return StepPotentials(jax.vmap(self.emission.potential)(x))
        return _potential(self.emission, x)

    def statistics(self, x: jax.Array, moments: Any, weight: Weights) -> Any:
        return _statistics(self.emission, x, moments, weight)

    def finish(self, totals: Any) -> Any:
        return self.emission.finish(totals)


def _filled(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The steps with zeros in place of those that are all missing, and which those are.

    So a sequence that is only filled up, or lacks whole steps, needs no care for single entries.
    """
    empty = jnp.all(jnp.isnan(x), axis=-1)
    return jnp.where(empty[..., None], 0.0, x), empty


def _potential(emission: Any, x: jax.Array) -> StepPotentials:
    values, empty = _filled(x)
    steps = jax.vmap(emission.potential)(values)

    def silent(leaf: jax.Array) -> jax.Array:
        return jnp.where(empty.reshape(-1, *[1] * (leaf.ndim - 1)), 0.0, leaf)

    # Every kind of potential is zero where all its numbers are.
    return StepPotentials(jax.tree.map(silent, steps))


def _statistics(emission: Any, x: jax.Array, moments: Any, weight: Weights) -> Any:
    values, empty = _filled(x)
    each = jnp.where(empty, 0.0, weight[:, None]).ravel()
    steps = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), moments.steps)
    return emission.statistics(values.reshape(-1, x.shape[-1]), steps, each)
