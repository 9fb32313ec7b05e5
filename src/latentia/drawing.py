"""Draws of latent variables and data, compiled once."""

from functools import partial
from typing import Any

import jax
import numpy as np

from latentia.distributions.given import drivers, inputs
from latentia.inference.amortized_answers import is_deep
from latentia.latents.given import sample_latent
from latentia.likelihoods import AbstractWholeLikelihood
from latentia.likelihoods.given import sample_given


def covariates(model: Any, given: Any, n: int | None, z: Any) -> np.ndarray:
    """Covariates of one draw, or with a leading axis of n.

    Args:
        model: a model, whose covariates they are.
        given: ``[P]``, or ``[T, P]`` for a sequence; with n draws they may differ.
        n: how many draws, or None for one.
        z: the latent variable to draw x for, or None.

    Raises:
        ValueError: if they are not what the model uses; the message says what it does.
    """
    count = inputs(model.likelihood)
    if count == 0:
        raise ValueError(
            "given should be None, since no part of this model uses covariates: leave it out."
        )
    shape = (*_steps(model, z), count)
    text = (
        f"({', '.join('T' if size < 0 else str(size) for size in shape)}{',' * (len(shape) < 2)})"
    )
    if given is None:
        raise ValueError(
            f"given should hold the {count} covariates that the model uses, but is None: pass an "
            f"array of shape {text}."
        )
    values = _numbers(given)
    own = values.shape[values.ndim - len(shape) :]
    fits = len(own) == len(shape) and all(
        size > 0 and expected in (size, -1) for size, expected in zip(own, shape, strict=True)
    )
    many = values.shape[: values.ndim - len(shape)]
    if not fits or (many and many != (n,)):
        more = "" if n is None else f", or the same with a leading axis of {n}"
        raise ValueError(
            f"given should have the shape {text}{more}, but has {values.shape}: a column for each "
            "covariate, a row for each step of a sequence, and one of these, or n, for n draws."
        )
    return values if n is None or many else np.broadcast_to(values, (n, *values.shape))


def _steps(model: Any, z: Any) -> tuple[int, ...]:
    """T, the steps of a sequence, -1 if any number will do; nothing for a model of rows."""
    if len(model.likelihood.shape) == 1 or is_deep(model):
        return ()
    if z is not None:
        return (len(jax.tree.leaves(z)[0]),)
    if drivers(model.likelihood):
        return (-1,)
    return (jax.tree.leaves(jax.eval_shape(model.prior.sample, jax.random.key(0)))[0].shape[0],)


def _numbers(given: Any) -> np.ndarray:
    values = np.asarray(given)
    real = values.dtype.kind in "biufO"
    try:
        wanted = float if values.dtype.kind == "O" else np.result_type(values, np.float32)
        values = values.astype(wanted, copy=False) if real else values
    except (TypeError, ValueError):
        real = False
    if not real or not np.isfinite(values).all():
        raise ValueError(
            f"given should hold finite numbers, none of them missing, but is {given!r}: fill in "
            "what is missing, and code categories as columns of 0 and 1."
        )
    return values


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
