"""The E-step: expected statistics, summed over data."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from latentia.data.blocks import AnyBlocks, Blocks, parts_of
from latentia.inference import AbstractInference, choose_for_fit
from latentia.model import LatentVariableModel
from latentia.typing import Form, Scalar, Statistics

from .holding import held_totals, put_back, tie

# How many blocks are worked on side by side.
_LANES = 2


class Totals(NamedTuple):
    """What one pass over data leaves: totals for both parts, and the sum of log p(x)."""

    prior: Statistics
    likelihood: Statistics
    log_likelihood: Scalar


def expectations(
    model: Any,
    data: AnyBlocks,
    *,
    form: Form,
    labelled: bool,
    inference: AbstractInference | None = None,
) -> Totals:
    """Expected statistics under the posterior of every datum.

    Args:
        model: a ``LatentVariableModel`` that can be learned by EM.
        data: data with weights and labels; several sets of blocks where data differ in shape.
        form: how the likelihood is evaluated.
        labelled: whether any label is known.
        inference: how posteriors are found; by default what ``choose`` says of the model.
    """
    inference = choose_for_fit(model) if inference is None else inference
    prepared = model.likelihood.prepare(form)

    parts = [_of_blocks(model, prepared, inference, part, labelled) for part in parts_of(data)]
    totals = jax.tree.map(lambda *leaves: sum(leaves[1:], leaves[0]), *parts)
    return totals._replace(likelihood=prepared.finish(totals.likelihood))


def _of_blocks(model: Any, prepared: Any, inference: Any, data: Blocks, labelled: bool) -> Totals:
    def block(index: Any) -> Totals:
        x, weight, label = data.x[index], data.weight[index], data.label[index]
        moments, evidence = _posterior(model, prepared, inference, x, label, labelled)
        # A row without weight says nothing, however unlikely it is.
        total = jnp.sum(jnp.where(weight > 0, weight * evidence, 0.0))
        return Totals(
            model.prior.statistics(moments, weight),
            prepared.statistics(x, moments, weight),
            total,
        )

    count = data.x.shape[0]
    if count == 1:
        return block(0)
    return _sum(block, data.used, _LANES if count % _LANES == 0 else 1)


def _sum(block: Any, used: Any, lanes: int) -> Totals:
    """The sum over blocks, several at once: independent operations run side by side."""

    def add(index: Any, sums: Any) -> Any:
        blocks = [block(index * lanes + lane) for lane in range(lanes)]
        return jax.tree.map(lambda total, *parts: total + sum(parts), sums, *blocks)

    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(block, 0))
    # The blocks beyond the last used one have no weight.
    return jax.lax.fori_loop(0, (used + lanes - 1) // lanes, add, zeros)


def _posterior(
    model: Any, prepared: Any, inference: Any, x: Any, label: Any, labelled: bool
) -> tuple[Any, Any]:
    def one(datum: Any, code: Any) -> tuple[Any, Any]:
        potential = prepared.potential(datum)
        if labelled:
            potential = model.prior.label(potential, code)
        return inference.expect(model.prior, potential)

    return jax.vmap(one)(x, label)


def maximized(model: Any, totals: Totals, limits: Any, held: Any = None, tied: Any = None) -> Any:
    """The M-step: the model with the highest expected log-likelihood.

    Args:
        held: which parameters are fixed, as from ``held_mask``, or None.
        tied: which states share, as from ``tied_flags``, or None.
    """
    mine = held_totals(model.likelihood, totals.likelihood, held)
    likelihood = model.likelihood.maximize(mine, limits)
    if tied is not None:
        likelihood = tie(likelihood, tied, totals.likelihood.mass)
    found = LatentVariableModel(model.prior.maximize(totals.prior), likelihood)
    return put_back(held, model, found)
