"""One distribution, or one likelihood, for each state."""

from collections.abc import Sequence
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.distributions import AbstractExponentialFamily, AbstractFamily, Limits, Product
from latentia.distributions.stacks import stack, take
from latentia.potentials import BranchPotential, DiscretePotential
from latentia.typing import Datum, Form, Key, Rows, Scalar, Weights

from .interface import AbstractLearnableLikelihood, Prepared
from .products import Products, SwitchTotals

# With more features than this a block of rows would take hundreds of megabytes.
_MOST_FEATURES = 2**16
# What a row counts for the first guess of a state that it is not assigned to.
_OTHERS = 1e-6


class Switch(AbstractLearnableLikelihood):
    """The state says which distribution x comes from.

    With distributions, z is the state: ``Switch(Gaussian(dim=2), 3)`` for a mixture. With
    likelihoods, z is a pair of the state and the latent variable of that state's likelihood:
    ``Switch(LinearGaussian(dim=9, latent_dim=2), 3)`` under a ``Branching`` prior.

    Args:
        parts: a family or a likelihood; or a sequence of K of them of one kind; or one whose
            parameters have a leading axis of K.
        count: K, if ``parts`` is a single one to be repeated.
    """

    parts: Any

    def __init__(self, parts: Any, count: int | None = None) -> None:
        if isinstance(parts, Sequence):
            parts = stack(parts, "Switch")
        elif count is not None:
            if count < 1:
                raise ValueError(f"count of Switch should be at least 1 state, but is {count}.")
            parts = stack([parts] * count, "Switch")
        if not isinstance(parts, AbstractFamily | AbstractLearnableLikelihood):
            raise TypeError(
                f"parts of Switch should be distributions or likelihoods, but is {parts!r}: write "
                "Switch(Gaussian(dim=2), 3), for instance."
            )
        self.parts = parts

    @property
    def _plain(self) -> bool:
        """Whether the parts are distributions, so that z is the state alone."""
        return isinstance(self.parts, AbstractFamily)

    @property
    def dim(self) -> int:
        return self.parts.dim

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.dim,)

    @property
    def states(self) -> int:
        return jax.tree.leaves(self.parts)[0].shape[0]

    @property
    def quadratic(self) -> bool:
        return False

    def _each(self, ask: Any, *stacked: Any) -> Any:
        """``ask`` of every part, with its share of what is stacked."""
        return jax.vmap(ask)(self.parts, *stacked)

    def sample(self, key: Key, z: Any) -> Datum:
        if self._plain:
            return take(self.parts, z).sample(key)
        state, inner = z
        return take(self.parts, state).sample(key, inner)

    def log_prob(self, x: Datum, z: Any) -> Scalar:
        if self._plain:
            return take(self.parts, z).log_prob(x)
        state, inner = z
        return take(self.parts, state).log_prob(x, inner)

    def potential(self, x: Datum) -> DiscretePotential | BranchPotential:
        return _potential(self._plain, self.parts, x)

    def prepare(self, form: Form) -> Prepared:
        if form is Form.PRODUCTS and isinstance(self.parts, AbstractExponentialFamily):
            centre = jnp.zeros(self.dim, jax.tree.leaves(self.parts)[0].dtype)
            naturals = jax.vmap(lambda part: part.natural(centre))(self.parts)
            return Products(self.parts, naturals, centre)
        return _Prepared(self._each(lambda part: part.prepare(form)), self._plain)

    def safe_products(self, radius: Scalar, missing: bool) -> jax.Array:
        if not isinstance(self.parts, AbstractExponentialFamily):
            return jnp.array(False)
        one = take(self.parts, 0)
        row = jax.ShapeDtypeStruct((self.dim,), jax.tree.leaves(self.parts)[0].dtype)
        if jax.eval_shape(one.features, row, row).size > _MOST_FEATURES:
            return jnp.array(False)
        return jnp.all(self._each(lambda part: part.safe_products(radius, missing)))

    def statistics(self, x: Rows, moments: Any, weight: Weights) -> SwitchTotals:
        return _statistics(self._plain, self.parts, x, moments, weight)

    def maximize(self, statistics: SwitchTotals, limits: Limits) -> Self:
        found = self.parts.maximize(statistics.states, limits)
        # A state without data keeps what it last had.
        some = statistics.mass > 0
        kept = jax.tree.map(
            lambda new, old: jnp.where(some.reshape(-1, *[1] * (new.ndim - 1)), new, old),
            found,
            self.parts,
        )
        return type(self)(kept)

    def restrict(self, limits: Limits) -> Self:
        if self._plain:
            return type(self)(self.parts.restrict(limits))
        return type(self)(self._each(lambda part: part.restrict(limits)))

    def imagine(self, other: Self, weight: Scalar, shares: jax.Array) -> SwitchTotals:
        count = weight * shares
        if self._plain:
            states = self._each(lambda mine, theirs, w: mine.imagine(theirs, w), other.parts, count)
        else:
            one = jnp.ones(1, count.dtype)
            states = self._each(
                lambda mine, theirs, w: mine.imagine(theirs, w, one), other.parts, count
            )
        return SwitchTotals(count, states)

    def expected_log_prob(self, other: Self, shares: jax.Array) -> Scalar:
        if self._plain:
            each = self._each(lambda mine, theirs: mine.expected_log_prob(theirs), other.parts)
        else:
            one = jnp.ones(1, shares.dtype)
            each = self._each(lambda mine, theirs: mine.expected_log_prob(theirs, one), other.parts)
        return shares @ each

    def begin(
        self,
        x: Rows,
        assignment: jax.Array,
        weight: Weights,
        limits: Limits,
        key: Key,
        form: Form = Form.MISSING,
    ) -> Self:
        if not self._plain:
            keys = jax.random.split(key, self.states)
            first = self._each(
                lambda part, a, k: part.begin(x, a[:, None], weight, limits, k, form),
                assignment.T,
                keys,
            )
            return type(self)(first)
        # All other rows count a little, so that a state without data has a guess as well.
        shares = (assignment + _OTHERS).T * weight
        first = Switch(jax.vmap(take(self.parts, 0).guess, (None, 0))(x, shares))

        def improve(_: Any, switch: Any) -> Any:
            return switch.maximize(switch.prepare(form).statistics(x, assignment, weight), limits)

        # Twice: the moments of the second pass are about each state's own mean.
        return type(self)(jax.lax.fori_loop(0, 2, improve, first).parts)

    def possible(self, x: Rows, weight: Weights) -> jax.Array:
        if not self._plain:
            return take(self.parts, 0).possible(x, weight)
        pooled = take(self.parts, 0).guess(x, weight)
        return jax.vmap(pooled.log_prob)(x) > -jnp.inf

    def embed(self, x: Rows) -> jax.Array:
        return take(self.parts, 0).embed(x)

    def units(self, centre: Datum, spread: Datum) -> tuple[Datum, Datum]:
        return take(self.parts, 0).units(centre, spread)

    def affine(self, centre: Datum, scale: Datum) -> Self:
        return type(self)(self._each(lambda part: part.affine(centre, scale)))

    def degenerate(self, limits: Limits) -> jax.Array:
        if self._plain:
            return self.parts.degenerate(limits)
        return self._each(lambda part: part.degenerate(limits)[0])

    def order_keys(self) -> jax.Array:
        leaves = [leaf.reshape(self.states, -1) for leaf in jax.tree.leaves(self.parts)]
        return jnp.concatenate(leaves, axis=1)

    def reorder(self, order: jax.Array) -> Self:
        return type(self)(take(self.parts, order))

    def canonical(self) -> Self:
        return self if self._plain else type(self)(self._each(lambda part: part.canonical()))

    def degrees_of_freedom(self, states: int) -> int:
        return take(self.parts, 0).degrees_of_freedom(self.states * states)

    def describe(self) -> str:
        part = take(self.parts, 0)
        if not self._plain:
            return f"Switch of {self.states}, each {part.describe()}"
        size = f"{self.dim} column{'s' if self.dim > 1 else ''}"
        return f"Switch of {self.states} {_name(part)} in {size}"


class _Prepared(eqx.Module):
    """A switch of prepared parts."""

    parts: Any
    plain: bool = eqx.field(static=True)

    def select(self, states: jax.Array) -> "_Prepared":
        """The same of some of the states."""
        return _Prepared(take(self.parts, states), self.plain)

    def potential(self, x: Datum) -> DiscretePotential | BranchPotential:
        return _potential(self.plain, self.parts, x)

    def statistics(self, x: Rows, moments: Any, weight: Weights) -> SwitchTotals:
        return _statistics(self.plain, self.parts, x, moments, weight)

    def finish(self, totals: SwitchTotals) -> SwitchTotals:
        return totals


def _potential(plain: bool, parts: Any, x: Datum) -> DiscretePotential | BranchPotential:
    if plain:
        return DiscretePotential(jax.vmap(lambda part: part.log_prob(x))(parts))
    inner = jax.vmap(lambda part: part.potential(x))(parts)
    count = jax.tree.leaves(inner)[0].shape[0]
    return BranchPotential(inner, jnp.zeros(count, x.dtype))


def _statistics(plain: bool, parts: Any, x: Rows, moments: Any, weight: Weights) -> SwitchTotals:
    if plain:
        shared = moments * weight[:, None]
        states = jax.vmap(lambda part, w: part.statistics(x, w), (0, 1))(parts, shared)
    else:
        shared = moments.branch * weight[:, None]
        states = jax.vmap(lambda part, inner, w: part.statistics(x, inner, w), (0, 1, 1))(
            parts, moments.inner, shared
        )
    return SwitchTotals(jnp.sum(shared, axis=0), states)


def _name(part: Any) -> str:
    if isinstance(part, Product):
        return f"Product({', '.join(_name(inner) for inner in part.parts)})"
    return type(part).__name__
