"""Covariates in the laws: what a part is given is standard normal, and stands behind its columns.

So x and its covariates have a joint density, which sums and integrals can go over. ``imagine``
makes the same assumption.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from latentia.distributions.given import at, drivers, inputs
from latentia.drawing import draw_given
from latentia.latents import DrivenGaussianChain, DrivenMarkovChain
from latentia.model import LatentVariableModel

# How many steps the laws draw of a chain that does not say.
STEPS = 3


def covariates_of(part: Any) -> int:
    """P, how many of the last columns of a datum are covariates: of a family or a model."""
    return inputs(part.likelihood if isinstance(part, LatentVariableModel) else part)


def described(part: Any, x: Any) -> Any:
    """The columns of x, ``[..., D]``, that the part describes: all but the covariates (a view)."""
    return x[..., : x.shape[-1] - covariates_of(part)]


def apart(part: Any, x: Any) -> tuple[Any, Any]:
    """Data and covariates, as the verbs take them; None for a model without covariates."""
    own = described(part, x)
    return own, x[..., own.shape[-1] :] if covariates_of(part) else None


def silent(part: Any, x: Any) -> Any:
    """A datum with all that is described missing, and the covariates as they are."""
    own, given = described(part, x), x[..., x.shape[-1] - covariates_of(part) :]
    return jnp.concatenate([jnp.full_like(own, jnp.nan), given], axis=-1)


def with_covariates_of(part: Any, x: Any, other: Any) -> Any:
    """A datum beside those covariates of another datum that drive the chain, if any do."""
    count = drivers(part.likelihood)
    if count == 0:
        return x
    return jnp.concatenate([x[..., :-count], other[..., -count:]], axis=-1)


def drawn(part: Any, key: Any) -> Any:
    """One draw of a part: x, or (z, x), with the covariates that it was drawn for behind x."""
    count = covariates_of(part)
    if count == 0:
        return part.sample(key)
    first, second = jax.random.split(key)
    dtype = jax.tree.leaves(part)[0].dtype
    if not isinstance(part, LatentVariableModel):
        given = jax.random.normal(first, (count,), dtype)
        return jnp.concatenate([at(part, given).sample(second), given])
    likelihood: Any = part.likelihood
    shape = (count,) if len(likelihood.shape) == 1 else (steps_of(part.prior), count)
    given = jax.random.normal(first, shape, dtype)
    z, x = draw_given(part, second, None, given, False)
    return z, jnp.concatenate([x, given], axis=-1)


def steps_of(prior: Any) -> int:
    """T, the length of the sequences that the laws draw."""
    if isinstance(prior, DrivenMarkovChain):
        return STEPS
    return prior.chain.length if isinstance(prior, DrivenGaussianChain) else prior.length


def log_normal(part: Any, x: np.ndarray) -> np.ndarray:
    """The log density of the covariates of each row, in float64; zeros where there are none."""
    given = np.asarray(x[..., x.shape[-1] - covariates_of(part) :], float)
    return -0.5 * np.sum(given**2 + np.log(2 * np.pi), axis=-1)
