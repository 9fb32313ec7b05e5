"""Covariates of likelihoods; see ``distributions.given``."""

from typing import Any

import jax

from latentia.distributions.given import at, drivers, inputs
from latentia.typing import Key

from .neural import Neural
from .per_step import PerStep
from .switch import Switch


@inputs.register
def _(part: Switch) -> int:
    return inputs(part.parts)


@inputs.register
def _(part: Neural) -> int:
    return part.inputs


@inputs.register
def _(part: PerStep) -> int:
    return inputs(part.emission) + part.drivers


@drivers.register
def _(part: PerStep) -> int:
    return part.drivers


@at.register
def _(part: Switch, given: jax.Array) -> Switch:
    return Switch(jax.vmap(lambda one: at(one, given))(part.parts))


@at.register
def _(part: Neural, given: jax.Array) -> Neural:
    return part.given(part.standardized(given))


def sample_given(likelihood: Any, key: Key, z: Any, given: jax.Array) -> jax.Array:
    """Draw x for a z and covariates: ``[P]``, or ``[T, P]`` for a sequence."""
    if given.ndim == 1:
        return at(likelihood, given).sample(key, z)
    keys = jax.random.split(key, given.shape[0])
    given = given[:, : inputs(likelihood.emission)]
    return jax.vmap(lambda k, one, u: at(likelihood.emission, u).sample(k, one))(keys, z, given)
