"""Whether an encoder fits the prior and the likelihood of a model."""

from typing import Any

import jax
import jax.numpy as jnp

from latentia.latents import AbstractVectorPrior
from latentia.likelihoods import Neural, PerStep

from .encoded import DiagonalPosterior


def check_encoder(inference: Any, prior: Any, likelihood: Any) -> None:
    """Raise if the encoder does not fit the other parts of a model."""
    family = inference.chosen(prior)
    family.check(prior, likelihood)
    if isinstance(prior, AbstractVectorPrior):
        _check_vector(inference, prior, likelihood)
    inner = likelihood.emission if isinstance(likelihood, PerStep) else likelihood
    inputs = likelihood.inputs if isinstance(likelihood, Neural) else 0
    shape, expected = inference.input_shape(inner.shape, inputs), family.count(prior, likelihood)
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    try:
        size = jax.eval_shape(lambda network, x: network(x), inference.encoder, x).size
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"encoder of Amortized should take an array of shape {shape}, but does not "
            f"({str(error).splitlines()[0]}): choose its inputs so."
        ) from error
    if size != expected:
        raise ValueError(
            f"encoder of Amortized should give {expected} numbers, for {family.describe()} of "
            f"z, but gives {size}: choose its outputs so."
        )


def _check_vector(inference: Any, prior: Any, likelihood: Any) -> None:
    if not isinstance(likelihood, Neural):
        raise TypeError(
            "inference=Amortized(...) should be with a Neural likelihood, if the prior is of a "
            f"real vector, but is with a {type(likelihood).__name__}: leave inference out."
        )
    if prior.dim != likelihood.latent_dim:
        raise ValueError(
            f"latent_dim of Neural should be {prior.dim}, as the prior has dimensions, but is "
            f"{likelihood.latent_dim}."
        )
    diagonal = isinstance(inference.chosen(prior), DiagonalPosterior)
    if inference.refinement and not diagonal:
        raise ValueError(
            "refinement of Amortized should be 0 for any other family than "
            f"DiagonalPosterior(), but is {inference.refinement}."
        )
    if not prior.alone and (likelihood.inputs or not diagonal):
        raise ValueError(
            "prior should be made without an encoder where there are covariates, or another "
            f"family than DiagonalPosterior(), but is a {type(prior).__name__}: use a "
            "GaussianLatent, a MixtureLatent or a FlowLatent."
        )
