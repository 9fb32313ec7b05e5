"""Drawing latent variables that covariates drive."""

from functools import singledispatch
from typing import Any

import jax

from latentia.typing import Key

from .driven_markov_chain import DrivenMarkovChain


@singledispatch
def sample_latent(prior: Any, key: Key, given: jax.Array) -> Any:
    """Draw one z, for the covariates ``[P]``, or ``[T, P]``: most priors do without."""
    return prior.sample(key)


@sample_latent.register
def _(prior: DrivenMarkovChain, key: Key, given: jax.Array) -> Any:
    return prior.sample_given(key, given[:, -prior.covariates :])
