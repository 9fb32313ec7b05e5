"""Inference for sequences of any lengths: in groups of about one length, compiled once for each."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from latentia.data.sequences import (
    Group,
    Sequences,
    partly_missing,
    read_sequences,
    read_step_labels,
    sequence_groups,
)
from latentia.precision import precision_of
from latentia.typing import Form

from .batches import Ask, ask_blocks, log_evidence, mode


def is_sequential(model: Any) -> bool:
    """Whether a datum of the model is a sequence of rows, and not a row."""
    return len(model.likelihood.shape) > 1


def answer_sequences(model: Any, x: Any, ask: Ask, labels: Any, inference: Any = None) -> Any:
    """What ``infer``, ``map_estimate`` and ``score`` return for sequences.

    Returns:
        For one table its own answer. Otherwise an array of N log evidences, and of other questions
        a list with the answer for each sequence; or, if ``x`` is an array ``[N, T, D]``, answers
        with a leading axis of N.
    """
    data = read_sequences(x, argument="x")
    require_columns(model, data, "x")
    codes = read_step_labels(labels, data.lengths, model.likelihood.states)
    wide = np.result_type(data.values, *(leaf.dtype for leaf in jax.tree.leaves(model)))
    data = data._replace(values=data.values.astype(wide, copy=False))
    with precision_of(model, data.values):
        answers = for_sequences(model, data, ask, codes, inference)
    pairs = zip(answers, data.lengths, strict=True)
    answers = [_cut(answer, ask, int(length)) for answer, length in pairs]
    # Lists may be ragged, which NumPy does not count the axes of.
    axes = 0 if isinstance(x, list | tuple) else np.ndim(x)
    if axes == 2:
        return answers[0]
    if ask is log_evidence or axes == 3:
        return jax.tree.map(lambda *leaves: np.stack(leaves), *answers)
    return answers


def require_columns(model: Any, data: Sequences, argument: str) -> None:
    """Raise a ValueError if the sequences have other columns than the model."""
    if data.values.shape[1] != model.likelihood.dim:
        raise ValueError(
            f"{argument} should have {model.likelihood.dim} columns, as the model has, but has "
            f"{data.values.shape[1]}: choose the same columns that the model describes."
        )


def _cut(answer: Any, ask: Ask, length: int) -> Any:
    """An answer without what belongs to steps that only fill up."""
    if ask is log_evidence:
        return answer
    if ask is mode:
        return jax.tree.map(lambda leaf: leaf[:length], answer)
    return answer.cut(length)


def for_sequences(
    model: Any,
    data: Sequences,
    ask: Ask,
    labels: np.ndarray | None = None,
    inference: Any = None,
) -> list[Any]:
    """The answer of every sequence's posterior, with NumPy leaves.

    A sequence may have been filled up with missing steps: arrays over its steps are longer than it
    then, and the caller cuts them.

    Args:
        model: a conjugate model.
        data: N sequences.
        ask: as for ``for_rows``.
        labels: ``[R]``, known states of all steps, -1 if unknown.
        inference: the method, if it is not the model's own.
    """
    form = Form.MISSING if partly_missing(data.values) else Form.COMPLETE
    groups = sequence_groups(data, None, labels, dtype=data.values.dtype)
    answers = [
        ask_blocks(
            model,
            group.blocks,
            ask=ask,
            form=form,
            labelled=labels is not None,
            inference=inference,
        )  # fmt: skip
        for group in groups
    ]
    return _unpacked(answers, groups, len(data.lengths))


def _unpacked(answers: Sequence[Any], groups: Sequence[Group], count: int) -> list[Any]:
    """Answers ``[M, B, ...]`` of groups as a list with the answer of each sequence, in order."""
    out: list[Any] = [None] * count
    for answer, group in zip(answers, groups, strict=True):
        leaves, structure = jax.tree.flatten(jax.device_get(answer))
        # By its size, since of a single step there are no moves.
        flat = [leaf.reshape(leaf.shape[0] * leaf.shape[1], *leaf.shape[2:]) for leaf in leaves]
        for place, row in enumerate(group.rows):
            out[row] = jax.tree.unflatten(structure, [np.array(leaf[place]) for leaf in flat])
    return out
