"""Fitting data in memory by EM: tables, and sequences of rows."""

from dataclasses import replace
from typing import Any

import numpy as np

from latentia.data.table import read_labels, read_table, read_weights, require_observed
from latentia.inference.batches import matching, require_width
from latentia.inference.sequences import is_sequential
from latentia.precision import mended, on_host, precision_of

from .em import EM
from .fit_result import Fit
from .fitting import fit_rows
from .sequence_fitting import fit_any_sequences
from .status import Status


def fit_by_em(model: Any, data: Any, weights: Any, labels: Any, learner: EM, key: int) -> Fit:
    """Maximum likelihood from data in memory; see ``latentia.fit``."""
    if learner.checkpoint is not None:
        raise ValueError(
            "checkpoint should be None for a fit in memory, which has none: pass engine='memory', "
            "or another engine, too."
        )
    if is_sequential(model):
        options = {"weights": weights, "labels": labels, "learner": learner, "seed": key}
        return fit_any_sequences(model, data, **options)
    table = read_table(data)
    require_observed(table)
    require_width(model, table.values, "data")
    weight = read_weights(weights, len(table.values))
    codes = read_labels(labels, len(table.values), model.likelihood.states)
    weight = np.ones(len(table.values)) if weight is None else weight

    def fitted(model: Any, values: np.ndarray) -> Fit:
        with precision_of(model, values):
            values = matching(model, values)
            return on_host_fit(fit_rows(model, values, weight, codes, learner, key), table.columns)

    return mended(fitted, _is_broken, model, table.values)


def _is_broken(fit: Fit) -> bool:
    return fit.status in (Status.NON_FINITE, Status.FELL)


def on_host_fit(fit: Fit, columns: tuple[str, ...] | None) -> Fit:
    """A fit whose model holds NumPy arrays, and the names of the columns."""
    return replace(fit, model=on_host(fit.model), columns=columns)
