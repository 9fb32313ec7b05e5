"""Inference for many data: in blocks, compiled once, in the form that the data allow."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from latentia.data.blocks import Blocks, into_blocks
from latentia.typing import Form

from .auto import choose
from .interface import AbstractRefinable

# Rows that are sent to the device at once.
_ROWS = 65536

Ask = Callable[[Any], Any]


def log_evidence(posterior: Any) -> Any:
    """What ``score`` asks of a posterior."""
    return posterior.log_evidence


def mode(posterior: Any) -> Any:
    """What ``map_estimate`` asks of a posterior."""
    return posterior.mode()


def whole(posterior: Any) -> Any:
    """What ``infer`` asks of a posterior."""
    return posterior


def moments(posterior: Any) -> Any:
    """What learning asks of a posterior."""
    return posterior.moments


def moments_and_evidence(posterior: Any) -> Any:
    """Both at the price of one."""
    return posterior.moments, posterior.log_evidence


def error(posterior: Any) -> Any:
    """What decides whether a method has to be refined."""
    return posterior.error


def for_rows(
    model: Any,
    values: np.ndarray,
    ask: Ask,
    labels: np.ndarray | None = None,
    inference: Any = None,
) -> Any:
    """The answer of every row's posterior, with NumPy leaves and a leading axis of N.

    Args:
        model: with all parameters set.
        values: ``[N, D]``, NaN where missing.
        ask: one of the functions above (a function of its own for each question, made once, since
            programs are compiled for it).
        labels: ``[N]``, known states, -1 if unknown.
        inference: the method, if it is not the model's own.
    """
    missing = bool(np.isnan(values).any())
    form = Form.MISSING if missing else Form.COMPLETE
    inference = choose(model) if inference is None else inference
    if isinstance(inference, AbstractRefinable):
        inference = precise_enough(model, values, inference)
    answers = []
    for first in range(0, len(values), _ROWS):
        part = slice(first, first + _ROWS)
        rows = values[part]
        data = into_blocks(rows, None, None if labels is None else labels[part], dtype=values.dtype)
        answer = ask_blocks(
            model, data, ask=ask, form=form, labelled=labels is not None, inference=inference
        )
        answers.append(jax.tree.map(lambda leaf, n=len(rows): _rows(leaf, n), answer))
    if len(answers) == 1:
        return answers[0]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *answers)


def largest_error(model: Any, values: np.ndarray, inference: AbstractRefinable) -> float:
    """The largest estimated error in the log evidence of any row ``[N, D]``."""
    form, worst = Form.MISSING, 0.0
    for first in range(0, len(values), _ROWS):
        data = into_blocks(values[first : first + _ROWS], dtype=values.dtype)
        # What fills up the blocks is evaluated like data, and is no harder.
        found = ask_blocks(model, data, ask=error, form=form, labelled=False, inference=inference)
        worst = max(worst, float(np.max(found)))
    return worst


def precise_enough(model: Any, values: np.ndarray, inference: Any) -> Any:
    """The method, refined until its error is within its tolerance for every row, if it can be."""
    # Rounding alone is more than that in float32.
    least = 100 * float(np.finfo(values.dtype).eps)
    while largest_error(model, values, inference) > max(inference.tolerance, least):
        finer = inference.refined(model.prior.dim)
        if finer is None:
            break
        inference = finer
    return inference


@partial(jax.jit, static_argnames=("ask", "form", "labelled", "inference"))
def ask_blocks(
    model: Any, data: Blocks, *, ask: Ask, form: Form, labelled: bool, inference: Any = None
) -> Any:
    """The answers ``[M, B, ...]`` of all data in some blocks."""
    inference = choose(model) if inference is None else inference
    prepared = model.likelihood.prepare(form)

    def one(x: Any, label: Any) -> Any:
        potential = prepared.potential(x)
        if labelled:
            potential = model.prior.label(potential, label)
        return ask(inference.condition(model.prior, potential))

    return jax.lax.map(lambda block: jax.vmap(one)(*block), (data.x, data.label))


def _rows(leaf: Any, count: int) -> np.ndarray:
    array = np.asarray(leaf)
    return np.array(array.reshape(-1, *array.shape[2:])[:count])


def require_width(model: Any, values: np.ndarray, argument: str) -> None:
    """Raise ``ValueError`` if ``values [N, D]`` have other columns than the model describes."""
    if values.shape[1] != model.likelihood.dim:
        raise ValueError(
            f"{argument} should have {model.likelihood.dim} columns, as the model has, but has "
            f"{values.shape[1]}: choose the same columns that the model describes."
        )


def matching(model: Any, values: np.ndarray) -> np.ndarray:
    """The data in the wider of their own and the model's precision."""
    return values.astype(
        np.result_type(values, *(leaf.dtype for leaf in jax.tree.leaves(model))), copy=False
    )
