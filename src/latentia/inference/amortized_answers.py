"""What is asked of a model with an encoder: its posteriors of many data, compiled once."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from latentia.data.covariates import joined
from latentia.data.pictures import as_array, read_pictures, require_support
from latentia.distributions.given import inputs
from latentia.likelihoods import Neural, PerStep
from latentia.model import Route
from latentia.networks import AbstractNetwork
from latentia.precision import is_traced, on_host, precision_of

from .amortized import parts_of_model
from .batches import Ask, log_evidence, mode
from .structured_data import lengths_of, read_structured

# So many data are asked at once, at most.
_AT_ONCE = 256
# The draws of a block decode to about so many entries: what their networks hold stays near the
# processor, and below the size from which memory is returned to the system after each block.
_ENTRIES = 2**18


def is_deep(model: Any) -> bool:
    """Whether z is inferred by an encoder."""
    return model.route is Route.AMORTIZED


def networks_in(model: Any) -> list[Any]:
    """All networks of a model."""

    def is_network(part: Any) -> bool:
        return isinstance(part, AbstractNetwork)

    return [p for p in jax.tree.leaves(model, is_leaf=is_network) if is_network(p)]


def narrowed(model: Any) -> Any:
    """The model in the precision of its networks, which other parts would widen."""
    dtype = np.result_type(*(leaf.dtype for leaf in jax.tree.leaves(networks_in(model))))
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if is_traced(leaf) else
                        np.asarray(leaf, dtype), model)  # fmt: skip


def read_data(
    model: Any, x: Any, argument: str, *, complete: bool | None = None
) -> tuple[np.ndarray, bool]:
    """Data as the model takes them, ``[N, *shape]``, and whether it was one datum.

    With ``complete`` no entry may be missing: by default if the encoder cannot see which are.
    """
    complete = not model.inference.masked if complete is None else complete
    likelihood = model.likelihood
    if not isinstance(likelihood, Neural):
        values, single = read_structured(model, x, argument, complete)
        return values.astype(_dtype(model)), single
    values, single = read_pictures(x, likelihood.shape, argument)
    require_support(values, likelihood.family, np.asarray(likelihood.unit), argument)
    if complete and np.isnan(values).any():
        raise ValueError(
            f"{argument} should have no missing entries (NaN), since the encoder cannot see which "
            "are missing: make the model with Amortized(encoder, masked=True)."
        )
    return values.astype(_dtype(model)), single


def read_rows(
    model: Any, x: Any, given: Any, argument: str, *, complete: bool | None = None
) -> tuple[np.ndarray, bool]:
    """The same with covariates behind each datum, ``[N, D + P]``, if the model uses any."""
    values, single = read_data(model, x, argument, complete=complete)
    count = inputs(model.likelihood)
    if count == 0:
        if given is not None:
            raise ValueError("given should be None: no part of this model uses covariates.")
        return values, single
    inner = np.asarray(given)[None] if single and given is not None else given
    rows = joined(values.reshape(len(values), -1), inner, count, argument, always=True)
    return rows.astype(values.dtype), single


def answer_amortized(model: Any, x: Any, ask: Ask, labels: Any = None, given: Any = None) -> Any:
    """The answer for one datum or for many, with a leading axis of N; see ``infer``."""
    if labels is not None:
        raise ValueError("labels should be None, since this model has no states to be labelled.")
    model = narrowed(model)
    if is_traced(model, x):
        return _traced(model, x, ask)
    # The encoder only says where the way uphill begins, so a mode may have missing entries.
    complete = False if ask is mode else None
    values, single = read_rows(model, x, given, "x", complete=complete)
    # Posteriors may hold networks, so that they are made on the host only if they are asked for.
    question = _mode if ask is mode else _evidence if ask is log_evidence else _posterior
    most = _AT_ONCE if ask is mode else _rows_at_once(model, values)
    with precision_of(model):
        found = on_host(in_blocks(partial(question, model), values, most=most))
    answer = ask(_climbing(model, found)) if question is _posterior else found
    if single:
        return jax.tree.map(lambda leaf: leaf[0], answer)
    return _each(answer, ask, x) if isinstance(model.likelihood, PerStep) else answer


def posterior_means(model: Any, x: Any, given: Any = None) -> np.ndarray:
    """The ``mean`` of ``infer``, ``[N, ...]``: nothing is decoded where an encoder says it."""
    model = narrowed(model)
    values, single = read_rows(model, x, given, "x")
    with precision_of(model):
        found = on_host(in_blocks(partial(_means, model), values))
    return found[0] if single else found


def _rows_at_once(model: Any, values: np.ndarray) -> int:
    each = model.inference.draws * values[0].size
    return min(_AT_ONCE, max(1, _ENTRIES // each))


def _each(answers: Any, ask: Ask, x: Any) -> Any:
    """Of a list of sequences a list of answers, without what belongs to steps that fill up."""
    lengths = lengths_of(x)
    if lengths is None or ask is log_evidence:
        return answers
    each = [jax.tree.map(lambda leaf, i=i: leaf[i], answers) for i in range(len(lengths))]
    if ask is mode:
        pairs = zip(each, lengths, strict=True)
        return [jax.tree.map(lambda leaf, n=n: leaf[:n], one) for one, n in pairs]
    return [one.cut(length) for one, length in zip(each, lengths, strict=True)]


def in_blocks(
    question: Callable[..., Any], values: np.ndarray, *others: np.ndarray, most: int = _AT_ONCE
) -> Any:
    """The answers of all rows ``[N, ...]``, asked in blocks of a few different sizes.

    Args:
        question: called with a block of each array.
        values, others: arrays with a leading axis of N.
        most: the most rows of a block.
    """
    size = min(most, 1 << max(len(values) - 1, 0).bit_length())
    answers = []
    for first in range(0, len(values), size):
        rows, *more = (column[first : first + size] for column in (values, *others))
        # Filled up, so that one program serves every block.
        filled = (
            np.concatenate([c, np.repeat(c[:1], size - len(c), axis=0)]) for c in (rows, *more)
        )
        answer = question(*filled)
        answers.append(jax.tree.map(lambda leaf, n=len(rows): np.asarray(leaf)[:n], answer))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *answers)


def _traced(model: Any, x: Any, ask: Ask) -> Any:
    parts = parts_of_model(model)

    def one(datum: Any) -> Any:
        if ask is mode:
            return parts.inference.mode(parts, datum)
        return ask(parts.inference.posterior(parts, datum))

    return one(x) if is_one(model.likelihood, x) else jax.vmap(one)(x)


def is_one(likelihood: Any, x: Any) -> bool:
    """Whether x is one datum, and not many."""
    shape = likelihood.row_shape if isinstance(likelihood, Neural) else likelihood.shape
    return x.ndim == len(shape)


@jax.jit
def _posterior(model: Any, values: jax.Array) -> Any:
    parts = parts_of_model(model)
    return jax.vmap(lambda x: parts.inference.posterior(parts, x))(values)


@jax.jit
def _means(model: Any, values: jax.Array) -> jax.Array:
    parts = parts_of_model(model)
    # What the mean does not depend on, the compiler leaves out.
    return jax.vmap(lambda x: parts.inference.posterior(parts, x).mean)(values)


@jax.jit
def _evidence(model: Any, values: jax.Array) -> jax.Array:
    parts = parts_of_model(model)
    return jax.vmap(lambda x: parts.inference.posterior(parts, x).log_evidence)(values)


@jax.jit
def _mode(model: Any, values: jax.Array) -> jax.Array:
    parts = parts_of_model(model)
    return jax.vmap(lambda x: parts.inference.mode(parts, x))(values)


class _Climb:
    """The way from data to modes, for a posterior that is asked for it later."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self, x: np.ndarray) -> np.ndarray:
        single = is_one(self.model.likelihood, x)
        with precision_of(self.model):
            found = in_blocks(partial(_mode, self.model), x[None] if single else x)
        return found[0] if single else found


def _climbing(model: Any, posterior: Any) -> Any:
    return dataclasses.replace(posterior, climb=_Climb(model))


def decoded(model: Any, z: Any, argument: str = "z", given: Any = None) -> np.ndarray:
    """The x expected for each ``z [N, L]``, and maybe covariates ``[N, P]``, without the noise of
    its entries.

    Raises:
        ValueError: if z has not as many columns as the model has latent dimensions, or is not
            finite.
    """
    values, latent = as_array(z, argument), model.likelihood.latent_dim
    if values.ndim != 2 or values.shape[1] != latent:
        raise ValueError(
            f"{argument} should have {latent} columns, one for each latent dimension, but has the "
            f"shape {values.shape}."
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{argument} should be finite, but has NaN or infinite entries.")
    count = model.likelihood.inputs
    rows = joined(values, given, count, argument, always=True) if count else values
    model = narrowed(model)
    with precision_of(model):
        return on_host(in_blocks(partial(_decoded, model.likelihood), rows.astype(_dtype(model))))


def _dtype(model: Any) -> Any:
    return np.asarray(jax.tree.leaves(model)[0]).dtype


@jax.jit
def _decoded(likelihood: Any, rows: jax.Array) -> jax.Array:
    """For z, or for z with covariates behind it."""
    z, u = rows[:, : likelihood.latent_dim], rows[:, likelihood.latent_dim :]
    if likelihood.inputs == 0:
        return jax.vmap(likelihood.mean)(z)
    shown = likelihood.standardized(u)
    return jax.vmap(lambda z, u: likelihood.given(u).mean(z))(z, shown)
