"""The verbs for models whose posterior a ladder finds: all data at once, or row by row."""

from typing import Any

import numpy as np

from latentia.likelihoods import AbstractWholeLikelihood
from latentia.model import Route

from .batches import log_evidence
from .ladder import Ladder
from .sites import AbstractSurrogate


def climbs(model: Any, inference: Any) -> bool:
    """Whether a verb's answer comes from a ladder, by the model or because the caller says so."""
    if isinstance(inference, AbstractSurrogate):
        return False
    if inference is not None and not isinstance(inference, Ladder):
        raise TypeError(
            "inference should be a Ladder, or a surrogate such as Variational(), or None, but is "
            f"{inference!r}: other methods follow from the structure of the model."
        )
    return inference is not None or model.route is Route.LADDER


def require_sites(model: Any) -> None:
    """Raise ``ValueError`` unless Gaussian sites can stand for the likelihood of a model."""
    sites = (Route.GRID, Route.POINTS, Route.SURROGATE, Route.SITES)
    if model.route not in sites:
        raise ValueError(
            "inference should be None for this model, since surrogates are for a smooth likelihood "
            "of Gaussian vectors, such as GeneralizedLinear: leave inference out."
        )


def answer_by_climbing(
    model: Any, x: Any, ask: Any, labels: Any, given: Any, ladder: Ladder | None, key: Any
) -> Any:
    """The answer for a whole x, or a list with one for each row of a table."""
    if labels is not None or given is not None:
        raise ValueError(
            "labels and given should be None for a Ladder: put what is known into x, where the "
            "likelihood can use it."
        )
    ladder = Ladder() if ladder is None else ladder
    shape = _datum_shape(model.likelihood)
    if shape is None:
        return ask(ladder.infer(model, x, key))
    rows = np.asarray(x, float)
    if rows.ndim - len(shape) not in (0, 1) or rows.shape[rows.ndim - len(shape) :] != shape:
        raise ValueError(
            f"x should have the shape {list(shape)} of one datum, or a row for each of N data, but "
            f"its shape is {list(rows.shape)}: choose the columns that the model describes."
        )
    if rows.ndim == len(shape):
        return ask(ladder.infer(model, rows, key))
    answers = [ask(ladder.infer(model, row, key)) for row in rows]
    return np.array(answers) if ask is log_evidence else answers


def _datum_shape(likelihood: Any) -> tuple[int, ...] | None:
    whole = isinstance(likelihood, AbstractWholeLikelihood)
    return likelihood.datum_shape if whole else tuple(likelihood.shape)
