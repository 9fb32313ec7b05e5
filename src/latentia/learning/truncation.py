"""EM for mixtures of many states: each row looks only at the states that can matter to it.

A candidate of a tile of rows is every state whose share of some row may exceed epsilon / K, so that
log p(x) of each row is short by no more than -log(1 - epsilon). States that are far away are told
by an inequality (see ``reach``), and the others by their shares. Between such choices, EM on fixed
candidates climbs a lower bound of the log-likelihood; the choice is made again after 1, 2, 4, 8,
... passes and at the end, where the objective is also computed with all states.
"""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from latentia.data.blocks import AnyBlocks
from latentia.distributions import AbstractFamily
from latentia.latents import Discrete
from latentia.likelihoods import Switch
from latentia.typing import Form

from .em import EM, log_prior
from .reach import nearest, shapes_of, within_reach
from .running import advance, start, step
from .status import Status
from .stopping import no_gains
from .tiles import (
    Bucket,
    Layout,
    Tiles,
    bucket_totals,
    finished,
    in_buckets,
    laid_out,
    prepared,
    screened,
)

logger = logging.getLogger("latentia")

# Rows of one call of ``nearest`` at a time.
_ROWS = 512


def require_truncatable(model: Any, labels: Any, engine: bool = False) -> None:
    """Raise ``ValueError`` if truncation is not for such a fit."""
    mixture = type(model.prior) is Discrete and type(model.likelihood) is Switch
    why = None
    if not mixture or not isinstance(model.likelihood.parts, AbstractFamily):
        why = "for a model that is no mixture, a Discrete prior with a Switch of distributions"
    elif labels is not None:
        why = "with labels, which may name a state that is left out"
    elif engine:
        why = "for a stream or under an engine, in this version: pass a table in memory"
    if why:
        raise ValueError(f"truncation of EM should be 0 {why}.")


class Choice(NamedTuple):
    """Candidates, chosen for a model: the tiles, in buckets; the objective with them; the entropy
    of the posteriors, in total; and ``best [N]``, their modes."""

    tiles: Tiles
    buckets: list[Bucket]
    objective: float
    entropy: float
    best: np.ndarray


class Truncated:
    """The passes of one fit in memory.

    Args:
        learner: with ``truncation``.
        problem: what is maximised.
        values: ``[N, D]``, in the units of the fit.
        weight: ``[N]``.
        data: the same as blocks.
        form: how the likelihood may be evaluated.
        radius: of the data, for ``Form.PRODUCTS``.
    """

    def __init__(
        self,
        learner: EM,
        problem: Any,
        values: np.ndarray,
        weight: np.ndarray,
        data: AnyBlocks,
        form: Form,
        radius: float,
    ) -> None:
        self._learner, self._problem, self._kernel = learner, problem, learner.kernel()
        some = weight > 0
        self._values, self._weight = values[some], weight[some].astype(values.dtype)
        self._data, self._form = jax.device_put(data), form
        self._radius = np.asarray(radius, values.dtype)
        self._missing = bool(np.isnan(values).any())

    def run(
        self, models: Any, watch: Callable[[Any, np.ndarray], bool] | None
    ) -> tuple[Any, np.ndarray, float, Status | None]:
        """From models with a leading axis of 1: states, the trace, the entropy, and how it ended.

        Args:
            watch: called after each pass; a true answer stops the fit.
        """
        state = jax.tree.map(lambda leaf: leaf[0], start(self._kernel, models, self._problem))
        trace: list[float] = []
        ended, fresh = None, False
        choice = self.choose(state.candidate, None)
        try:
            due = 1
            while len(trace) < self._learner.max_iter - 1:
                state = self._pass(state, choice)
                trace.append(float(state.objective))
                if watch is not None and watch(_stacked(state), np.array([trace])):
                    ended = Status.STOPPED
                    break
                if int(state.status) not in (Status.RUNNING, Status.CONVERGED):
                    break
                if int(state.status) == Status.CONVERGED:
                    choice = self.choose(state.model, choice)
                    # What fresh candidates add says whether the old ones were still good.
                    if choice.objective - trace[-1] < self._learner.tol:
                        fresh = True
                        break
                    state = self._resumed(state)
                elif len(trace) == due:
                    due *= 2
                    choice = self.choose(state.candidate, choice)
                    state = self._resumed(state)
            if not fresh:
                # The entropy is that of the last choice, which was for an earlier model.
                choice = self.choose(state.model, choice)
            state = self._exact(state)
            trace.append(float(state.objective))
        except KeyboardInterrupt:
            ended = Status.INTERRUPTED
        return _stacked(state), np.array([trace]), choice.entropy, ended

    def choose(self, model: Any, last: Choice | None) -> Choice:
        """Candidates of all tiles for a model."""
        states = model.prior.states
        likelihood = self._prepared(model)
        shapes = None if self._missing else shapes_of(model.likelihood.parts)
        best = self._nearest(model) if last is None else last.best
        layout, used = laid_out(best, states)
        tiles = jax.device_put(layout.tiles(self._values, self._weight))
        least = float(np.log(self._learner.truncation / states))
        keep = np.ones((len(layout.rows), states), bool)
        if shapes is not None:
            keep = self._within_reach(model, likelihood, best, layout, tiles, used, least)
        order, buckets = in_buckets(keep, used)
        layout, tiles = Layout(layout.rows[order]), jax.tree.map(lambda leaf: leaf[order], tiles)
        keep = np.zeros((len(order), states), bool)
        best = np.zeros(len(self._values), np.int32)
        total = entropy = 0.0
        for bucket in buckets:
            found = jax.device_get(screened(model.prior.weights, likelihood, tiles, bucket))
            some = slice(int(bucket.start), int(bucket.stop))
            rows = layout.rows[some]
            real = rows >= 0
            best[rows[real]] = found.best[some][real]
            total += float(self._weight[rows[real]] @ found.evidence[some][real])
            entropy += float(found.entropy)
            tile, place = np.nonzero(found.share[some] > least)
            whole = bucket.candidates.shape[1] == states
            state = place if whole else bucket.candidates[some][tile, place]
            keep[some.start + tile, state] = True
        logger.info("%.1f of %d states matter to a row", keep[:used].sum() / used, states)
        order, buckets = in_buckets(keep, used)
        tiles = jax.tree.map(lambda leaf: leaf[order], tiles)
        if self._problem.reference is not None:
            prior = _log_prior(model, self._problem.reference)
            total += float(self._problem.strength * prior)
        objective = total / float(self._problem.weight)
        return Choice(tiles, jax.device_put(buckets), objective, entropy, best)

    def _prepared(self, model: Any) -> Any:
        if self._form is Form.PRODUCTS:
            safe = model.likelihood.safe_products(self._radius, missing=False)
            if not bool(safe):
                self._form = Form.COMPLETE
        return prepared(model.likelihood, form=self._form)

    def _nearest(self, model: Any) -> np.ndarray:
        """The first guess of the states: by the distance to the mean of each, if it has one."""
        mean = getattr(model.likelihood.parts, "mean", None)
        count = len(self._values)
        if mean is None or np.shape(mean)[1:] != self._values.shape[1:]:
            return np.zeros(count, np.int32)
        more = np.zeros((-count % _ROWS, self._values.shape[1]), self._values.dtype)
        return np.asarray(nearest(mean, np.concatenate([self._values, more]), size=_ROWS))[:count]

    def _within_reach(
        self, model: Any, likelihood: Any, best: Any, layout: Layout, tiles: Tiles, used: int,
        least: float,
    ) -> np.ndarray:  # fmt: skip
        states = model.prior.states
        # The state of a tile alone bounds the evidence of its rows from below.
        own = best[layout.rows[:used, 0]]
        alone = np.full((len(layout.rows), 1), states, np.int32)
        alone[:used, 0] = own
        bucket = Bucket(alone, np.int32(0), np.int32(used))
        low = screened(model.prior.weights, likelihood, tiles, bucket).evidence
        ends = np.searchsorted(own, np.arange(states + 1)).astype(np.int32)
        return np.array(within_reach(model, tiles, low, ends, least))

    def _pass(self, state: Any, choice: Choice) -> Any:
        model = state.candidate
        likelihood = self._prepared(model)
        parts = [
            bucket_totals(model.prior.weights, likelihood, choice.tiles, bucket)
            for bucket in choice.buckets
        ]
        return step(self._kernel, state, finished(likelihood, parts), self._problem)

    def _resumed(self, state: Any) -> Any:
        """The state under other candidates, by which the objective may be lower by as much as they
        may leave out."""
        epsilon = self._learner.truncation
        return state._replace(
            objective=state.objective + np.log1p(-epsilon).astype(state.objective.dtype),
            gains=no_gains(state.objective.dtype),
            status=np.asarray(Status.RUNNING, np.int32),
        )

    def _exact(self, state: Any) -> Any:
        """The state with the objective of its model, computed with all states."""
        again = start(self._kernel, jax.tree.map(lambda leaf: leaf[None], state.model),
                      self._problem)  # fmt: skip
        options: dict[str, Any] = {"form": self._form, "labelled": False}
        found, _, safe = advance(
            self._kernel, again, self._data, self._problem, np.int32(1), self._radius, **options
        )
        if not bool(np.all(safe)):
            options["form"] = Form.COMPLETE
            found, _, _ = advance(
                self._kernel, again, self._data, self._problem, np.int32(1), self._radius, **options
            )
        return state._replace(objective=found.objective[0], steps=state.steps + 1)


_log_prior = jax.jit(log_prior)


def _stacked(state: Any) -> Any:
    return jax.tree.map(lambda leaf: np.asarray(leaf)[None], state)
