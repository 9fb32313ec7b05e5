"""Mixtures of one family with different numbers of states, fitted by one compiled program.

All are written with as many states as the largest has; what is too many has weight exactly zero,
which EM never changes. The starts of all of them run one after the other inside the program: a
small start that stops by itself is quicker than many that wait for the slowest.
"""

import time
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

import jax
import numpy as np

from latentia.data.blocks import Blocks, into_blocks
from latentia.typing import Form

from .condensing import condense
from .em import EM, Problem
from .fit_result import Fit
from .fitting import SMALL
from .grid_programs import Solved, advance, begin, evidence, finish
from .outcome import outcome
from .partitions import partitions, standardise
from .running import CHUNK, start
from .scaling import column_summary
from .starts import start_kinds
from .status import Status
from .units import units_from

# The distance to the limit at which starts are compared, per row; only the best go on.
_LOOSE = 1e-5
# How long one call of the compiled program may take, so that Ctrl-C is answered soon.
_SECONDS = 0.3


def shares_program(models: Sequence[Any], rows: int, learner: EM) -> bool:
    """Whether models differ in their number of states only, and the data are few enough."""
    if rows > SMALL or learner.pseudo_count > 0 or learner.start == "given":
        return False
    largest = max(models, key=lambda model: model.likelihood.states)
    return all(_shrinks(largest, model) for model in models)


def _shrinks(largest: Any, model: Any) -> bool:
    if jax.tree.structure(largest) != jax.tree.structure(model):
        return False
    count = model.likelihood.states
    leaves = zip(jax.tree.leaves(largest), jax.tree.leaves(model), strict=True)
    unset = [model.prior.shares(), *jax.tree.leaves(model.likelihood)]
    return all(
        np.shape(a)[:1] and np.shape(b) == (count, *np.shape(a)[1:]) for a, b in leaves
    ) and all(np.isnan(np.asarray(leaf)).all() for leaf in unset)


class Grid:
    """Models that differ in their number of states, on the same few data.

    Args:
        models: one for each count of states, without parameters (see ``shares_program``).
        values: ``[N, D]``, NaN where missing.
        weight: ``[N]``.
        learner: how to fit.
        seed: decides every random choice, as for a single fit.
        shared: where first assignments are kept, for other grids on the same data to use.
        watch: told from time to time which share of the starts has ended.
    """

    def __init__(
        self,
        models: Sequence[Any],
        values: np.ndarray,
        weight: np.ndarray,
        learner: EM,
        seed: int,
        shared: MutableMapping[Any, np.ndarray] | None = None,
        watch: Callable[[float], None] | None = None,
    ) -> None:
        self.counts = [model.likelihood.states for model in models]
        self.largest = max(models, key=lambda model: model.likelihood.states)
        self.learner, self.seed, self.values, self.weight = learner, seed, values, weight
        self.rows, self.mass, self.place = condense(values, weight, limit=SMALL, seed=seed)
        summary = column_summary(values, weight)
        self.units, self.points = units_from(
            self.largest.likelihood, *summary, self.rows, learner, values.dtype
        )
        self.form = Form.MISSING if np.isnan(self.rows).any() else Form.COMPLETE
        self.watch = watch
        self.shared = {} if shared is None else shared
        kinds = [start_kinds(count, learner.n_init, learner.start) for count in self.counts]
        self.sizes = [len(kind) for kind in kinds]
        self.kinds = max(kinds, key=len)

    def fits(self) -> list[Fit]:
        """The fit of every model, as ``latentia.fit`` finds it, up to rounding."""
        solved, traces = self._solve(self.mass)
        return [self._fit(solved, traces, i) for i in range(len(self.counts))]

    def held_out(self, folds: np.ndarray) -> np.ndarray:
        """The log-likelihood per unit of weight ``[G]`` of rows that the models were not fitted to.

        Args:
            folds: ``[N]``, the fold of each row; each is left out once.
        """
        assert self.place is not None
        total = np.zeros(len(self.counts))
        scales = ~np.isnan(self.rows) @ np.log(self.units.scale)
        for fold in np.unique(folds):
            out = (folds == fold) & (self.place >= 0)
            left = np.bincount(self.place[out], self.weight[out], len(self.rows))
            solved, _ = self._solve(np.maximum(self.mass - left, 0.0) * (self.mass - left > 1e-12))
            found = evidence(solved.inner, self._blocks(self.mass), form=self.form)
            found = np.asarray(found).reshape(len(self.counts), -1)[:, : len(self.rows)]
            some = left > 0
            total += (found[:, some] - scales[some]) @ left[some]
        seen = ~np.isnan(self.values).all(axis=1)
        return total / self.weight[seen].sum()

    def _blocks(self, mass: np.ndarray) -> Blocks:
        return into_blocks(
            self.rows,
            mass,
            centre=self.units.centre,
            scale=self.units.scale,
            dtype=self.values.dtype,
        )

    def _problem(self, mass: np.ndarray) -> Problem:
        dtype = self.values.dtype
        seen = ~np.isnan(self.rows).all(axis=1)
        total, tol = np.asarray(mass[seen].sum(), dtype), np.asarray(self.learner.tol, dtype)
        return Problem(self.units.limits, total, tol, np.zeros((), dtype), None)

    def _assignments(self, mass: np.ndarray, size: int) -> np.ndarray:
        """First assignments ``[G, S, size, K]``; surplus states and rows get nothing."""
        most = max(self.counts)
        out = np.zeros((len(self.counts), len(self.kinds), size, most), self.values.dtype)
        some = np.flatnonzero(mass > 0)
        points = standardise(self.points[some], mass[some])
        for i, count in enumerate(self.counts):
            key = count, self.kinds, self.seed, points.tobytes(), mass.tobytes()
            if key not in self.shared:
                self.shared[key] = (
                    partitions(points, mass[some], count, self.seed, self.kinds)
                    if count > 1
                    else np.ones((1, len(some), 1))
                )
            out[i, :, some, :count] = np.moveaxis(
                np.broadcast_to(self.shared[key], (len(self.kinds), len(some), count)), 1, 0
            )
        return out

    def _solve(self, mass: np.ndarray) -> tuple[Solved, np.ndarray]:
        data, problem = self._blocks(mass), self._problem(mass)
        shares = self._assignments(mass, data.weight.size)
        count, starts = shares.shape[:2]
        seeds = [np.random.default_rng([self.seed, i, 2]) for i in range(starts)]
        keys = np.stack([rng.integers(0, 2**32, 2, np.uint32) for rng in seeds])
        data = jax.device_put(data)
        models = begin(
            self.largest,
            data,
            shares.reshape(-1, *shares.shape[2:]),
            problem.limits,
            np.tile(keys, (count, 1)),
            np.repeat(self.counts, starts),
        )
        kernel = self.learner.kernel()
        states, traces = self._run(kernel, start(kernel, models, problem), data, problem)
        grouped = jax.tree.map(lambda leaf: leaf.reshape(count, starts, *leaf.shape[1:]), states)
        found = finish(
            grouped, np.array(self.counts), data, problem.limits, self.units.centre,
            self.units.scale, form=self.form,
        )  # fmt: skip
        return jax.device_get(found), traces.reshape(count, starts, -1)

    def _run(
        self, kernel: Any, states: Any, data: Blocks, problem: Problem
    ) -> tuple[Any, np.ndarray]:
        """All starts close to their limits, then all the way those that may be the best."""
        loose = problem._replace(tol=np.maximum(problem.tol, np.asarray(_LOOSE, problem.tol.dtype)))
        climb = _Climb(self, kernel, data)
        states = climb.run(states, loose)
        done = np.full(len(states.status), bool(loose.tol <= problem.tol))
        while True:
            more = ~done & self._finalists(states, climb.sound)
            if not more.any():
                return states, climb.traces
            status = np.where(more, Status.RUNNING, states.status).astype(np.int32)
            states = climb.run(states._replace(status=status), problem)
            done |= more

    def _finalists(self, states: Any, sound: np.ndarray) -> np.ndarray:
        """The starts that ended near the best one of their count."""
        status, ended = np.asarray(states.status), np.asarray(states.objective)
        alive = (status == Status.CONVERGED) & np.isfinite(ended)
        grouped = (len(self.counts), len(self.kinds))
        eligible = (alive & sound).reshape(grouped)
        eligible = np.where(eligible.any(axis=1, keepdims=True), eligible, alive.reshape(grouped))
        height = np.where(eligible, ended.reshape(grouped), -np.inf)
        near = height >= height.max(axis=1, keepdims=True) - 100 * _LOOSE
        return (eligible & near).ravel()

    def _fit(self, solved: Solved, traces: np.ndarray, group: int) -> Fit:
        count, starts = self.counts[group], self.sizes[group]
        found = jax.tree.map(lambda leaf: leaf[group], solved)
        found = found._replace(model=jax.tree.map(lambda leaf: leaf[:count], found.model))
        seen = ~np.isnan(self.values)
        total = float(self.weight[seen.any(axis=1)].sum())
        offset = float(self.weight @ (seen @ np.log(self.units.scale)))
        ended = found.objective[:starts], found.status[:starts], found.degenerate[:starts]
        loss = float(found.entropy) if count > 1 else 0.0
        problem = self._problem(self.mass)
        return outcome(found, traces[group], total, offset, ended, loss, None, problem)


class _Climb:
    """Passes over the data for all starts that are running, in calls of bounded length."""

    def __init__(self, grid: Grid, kernel: Any, data: Blocks) -> None:
        self.grid, self.kernel, self.data = grid, kernel, data
        dtype = grid.values.dtype
        radius = np.sqrt(np.max(np.nansum(np.asarray(data.x) ** 2, axis=-1)))
        self.radius = np.asarray(radius, dtype)
        self.guess = 2e-5 + 4e-9 * data.x.size * max(grid.counts)
        self.traces = np.zeros((len(grid.counts) * len(grid.kinds), 0), dtype)
        self.sound = np.ones(len(self.traces), bool)

    def run(self, states: Any, problem: Problem) -> Any:
        """The states when all have ended. The quick form goes first, while it is exact enough."""
        limit = np.int32(self.grid.learner.max_iter)
        quick = [Form.PRODUCTS] if self.grid.form is Form.COMPLETE else []
        going = _running(states, limit)
        for form in (*quick, self.grid.form):
            safe = going
            while (going & safe).any():
                began = time.perf_counter()
                steps = int(np.clip(_SECONDS / (self.guess * (going & safe).sum()), 1, CHUNK))
                states, *told = advance(
                    self.kernel, states, self.data, problem, np.int32(steps), limit, self.radius,
                    form=form,
                )  # fmt: skip
                trace, safe, self.sound = jax.device_get(told)
                passes = np.isfinite(trace)
                if passes.sum() > 100:
                    self.guess = max((time.perf_counter() - began) / passes.sum(), 1e-6)
                trace = trace[:, : int(passes.any(axis=0).sum())]
                self.traces = np.concatenate([self.traces, trace], axis=1)
                going = _running(states, limit)
                if self.grid.watch is not None:
                    self.grid.watch(1 - going.mean())
        return states


def _running(states: Any, limit: Any) -> np.ndarray:
    return (np.asarray(states.status) == Status.RUNNING) & (np.asarray(states.steps) < limit)
