"""A switch of exponential families as two matrix products, one for each step of EM."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.distributions.feature_columns import feature_columns
from latentia.distributions.stacks import take
from latentia.potentials import DiscretePotential
from latentia.typing import Datum, Rows, Weights


class SwitchTotals(NamedTuple):
    """The weight of each state, ``[K]``, and the statistics of each, stacked."""

    mass: jax.Array
    states: Any


class Products(eqx.Module):
    """A switch of exponential families as two matrix products, one for each step of EM."""

    families: Any
    naturals: jax.Array
    centre: jax.Array

    def select(self, states: jax.Array) -> "Products":
        """The same of some of the states."""
        return Products(take(self.families, states), self.naturals[states], self.centre)

    def potential(self, x: Datum) -> DiscretePotential:
        family = take(self.families, 0)
        return DiscretePotential(_log_values(family, self.naturals, self.centre, x))

    def statistics(self, x: Rows, moments: jax.Array, weight: Weights) -> SwitchTotals:
        # Turned round first: a product of two matrices that both lie the wrong way is slow.
        shared = jax.lax.optimization_barrier((moments * weight[:, None]).T)
        features = feature_columns(take(self.families, 0), x, self.centre)
        return SwitchTotals(jnp.sum(shared, axis=1), shared @ features.T)

    def finish(self, totals: SwitchTotals) -> SwitchTotals:
        states = jax.vmap(lambda part, total: part.statistics_of(total, self.centre))(
            self.families, totals.states
        )
        return SwitchTotals(totals.mass, states)


def _one_log_values(family: Any, naturals: jax.Array, centre: Datum, x: Datum) -> jax.Array:
    return _finished(naturals @ family.features(x, centre), family.base(x))


def _finished(logits: jax.Array, base: jax.Array) -> jax.Array:
    # Stand-ins for minus infinity, which a product must not meet, become minus infinity.
    return jnp.where(logits < -1e25, -jnp.inf, logits) + base


@jax.custom_batching.custom_vmap
def _log_values(family: Any, naturals: jax.Array, centre: Datum, x: Datum) -> jax.Array:
    """``[K]``: log p(x) in each state; for many data one matrix product."""
    return _one_log_values(family, naturals, centre, x)


@_log_values.def_vmap
def _many_log_values(axis_size: int, batched: Any, *arguments: Any) -> tuple[jax.Array, bool]:
    family, naturals, centre, x = arguments
    if any(jax.tree.leaves(batched[:3])):
        axes = jax.tree.map(lambda one: 0 if one else None, batched)
        return jax.vmap(_one_log_values, axes)(*arguments), True
    return _log_values_of_rows(family, naturals, centre, x), True


@jax.custom_batching.custom_vmap
def _log_values_of_rows(family: Any, naturals: jax.Array, centre: Datum, x: Rows) -> jax.Array:
    # The barrier keeps the states in rows, which XLA would turn round too early.
    logits = jax.lax.optimization_barrier(naturals @ feature_columns(family, x, centre))
    return _finished(logits, jax.vmap(family.base)(x)).T


@_log_values_of_rows.def_vmap
def _of_sequences(axis_size: int, batched: Any, *arguments: Any) -> tuple[jax.Array, bool]:
    if any(jax.tree.leaves(batched[:3])):
        axes = jax.tree.map(lambda one: 0 if one else None, batched)
        return jax.vmap(_log_values_of_rows.fun, axes)(*arguments), True
    # The steps of many sequences: those of a step lie side by side, as the recursions want them.
    *rest, x = arguments
    rows = jnp.swapaxes(x, 0, 1).reshape(-1, x.shape[-1])
    values = _log_values_of_rows.fun(*rest, rows)
    return jnp.swapaxes(values.reshape(x.shape[1], x.shape[0], -1), 0, 1), True
