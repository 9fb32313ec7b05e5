"""Choosing the sizes of an estimator: candidates are fitted together, and the best is kept."""

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from latentia.data.interface import AbstractPartitions
from latentia.data.table import Table
from latentia.selection import Selection, compare
from latentia.selection.candidates import Candidate
from latentia.selection.partitioned import compare_partitioned

from .mixture_shell import AbstractMixtureEstimator
from .parameters import seed_of
from .running import learner_of, settle
from .validation import column_names, read_sample_weight


def choose(
    estimator: Any,
    X: Any,
    grid: Mapping[str, Sequence[Any]],
    *,
    criterion: str = "bic",
    sample_weight: Any = None,
    folds: int = 5,
    watch: Callable[[int, int], None] | None = None,
) -> tuple[Any, Selection]:
    """Fit an estimator with every combination of some parameters, and keep the best.

    Args:
        estimator: it gives all other parameters; it is not changed.
        X: the data, as for its ``fit``.
        grid: values for ``n_components``, ``n_factors``, ``n_dimensions`` and ``covariance_type``.
        criterion: "bic", "aic", "icl" or "held_out".
        sample_weight: ``[N]``, not negative.
        folds: for "held_out".
        watch: told now and then how many candidates are done, and of how many.

    Returns:
        A fitted estimator with the best parameters, and the ``Selection``.

    Raises:
        ValueError: if no candidate can be chosen; the message has the reason.
    """
    template, read = _prepared(estimator, X)
    values = read.astype(np.float64, copy=False)
    weight = read_sample_weight(sample_weight, values)
    shells, candidates = _candidates(template, values, grid)
    found = compare(
        candidates,
        Table(values, tuple(column_names(template))),
        criterion=criterion,
        weights=weight,
        learner=learner_of(_largest(shells), given=False),
        key=seed_of(template.random_state),
        folds=folds,
        watch=watch,
    )
    if found.index is None and all(fit is None for fit in found.fits):
        raise ValueError(found.table[0]["status"].removeprefix("failed: "))
    best = found.best
    shell = shells[found.index or 0]
    settle(shell, best, read.dtype)
    return shell, found


def choose_partitioned(
    estimator: Any, data: AbstractPartitions, grid: Mapping[str, Sequence[Any]], **options: Any
) -> tuple[Any, Selection]:
    """Fit an estimator with every combination of some parameters to data under an engine.

    Args:
        estimator: of Gaussian columns; it gives all other parameters, and is not changed.
        data: under any engine, with named columns.
        grid: as for ``choose``.
        options: as for ``compare_partitioned``.

    Returns:
        A fitted estimator with the best parameters, and the ``Selection``.

    Raises:
        ValueError: if no candidate can be chosen, or the data cannot be read.
    """
    import pyarrow as pa

    # The first rows tell what the columns are.
    first = next(iter(data.source.batches()))[0]
    names = data.source.columns or ()
    template, read = _prepared(estimator, pa.table(dict(zip(names, first[:1000].T, strict=True))))
    shells, candidates = _candidates(template, read, grid)
    found = compare_partitioned(
        candidates,
        data,
        learner=learner_of(_largest(shells), given=False),
        key=seed_of(template.random_state),
        **options,
    )
    best = found.best
    shell = shells[found.index or 0]
    settle(shell, best, np.dtype(float))
    return shell, found


def model_of(estimator: Any, X: Any) -> Any:
    """The model, not yet fitted, that an estimator of Gaussian columns has for a table like X."""
    template, read = _prepared(estimator, X)
    return _candidates(template, read, {})[1][0].model


def _prepared(estimator: Any, X: Any) -> tuple[Any, np.ndarray]:
    """A copy of an estimator that knows the columns of a table, and its rows."""
    template = copy.deepcopy(estimator)
    if isinstance(template, AbstractMixtureEstimator):
        return template, template._prepare(X)
    return template, template._read(X, reset=True)


def _candidates(
    template: Any, values: np.ndarray, grid: Mapping[str, Sequence[Any]]
) -> tuple[list[Any], list[Candidate]]:
    """A shell and a candidate for each combination of parameters."""
    mixture = isinstance(template, AbstractMixtureEstimator)
    settings = [dict(zip(grid, each, strict=True)) for each in itertools.product(*grid.values())]
    settings.sort(
        key=lambda s: [list(grid[n]).index(v) for n, v in s.items() if n != "n_components"]
    )
    shells = [copy.copy(template).set_params(**setting) for setting in settings]
    models = [shell._begin(values) for shell in shells]
    candidates = [
        _candidate(model[0] if mixture else model, setting, mixture)
        for model, setting in zip(models, settings, strict=True)
    ]
    return shells, candidates


def _largest(shells: list[Any]) -> Any:
    # One component alone may need fewer starts than many do.
    return max(shells, key=lambda shell: getattr(shell, "n_components", 0) or 0)


def _candidate(model: Any, setting: dict[str, Any], mixture: bool) -> Candidate:
    count = setting.get("n_components")
    return Candidate(
        model,
        components=count if mixture else None,
        covariance=setting.get("covariance_type"),
        factors=setting.get("n_factors") if mixture else setting.get("n_dimensions", count),
    )
