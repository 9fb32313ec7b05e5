"""Statistics of likelihoods for parameters that are fixed; see ``distributions.holding``."""

from typing import Any

import jax
import jax.numpy as jnp

from latentia.distributions.holding import hold

from .linear_gaussian import LinearGaussian
from .per_step import PerStep
from .switch import Switch


@hold.register
def _(part: Switch, statistics: Any, held: Any) -> Any:
    return statistics._replace(states=jax.vmap(hold)(part.parts, statistics.states, held.parts))


@hold.register
def _(part: PerStep, statistics: Any, held: Any) -> Any:
    return hold(part.emission, statistics, held.emission)


@hold.register
def _(part: LinearGaussian, statistics: Any, held: Any) -> Any:
    """A regression in which some coefficients do not change: their equations are taken out."""
    fixed = jnp.concatenate([held.loadings, held.bias[..., None]], axis=-1)
    free = ~fixed
    columns = (*fixed.shape[:-1], *statistics.design.shape[-2:])
    design = jnp.broadcast_to(statistics.design, columns)
    both = free[..., :, None] & free[..., None, :]
    eye = jnp.eye(fixed.shape[-1], dtype=design.dtype)
    return statistics._replace(
        cross=jnp.where(free, statistics.cross, 0.0), design=jnp.where(both, design, eye)
    )
