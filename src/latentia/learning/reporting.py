"""From the states of all starts to the one model that is reported."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from latentia.data.blocks import AnyBlocks, parts_of
from latentia.distributions import Limits
from latentia.model import LatentVariableModel
from latentia.precision import precision_of
from latentia.typing import Form

from .status import Status


class Report(NamedTuple):
    """The best start: ``index``, ``model`` in the units of the data, ``inner`` in those of the fit;
    and of every start its objective, status, and whether a component is at the floor."""

    index: Any
    model: Any
    inner: Any
    objective: Any
    status: Any
    degenerate: Any


@partial(jax.jit, static_argnames=("canonical",))
def report(states: Any, limits: Limits, centre: Any, scale: Any, *, canonical: bool) -> Report:
    """Choose the best start: of those that did not fail, and that are not degenerate if any is not.

    Args:
        states: of S starts, with ``model``, ``objective`` and ``status``.
        limits: the floor, in the units of the fit.
        centre: the units of the fit.
        scale: the units of the fit.
        canonical: whether to put states in order and factors in their standard rotation.
    """
    alive = (states.status != Status.FELL) & (states.status != Status.NON_FINITE)
    alive &= jnp.isfinite(states.objective)

    degenerate = shrunk(states.model, limits)
    # With one state a vanishing variance is an edge of the parameters (a Heywood case) and no pole
    # of the likelihood, so the highest start wins and is flagged.
    one = jax.tree.map(lambda leaf: leaf[0], states.model)
    sound = alive if one.likelihood.states == 1 else alive & ~degenerate
    pool = jnp.where(jnp.any(sound), sound, jnp.where(jnp.any(alive), alive, True))
    comparable = jnp.nan_to_num(states.objective, nan=-jnp.inf, neginf=-jnp.inf)
    index = jnp.argmax(jnp.where(pool, comparable, -jnp.inf))
    inner = jax.tree.map(lambda leaf: leaf[index], states.model)
    model = LatentVariableModel(inner.prior, inner.likelihood.affine(centre, scale))
    if canonical:
        model = _canonical(model)
    return Report(index, model, inner, states.objective, states.status, degenerate)


def shrunk(models: Any, limits: Limits) -> Any:
    """Of each of a stack of models, whether a state with any weight is at the floor."""

    def one(model: Any) -> Any:
        return jnp.any(model.likelihood.degenerate(limits) & (model.prior.shares() > 0))

    return jax.vmap(one)(models)


def _canonical(model: Any) -> Any:
    likelihood = model.likelihood.canonical()
    if likelihood.states == 1:
        return LatentVariableModel(model.prior, likelihood)
    order = standard_order(model.prior, likelihood)
    return LatentVariableModel(model.prior.reorder(order), likelihood.reorder(order))


def standard_order(prior: Any, likelihood: Any, *first: jax.Array) -> jax.Array:
    """The places of the states: the largest first, equal ones by their parameters.

    Args:
        first: ``[K]``, what comes before the size, such as whether a state counts at all.
    """
    columns = [key[:, None] for key in (*first, -prior.shares())]
    return _in_order(jnp.concatenate([*columns, likelihood.order_keys()], axis=1))


def _in_order(keys: jax.Array) -> jax.Array:
    """The lexicographic order of rows ``keys [K, Q]``: by stable sorts, the last key first.

    One sort by all keys would be the same, but a comparison of a thousand of them (those of a
    Gaussian of 32 columns) takes the compiler half a minute and gigabytes.
    """

    def by_one(step: jax.Array, order: jax.Array) -> jax.Array:
        column = jax.lax.dynamic_index_in_dim(keys, keys.shape[1] - 1 - step, 1, keepdims=False)
        return order[jnp.argsort(column[order], stable=True)]

    return jax.lax.fori_loop(0, keys.shape[1], by_one, jnp.arange(keys.shape[0]))


class Entropy(NamedTuple):
    """The entropy of the posterior over states of some data, computed when it is called."""

    model: Any
    data: AnyBlocks
    form: Form
    labelled: bool

    def __call__(self) -> float:
        with precision_of(self.model, self.data):
            return float(entropy(self.model, self.data, form=self.form, labelled=self.labelled))


def posterior_entropy(model: Any, data: AnyBlocks, *, form: Form, labelled: bool) -> Any:
    """The total entropy of the posterior over states, for the integrated completed likelihood."""
    prepared = model.likelihood.prepare(form)

    def one(x: Any, label: Any) -> Any:
        potential = prepared.potential(x)
        if labelled:
            potential = model.prior.label(potential, label)
        return model.prior.uninformed(model.prior.condition(potential).moments)

    total = jnp.zeros((), parts_of(data)[0].weight.dtype)
    for part in parts_of(data):

        def add(index: Any, total: Any, part: Any = part) -> Any:
            each = jax.vmap(one)(part.x[index], part.label[index])
            return total + jnp.sum(part.weight[index] * each)

        total = jax.lax.fori_loop(0, part.used, add, total)
    return total


entropy = partial(jax.jit, static_argnames=("form", "labelled"))(posterior_entropy)
