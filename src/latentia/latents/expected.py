"""What EM needs of a posterior, in a layout that suits many data at once."""

from functools import singledispatch
from typing import Any

import jax
import jax.numpy as jnp

from latentia.numerics import safe_log
from latentia.potentials import AbstractPotential
from latentia.typing import Moments, Probabilities, Scalar

from .discrete import Discrete


@singledispatch
def expected(prior: Any, potential: AbstractPotential) -> tuple[Moments, Scalar]:
    """Moments and log evidence of ``prior.condition(potential)``; not to be differentiated."""
    posterior = prior.condition(potential)
    return posterior.moments, posterior.log_evidence


@expected.register
def _(prior: Discrete, potential: Any) -> tuple[Probabilities, Scalar]:
    return _states(safe_log(prior.weights), potential.log_values)


def _along(prior: jax.Array, values: jax.Array) -> tuple[Probabilities, Scalar]:
    """As of ``Discrete.condition``, with states along the first axis, and data behind them."""
    joint = prior + values
    top = jnp.max(joint, axis=0)
    top = jnp.where(jnp.isfinite(top), top, 0.0)
    evidence = jnp.log(jnp.sum(jnp.exp(joint - top), axis=0)) + top
    explained = evidence > -jnp.inf
    # Where no state explains the datum there is nothing to learn from it.
    shares = jnp.exp(joint - jnp.where(explained, evidence, 0.0))
    mean = jnp.log(jnp.sum(jnp.exp(prior), axis=0))
    return jnp.where(explained, shares, jnp.exp(prior)), evidence - mean


@jax.custom_batching.custom_vmap
def _states(prior: jax.Array, values: jax.Array) -> tuple[Probabilities, Scalar]:
    return _along(prior, values)


@_states.def_vmap
def _many(axis_size: int, batched: Any, prior: jax.Array, values: jax.Array) -> Any:
    if batched == [False, True]:
        # Sums over a few states are quick where these lie apart, and slow where they lie in a row.
        shares, evidence = _along(prior[:, None], values.T)
        return (shares.T, evidence), (True, True)
    axes = tuple(0 if one else None for one in batched)
    return jax.vmap(_along, axes)(prior, values), (True, True)
