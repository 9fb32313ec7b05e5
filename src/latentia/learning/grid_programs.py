"""The compiled programs of a grid: every lane of them is one start of one number of states."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from latentia.data.blocks import Blocks
from latentia.model import LatentVariableModel
from latentia.typing import Form

from .em import Problem
from .reporting import entropy, report, standard_order
from .running import climb


class Solved(NamedTuple):
    """For each of G counts: the best start, its model in both units, and how all S starts ended."""

    index: Any
    model: Any
    inner: Any
    entropy: Any
    objective: Any
    status: Any
    degenerate: Any


@jax.jit
def begin(model: Any, data: Blocks, shares: Any, limits: Any, keys: Any, counts: Any) -> Any:
    """First models ``[G S]``; states that are too many are copies of the first one."""
    x, mass = data.x.reshape(-1, data.x.shape[-1]), data.weight.ravel()

    def one(share: Any, key: Any, count: Any) -> Any:
        prior = model.prior.begin(share, mass)
        likelihood = model.likelihood.begin(x, share, mass, limits, jax.random.wrap_key_data(key))
        real = jnp.arange(share.shape[1]) < count
        likelihood = jax.tree.map(
            lambda leaf: jnp.where(real.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, leaf[:1]),
            likelihood,
        )
        return LatentVariableModel(prior, likelihood)

    return jax.lax.map(lambda each: one(*each), (shares, keys, counts))


@partial(jax.jit, static_argnames=("learner", "form"))
def advance(
    learner: Any, states: Any, data: Blocks, problem: Problem, steps: Any, limit: Any, radius: Any,
    *, form: Form,
) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    """As ``running.advance``, one start after the other; and which have no state at the floor."""

    def one(state: Any) -> tuple[Any, Any, Any, Any]:
        # No more passes than are left to this start.
        left = jnp.minimum(steps, limit - state.steps)
        state, trace, safe = climb(
            learner, state, data, problem, left, radius, form=form, labelled=False
        )
        prior, likelihood = state.model.prior, state.model.likelihood
        shrunk = likelihood.degenerate(problem.limits) & (prior.shares() > 0)
        return state, trace, safe, ~jnp.any(shrunk)

    return jax.lax.map(one, states)


@partial(jax.jit, static_argnames=("form",))
def finish(
    states: Any, counts: Any, data: Blocks, limits: Any, centre: Any, scale: Any, *, form: Form
) -> Solved:
    """The best start of every count, and its model in the standard order, surplus states last."""

    def one(group: Any, count: Any) -> Solved:
        found = report(group, limits, centre, scale, canonical=False)
        prior, likelihood = found.model.prior, found.model.likelihood.canonical()
        surplus = jnp.arange(likelihood.states) >= count
        order = standard_order(prior, likelihood, surplus)
        loss = entropy(found.inner, data, form=form, labelled=False)
        return Solved(
            found.index,
            LatentVariableModel(prior.reorder(order), likelihood.reorder(order)),
            found.inner,
            loss,
            found.objective,
            found.status,
            found.degenerate,
        )

    return jax.lax.map(lambda each: one(*each), (states, counts))


@partial(jax.jit, static_argnames=("form",))
def evidence(models: Any, data: Blocks, *, form: Form) -> Any:
    """The log evidence of every row under every model, ``[G, M, B]``."""

    def one(model: Any) -> Any:
        prepared = model.likelihood.prepare(form)

        def row(x: Any) -> Any:
            return model.prior.condition(prepared.potential(x)).log_evidence

        return jax.lax.map(jax.vmap(row), data.x)

    return jax.lax.map(one, models)
