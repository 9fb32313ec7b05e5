"""Draws of latent variables and data, compiled once."""

from functools import partial
from typing import Any

import jax
import numpy as np

from latentia.latents.given import sample_latent
from latentia.likelihoods import AbstractWholeLikelihood
from latentia.likelihoods.given import sample_given


def covariates(given: Any, count: int, n: int | None) -> np.ndarray:
    """Covariates ``[P]``, or ``[n, P]`` for n draws, or an error that says what is expected."""
    if count == 0:
        raise ValueError("given should be None: no part of this model uses covariates.")
    values = np.asarray(np.nan if given is None else given)
    values = values.astype(np.result_type(values, np.float32), copy=False)
    if values.ndim == 0 or values.shape[-1] != count or np.isnan(values).any():
        raise ValueError(
            f"given should hold the {count} covariates that the model uses, but is {given!r}."
        )
    return values if n is None or values.ndim > 1 else np.tile(values, (n, 1))


@partial(jax.jit, static_argnums=4)
def draw_given(model: Any, keys: Any, z: Any, given: Any, many: bool) -> Any:
    """Pairs of z and x for covariates ``[n, P]``, or one pair."""

    def one(key: Any, inputs: Any) -> Any:
        first, second = jax.random.split(key)
        latent = sample_latent(model.prior, first, inputs) if z is None else z
        return latent, sample_given(model.likelihood, second, latent, inputs)

    return jax.vmap(one)(keys, given) if many else one(keys, given)


@partial(jax.jit, static_argnums=2)
def draw(model: Any, keys: Any, many: bool) -> Any:
    """Pairs of z and x, one for each key, or one pair."""
    return jax.vmap(model.sample)(keys) if many else model.sample(keys)


def draw_x(model: Any, keys: Any, z: Any, many: bool) -> Any:
    """One z, and an x for each key, or one x."""
    if isinstance(model.likelihood, AbstractWholeLikelihood):
        # Raises where z is incomplete, or lies outside of its support.
        model.prior.free(z)
    return _draw_x(model, keys, z, many)


@partial(jax.jit, static_argnums=3)
def _draw_x(model: Any, keys: Any, z: Any, many: bool) -> Any:
    one = model.likelihood.sample
    return z, (jax.vmap(lambda key: one(key, z))(keys) if many else one(keys, z))
