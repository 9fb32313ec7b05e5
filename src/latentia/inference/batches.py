"""Inference for many data: in blocks, compiled once, in the form that the data allow."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from latentia.data.blocks import Blocks, into_blocks
from latentia.typing import Form

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


def for_rows(model: Any, values: np.ndarray, ask: Ask, labels: np.ndarray | None = None) -> Any:
    """The answer of every row's posterior, with NumPy leaves and a leading axis of N.

    Args:
        model: a conjugate model.
        values: ``[N, D]``, NaN where missing.
        ask: one of the functions above (a function of its own for each question, made once, since
            programs are compiled for it).
        labels: ``[N]``, known states, -1 if unknown.
    """
    missing = bool(np.isnan(values).any())
    form = Form.MISSING if missing else Form.COMPLETE
    answers = []
    for first in range(0, len(values), _ROWS):
        part = slice(first, first + _ROWS)
        rows = values[part]
        data = into_blocks(rows, None, None if labels is None else labels[part], dtype=values.dtype)
        answer = ask_blocks(model, data, ask=ask, form=form, labelled=labels is not None)
        answers.append(jax.tree.map(lambda leaf, n=len(rows): _rows(leaf, n), answer))
    if len(answers) == 1:
        return answers[0]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *answers)


@partial(jax.jit, static_argnames=("ask", "form", "labelled"))
def ask_blocks(model: Any, data: Blocks, *, ask: Ask, form: Form, labelled: bool) -> Any:
    """The answers ``[M, B, ...]`` of all data in some blocks."""
    prepared = model.likelihood.prepare(form)

    def one(x: Any, label: Any) -> Any:
        potential = prepared.potential(x)
        if labelled:
            potential = model.prior.label(potential, label)
        return ask(model.prior.condition(potential))

    return jax.lax.map(lambda block: jax.vmap(one)(*block), (data.x, data.label))


def _rows(leaf: Any, count: int) -> np.ndarray:
    array = np.asarray(leaf)
    return np.array(array.reshape(-1, *array.shape[2:])[:count])
