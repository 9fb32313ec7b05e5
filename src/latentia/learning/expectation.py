"""The E-step: expected statistics, summed over data."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from latentia.data.blocks import Blocks
from latentia.model import LatentVariableModel
from latentia.typing import Form, Scalar, Statistics


class Totals(NamedTuple):
    """What one pass over data leaves: totals for both parts, and the sum of log p(x)."""

    prior: Statistics
    likelihood: Statistics
    log_likelihood: Scalar


def expectations(model: Any, data: Blocks, *, form: Form, labelled: bool) -> Totals:
    """Expected statistics under the posterior of every datum.

    Args:
        model: a ``LatentVariableModel`` that can be learned by EM.
        data: rows with weights and labels.
        form: how the likelihood is evaluated.
        labelled: whether any label is known.
    """
    prepared = model.likelihood.prepare(form)

    def block(index: Any) -> Totals:
        x, weight, label = data.x[index], data.weight[index], data.label[index]
        moments, evidence = _posterior(model, prepared, x, label, labelled)
        # A row without weight says nothing, however unlikely it is.
        total = jnp.sum(jnp.where(weight > 0, weight * evidence, 0.0))
        return Totals(
            model.prior.statistics(moments, weight),
            prepared.statistics(x, moments, weight),
            total,
        )

    if data.x.shape[0] == 1:
        return block(0)

    def add(index: Any, totals: Totals) -> Totals:
        return jax.tree.map(jnp.add, totals, block(index))

    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(block, 0))
    return jax.lax.fori_loop(0, data.used, add, zeros)


def _posterior(model: Any, prepared: Any, x: Any, label: Any, labelled: bool) -> tuple[Any, Any]:
    def one(datum: Any, code: Any) -> tuple[Any, Any]:
        potential = prepared.potential(datum)
        if labelled:
            potential = model.prior.label(potential, code)
        posterior = model.prior.condition(potential)
        return posterior.moments, posterior.log_evidence

    return jax.vmap(one)(x, label)


def maximized(model: Any, totals: Totals, limits: Any) -> Any:
    """The M-step: the model with the highest expected log-likelihood."""
    return LatentVariableModel(
        model.prior.maximize(totals.prior), model.likelihood.maximize(totals.likelihood, limits)
    )
