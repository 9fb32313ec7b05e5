"""Drawing latent variables that covariates drive."""

from functools import singledispatch
from typing import Any

import jax

from latentia.typing import Key

from .driven_gaussian_chain import DrivenGaussianChain
from .driven_markov_chain import DrivenMarkovChain


@singledispatch
def sample_latent(prior: Any, key: Key, given: jax.Array) -> Any:
    """Draw one z, for the covariates ``[P]``, or ``[T, P]``: most priors do without."""
    return prior.sample(key)


@sample_latent.register(DrivenMarkovChain)
@sample_latent.register(DrivenGaussianChain)
def _(prior: Any, key: Key, given: jax.Array) -> Any:
    return prior.sample_given(key, given[:, -prior.covariates :])
