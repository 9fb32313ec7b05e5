"""Fitting many candidates, in as few compiled programs as possible, and comparing them."""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from latentia.data import encode, infer_items
from latentia.data.sources import is_named, is_stream
from latentia.data.table import Table, read_table, read_weights, require_observed
from latentia.learning import EM, Fit
from latentia.learning.grid import Grid, shares_program
from latentia.learning.table_fitting import on_host_fit
from latentia.precision import precision_of
from latentia.verbs import fit, score

from .candidates import COVARIANCES, Candidate, built, named, numbers
from .selection import CRITERIA, Selection, best_of

Watch = Callable[[int, int], None]


def select(
    data: Any,
    *,
    model: str | Callable[[int], Any] = "gaussian-mixture",
    components: int | Iterable[int] = range(1, 10),
    covariance: str | Sequence[str] = COVARIANCES,
    factors: int | Iterable[int] = range(1, 4),
    criterion: str = "bic",
    weights: Any = None,
    learner: EM = EM(),
    key: int = 0,
    folds: int = 5,
    engine: Any = None,
) -> Selection:
    """Fit candidates of different sizes and choose the best.

    Args:
        data: a table ``[N, D]``; NaN and null are missing. For "latent-class" its values may be
            of any type. Or what ``latentia.fit`` reads under an ``engine``: the path of files, a
            stream, or a Dask collection.
        model: "gaussian-mixture", "factor-analysis", "ppca", "mixture-of-factor-analyzers" or
            "latent-class"; or a function from a number of components to a model whose parameters
            are not set, so that any model of the library can be compared.
        components: the numbers of components.
        covariance: kinds of covariance ("full", "tied", "diag", "spherical") of Gaussian mixtures.
        factors: the numbers of factors of factor models.
        criterion: "bic", "aic" or "icl", of which the lowest is best, or "held_out", the
            log-likelihood of rows left out in cross-validation, of which the highest is.
        weights: ``[N]``, not negative; with a path the name of a column.
        learner: how to fit.
        key: a whole number that decides every random choice.
        engine: as for ``latentia.fit``; candidates are then fitted one after another.
        folds: into how many parts the rows are split, for "held_out".

    Returns:
        A ``Selection``. Degenerate candidates are in its table and never chosen, and a candidate
        that failed is a row of it.
    """
    counts = numbers(components, "components")
    kinds = (covariance,) if isinstance(covariance, str) else tuple(covariance)
    sizes = numbers(factors, "factors")
    levels: list[int] = []
    if engine is not None or is_stream(data) or is_named(data):
        # Loaded here, since few comparisons need it.
        from .partitioned import select_under

        def candidates_for(width: int) -> list[Candidate]:
            if not isinstance(model, str):
                return built(model, counts)
            return named(model, width, counts, sizes, kinds, levels)

        if model == "latent-class":
            raise ValueError(
                "model should be a function under an engine and not 'latent-class', whose levels "
                "are not known before: pass lambda k: a model with Categorical(levels=[...])."
            )
        chosen = "stream" if engine is None else engine
        return select_under(
            chosen, candidates_for, data, weights, criterion=criterion, learner=learner, key=key
        )
    if model == "latent-class":
        schema = infer_items(data, argument="data")
        levels = [len(column.levels or ()) for column in schema.columns]
        table = Table(encode(schema, data, argument="data"), tuple(c.name for c in schema.columns))
    else:
        table = read_table(data)
    require_observed(table)
    if isinstance(model, str):
        candidates = named(model, table.values.shape[1], counts, sizes, kinds, levels)
    else:
        candidates = built(model, counts)
    return compare(
        candidates, table, criterion=criterion, weights=weights, learner=learner, key=key,
        folds=folds,
    )  # fmt: skip


def compare(
    candidates: Sequence[Candidate],
    table: Table,
    *,
    criterion: str = "bic",
    weights: Any = None,
    learner: EM = EM(),
    key: int = 0,
    folds: int = 5,
    watch: Watch | None = None,
) -> Selection:
    """Fit candidates to the same table and compare them; see ``select``.

    Args:
        watch: told now and then how much is done, and of how much.
    """
    if criterion not in CRITERIA:
        raise ValueError(f"criterion should be one of {list(CRITERIA)}, but is {criterion!r}.")
    rows = len(table.values)
    weight = read_weights(weights, rows)
    weight = np.ones(rows) if weight is None else weight
    parts = _folds(rows, folds, key) if criterion == "held_out" else None
    job = _Job(table, weight, learner, key, parts, watch)
    rows_, fits = job.all(candidates)
    return Selection(rows_, fits, criterion, best_of(rows_, criterion))


def _folds(rows: int, folds: int, key: int) -> np.ndarray:
    if not 2 <= folds <= rows:
        raise ValueError(f"folds should be from 2 to the {rows} rows of the data, but is {folds}.")
    return np.random.default_rng([key, 3]).permutation(np.arange(rows) % folds)


class _Stop(Exception):
    """The comparison was interrupted."""


class _Job:
    """One comparison: the data, and what is done so far."""

    def __init__(
        self, table: Table, weight: np.ndarray, learner: Any, key: int, folds: Any, watch: Any
    ) -> None:
        self.table, self.weight, self.learner, self.key = table, weight, learner, key
        self.folds, self.watch = folds, watch
        self.shared: dict[Any, np.ndarray] = {}
        self.stop = threading.Event()
        self.done: dict[int, float] = {}
        self.of = 0

    def all(self, candidates: Sequence[Candidate]) -> tuple[list[dict[str, Any]], list[Fit | None]]:
        """A row and a fit for each candidate."""
        groups = self._groups(candidates)
        self.of = len(candidates)
        answers: dict[int, tuple[dict[str, Any], Fit | None]] = {}
        # Different programs compile and run side by side.
        threads = min(
            len(groups), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
        )
        with ThreadPoolExecutor(max(threads, 1)) as pool:
            waiting = [pool.submit(self._group, i, g, candidates) for i, g in enumerate(groups)]
            try:
                for group, future in zip(groups, waiting, strict=True):
                    answers.update(zip(group, future.result(), strict=True))
            except BaseException:
                self.stop.set()
                for future in waiting:
                    future.cancel()
                raise
        ordered = [answers[i] for i in range(len(candidates))]
        return [row for row, _ in ordered], [found for _, found in ordered]

    def _groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        """Candidates that one program fits, together; the others alone."""
        alike: dict[Any, list[int]] = {}
        for i, candidate in enumerate(candidates):
            alike.setdefault((candidate.covariance, candidate.factors), []).append(i)
        groups = []
        for group in alike.values():
            models = [candidates[i].model for i in group]
            together = len(group) > 1 and shares_program(
                models, len(self.table.values), self.learner
            )
            groups += [group] if together else [[i] for i in group]
        return groups

    def _group(self, number: int, group: list[int], candidates: Sequence[Candidate]) -> list[Any]:
        chosen = [candidates[i] for i in group]
        try:
            if len(group) > 1:
                return self._together(number, chosen)
            return [self._alone(number, chosen[0])]
        except (ValueError, FloatingPointError) as error:
            # A candidate that cannot be fitted is a row of the table, not the end.
            return [(failed_row(candidate, error), None) for candidate in chosen]

    def _tell(self, number: int, amount: float) -> None:
        if self.stop.is_set():
            raise _Stop
        self.done[number] = amount
        if self.watch is not None:
            self.watch(int(sum(self.done.values())), self.of)

    def _together(self, number: int, chosen: list[Candidate]) -> list[Any]:
        values = self.table.values
        with precision_of(values):
            grid = Grid(
                [candidate.model for candidate in chosen],
                values,
                self.weight,
                self.learner,
                self.key,
                self.shared,
                lambda share: self._tell(number, share * len(chosen)),
            )
            fits = [on_host_fit(found, self.table.columns) for found in grid.fits()]
            scores: list[Any] = [None] * len(fits)
            if self.folds is not None:
                scores = grid.held_out(self.folds).tolist()
        return [
            (row_of(candidate, found, score_), found)
            for candidate, found, score_ in zip(chosen, fits, scores, strict=True)
        ]

    def _alone(self, number: int, candidate: Candidate) -> Any:
        self._tell(number, 0)
        values, weight = self.table.values, self.weight
        found = fit(candidate.model, values, weights=weight, learner=self.learner, key=self.key)
        found = on_host_fit(found, self.table.columns)
        value = None if self.folds is None else self._held_out(number, candidate)
        self._tell(number, 1)
        return row_of(candidate, found, value), found

    def _held_out(self, number: int, candidate: Candidate) -> float:
        values, weight = self.table.values, self.weight
        total = 0.0
        for fold in np.unique(self.folds):
            self._tell(number, 0.2)
            out = self.folds == fold
            kept = np.where(out, 0.0, weight)
            part = fit(candidate.model, values, weights=kept, learner=self.learner, key=self.key)
            total += float(weight[out] @ score(part.model, values[out]))
        return total / float(weight[~np.isnan(values).all(axis=1)].sum())


def row_of(candidate: Candidate, found: Fit, held_out: float | None) -> dict[str, Any]:
    """The row of a candidate in the table of a ``Selection``."""
    return {
        **_distinct(candidate),
        "status": found.status.label,
        "log_likelihood": float(found.log_likelihood),
        "degrees_of_freedom": int(found.degrees_of_freedom),
        "bic": float(found.bic),
        "aic": float(found.aic),
        "icl": float(found.icl),
        "held_out": held_out,
    }


def failed_row(candidate: Candidate, error: Exception) -> dict[str, Any]:
    """The row of a candidate that could not be fitted."""
    numbers_ = ("log_likelihood", "degrees_of_freedom", "bic", "aic", "icl", "held_out")
    return {**_distinct(candidate), "status": f"failed: {error}", **dict.fromkeys(numbers_)}


def _distinct(candidate: Candidate) -> dict[str, Any]:
    return {
        "components": candidate.components,
        "covariance": candidate.covariance,
        "factors": candidate.factors,
    }
