"""Statistics of likelihoods for parameters that are fixed; see ``distributions.holding``."""

from typing import Any

import jax
import jax.numpy as jnp

from latentia.distributions.holding import hold, without_equations

from .linear_gaussian import LinearGaussian
from .linear_gaussian_regression import LinearGaussianRegression
from .per_step import PerStep
from .scaled import Scaled
from .switch import Switch


@hold.register
def _(part: Switch, statistics: Any, held: Any) -> Any:
    return statistics._replace(states=jax.vmap(hold)(part.parts, statistics.states, held.parts))


@hold.register
def _(part: PerStep, statistics: Any, held: Any) -> Any:
    return hold(part.emission, statistics, held.emission)


@hold.register
def _(part: Scaled, statistics: Any, held: Any) -> Any:
    return hold(part.inner, statistics, held.inner)


@hold.register
def _(part: LinearGaussian, statistics: Any, held: Any) -> Any:
    fixed = jnp.concatenate([held.loadings, held.bias[..., None]], axis=-1)
    return without_equations(statistics, fixed)


@hold.register
def _(part: LinearGaussianRegression, statistics: Any, held: Any) -> Any:
    parts = [held.loadings, held.coefficients, held.bias[..., None]]
    return without_equations(statistics, jnp.concatenate(parts, axis=-1))
