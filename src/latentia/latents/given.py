"""Latent variables that covariates drive: their draws and their density."""

from functools import singledispatch
from typing import Any

import jax

from latentia.typing import Key, Scalar

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


@singledispatch
def log_prob_latent(prior: Any, z: Any, x: jax.Array) -> Scalar:
    """The log density or probability of one z, for the covariates behind x if it is driven."""
    return prior.log_prob(z)


@log_prob_latent.register(DrivenMarkovChain)
@log_prob_latent.register(DrivenGaussianChain)
def _(prior: Any, z: Any, x: jax.Array) -> Scalar:
    return prior.log_prob_given(z, x[:, -prior.covariates :])
