"""Passes of EM over data under some engine: one total and one step each, and checkpoints."""

import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from latentia.data.interface import AbstractPartitions, Units
from latentia.typing import Form

from .checkpoints import CheckpointError, read_checkpoint, write_checkpoint
from .em import EM
from .expectation import expectations
from .fit_result import Fit, FitInterrupted
from .overview import Overview
from .planning import Plan, safe_products
from .reporting import posterior_entropy
from .running import start, step
from .status import Status

logger = logging.getLogger("latentia")


class _Stand(NamedTuple):
    """After a pass: the state, the form in which data are evaluated, and all objectives so far."""

    state: Any
    form: Form
    objectives: list[float]


def signature(model: Any, learner: EM, seed: int) -> str:
    """What tells a fit from others of the same data, in a few letters."""
    # More passes, or another tolerance, go on with the same fit.
    same = replace(learner, checkpoint=None, max_iter=0, tol=0.0)
    leaves, structure = jax.tree.flatten(model)
    digest = hashlib.sha256(f"{structure} {same!r} {seed}".encode())
    for leaf in leaves:
        digest.update(np.asarray(leaf).tobytes())
    return digest.hexdigest()


class Passes:
    """The passes of one fit, and the report on them.

    Args:
        plan: of the fit.
        data: under some engine.
        seen: the overview of the data.
        starts: objectives, statuses and degeneracy of the starts on the sample, or None.
        signature: which fit this is, for the checkpoint.
        form: how data can be evaluated; by default it depends on what is missing.
    """

    def __init__(
        self,
        plan: Plan,
        data: AbstractPartitions,
        seen: Overview,
        starts: Any,
        signature: str,
        form: Form | None = None,
    ) -> None:
        self._form = form
        self._plan, self._data, self._seen, self._starts = plan, data, seen, starts
        self._signature = signature
        self._units = Units(np.asarray(plan.units.centre), np.asarray(plan.units.scale))
        self._offset = float(seen.observed @ np.log(plan.units.scale))
        self._radius = np.asarray(seen.radius(plan.units.centre, plan.units.scale))

    def run(self, models: Any) -> Fit:
        """Run one model, with a leading axis of 1, on all the data, and report."""
        begun = self._begun(models)
        stand, interrupted = begun, False
        try:
            for stand in self._steps(begun):
                value = stand.objectives[-1] - self._offset / self._seen.total
                logger.info("pass %d: log-likelihood per row %.8g", len(stand.objectives), value)
        except KeyboardInterrupt:
            interrupted = True
        try:
            return self._finish(stand, interrupted)
        except FitInterrupted:
            raise
        except KeyboardInterrupt:
            # It came while the entropy was summed.
            return self._finish(stand, True)

    def _begun(self, models: Any) -> _Stand:
        seen, plan = self._seen, self._plan
        form = self._form or (Form.MISSING if seen.missing else Form.COMPLETE)
        if bool(safe_products(models.likelihood, self._radius, seen.missing).all()):
            form = Form.PRODUCTS
        states = start(plan.kernel, models, plan.problem)
        stand = _Stand(jax.tree.map(lambda leaf: leaf[0], states), form, [])
        path = plan.learner.checkpoint
        return self._resumed(path, stand) if path and os.path.exists(path) else stand

    def _steps(self, stand: _Stand) -> Iterator[_Stand]:
        """Where the fit stands after each pass, until the end."""
        state, form, objectives = stand
        plan, data = self._plan, self._data
        while len(objectives) < plan.learner.max_iter and int(state.status) == Status.RUNNING:
            if form is Form.PRODUCTS and not _safe(state.candidate.likelihood, self._radius):
                form = Form.COMPLETE
            static = {"form": form, "labelled": plan.labelled, "inference": plan.kernel.inference}
            totals = data.total(expectations, state.candidate, self._units, **static)
            state = step(plan.kernel, state, totals, plan.problem)
            objectives = [*objectives, float(state.objective)]
            stand = _Stand(state, form, objectives)
            if plan.learner.checkpoint:
                self._save(plan.learner.checkpoint, stand)
            yield stand

    def _finish(self, stand: _Stand, interrupted: bool) -> Fit:
        states = jax.tree.map(lambda leaf: leaf[None], stand.state)
        trace = np.full((1, int(stand.state.steps)), float(stand.state.objective))
        trace[0, : len(stand.objectives)] = stand.objectives

        def loss(inner: Any) -> float:
            if interrupted:
                return np.nan
            data, units = self._data, self._units
            static = {"form": stand.form, "labelled": self._plan.labelled}
            return float(data.total(posterior_entropy, inner, units, **static))

        return self._plan.finish(
            states,
            trace,
            self._starts,
            self._seen.total,
            self._offset,
            loss,
            Status.INTERRUPTED if interrupted else None,
        )

    def _facts(self) -> dict[str, Any]:
        source = self._data.source
        columns = None if source.columns is None else list(source.columns)
        return {"fit": self._signature, "rows": source.rows, "columns": columns}

    def _frame(self) -> list[np.ndarray]:
        """What tells data from others."""
        seen = self._seen
        frame = seen.centre / seen.spread, np.log(seen.spread), seen.observed, seen.total
        return [np.asarray(each) for each in frame]

    def _save(self, path: str, stand: _Stand) -> None:
        arrays = [*self._frame(), np.asarray(stand.objectives), *jax.tree.leaves(stand.state)]
        facts = {**self._facts(), "form": stand.form.name}
        write_checkpoint(path, arrays, facts, "pass")

    def _resumed(self, path: str, stand: _Stand) -> _Stand:
        arrays, facts = read_checkpoint(path)
        form = facts.pop("form", None)
        frame = self._frame()
        state, structure = jax.tree.flatten(stand.state)
        own, (objectives, *leaves) = arrays[: len(frame)], arrays[len(frame) :]
        same = facts == self._facts() and len(own) == len(frame)
        # Sums in another order are the same data, too.
        same = same and all(_close(a, b) for a, b in zip(own, frame, strict=True))
        if not same or [leaf.shape for leaf in leaves] != [np.shape(leaf) for leaf in state]:
            raise CheckpointError(
                f"checkpoint {path!r} is of another fit: of other data, another model, seed or "
                "learner; name another file, or remove this one."
            )
        logger.info("going on after pass %d of the checkpoint %s", len(objectives), path)
        state = jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in leaves])
        return _Stand(state, Form[form], objectives.tolist())


def _close(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-9, atol=1e-9)


@jax.jit
def _safe(likelihood: Any, radius: Any) -> Any:
    return likelihood.safe_products(radius, missing=False)
