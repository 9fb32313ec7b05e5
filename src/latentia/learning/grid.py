"""Mixtures of one family with different numbers of states, fitted by one compiled program.

All are written with as many states as the largest has; what is too many has weight exactly zero,
which EM never changes. The starts of all of them run one after the other inside the program: a small
start that stops by itself is quicker than many that wait for the slowest.
"""

import time
from collections.abc import Callable, MutableMapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from latentia.data.blocks import Blocks, into_blocks
from latentia.model import LatentVariableModel
from latentia.typing import Form

from .condensing import condense
from .em import EM, Problem
from .expectation import expectations
from .fit_result import Fit
from .fitting import SMALL, units_from
from .partitions import partitions, standardise
from .reporting import entropy, report
from .running import CHUNK, start
from .scaling import column_summary
from .starts import start_kinds
from .status import Status

# The distance to the limit at which starts are compared, per row; only the best go on.
_LOOSE = 1e-5
# How long one call of the compiled program may take, so that Ctrl-C is answered soon.
_SECONDS = 0.3


class Solved(NamedTuple):
    """For each of G counts: the best start, its model in both units, and how all S starts ended."""

    index: Any
    model: Any
    inner: Any
    entropy: Any
    objective: Any
    status: Any
    degenerate: Any


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
    return all(np.shape(a)[:1] and np.shape(b) == (count, *np.shape(a)[1:]) for a, b in leaves) and all(
        np.isnan(np.asarray(leaf)).all() for leaf in unset
    )


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
            found = _evidence(solved.inner, self._blocks(self.mass), form=self.form)
            found = np.asarray(found).reshape(len(self.counts), -1)[:, : len(self.rows)]
            some = left > 0
            total += (found[:, some] - scales[some]) @ left[some]
        seen = ~np.isnan(self.values).all(axis=1)
        return total / self.weight[seen].sum()

    def _blocks(self, mass: np.ndarray) -> Blocks:
        return into_blocks(
            self.rows, mass, centre=self.units.centre, scale=self.units.scale, dtype=self.values.dtype
        )

    def _problem(self, mass: np.ndarray) -> Problem:
        dtype = self.values.dtype
        seen = ~np.isnan(self.rows).all(axis=1)
        numbers = (np.asarray(n, dtype) for n in (mass[seen].sum(), self.learner.tol, 0.0))
        return Problem(self.units.limits, *numbers, None)

    def _assignments(self, mass: np.ndarray, size: int) -> np.ndarray:
        """First assignments ``[G, S, size, K]``; what is too many states, or no row, gets nothing."""
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
        models = _begin(
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
        found = _finish(
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
        model = jax.tree.map(lambda leaf: np.array(leaf[:count]), found.model)
        seen = ~np.isnan(self.values).all(axis=1)
        total = float(self.weight[seen].sum())
        shift = float(self.weight @ (~np.isnan(self.values) @ np.log(self.units.scale))) / total
        row = traces[group, found.index]
        value = float(found.objective[found.index]) - shift
        ended = [_status(int(s), bool(d)) for s, d in zip(found.status, found.degenerate, strict=True)]
        objectives = np.where(np.isfinite(found.objective), found.objective, np.nan) - shift
        return Fit(
            model=model,
            objective=value,
            log_likelihood=value * total,
            trace=row[np.isfinite(row)] - shift,
            status=ended[found.index],
            starts=objectives[:starts],
            start_status=tuple(ended[:starts]),
            weight=total,
            degrees_of_freedom=model.prior.degrees_of_freedom()
            + model.likelihood.degrees_of_freedom(1),
            entropy=float(found.entropy) if count > 1 else 0.0,
        )


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
                states, *told = _advance(
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


def _status(code: int, degenerate: bool) -> Status:
    status = Status(code)
    if status in (Status.FELL, Status.NON_FINITE):
        return status
    if degenerate:
        return Status.DEGENERATE
    return Status.STEP_LIMIT if status is Status.RUNNING else status


@jax.jit
def _begin(
    model: Any, data: Blocks, shares: Any, limits: Any, keys: Any, counts: Any
) -> Any:
    """First models ``[G S]``; states that are too many are copies of the first one."""
    x, mass = data.x.reshape(-1, data.x.shape[-1]), data.weight.ravel()

    def one(share: Any, key: Any, count: Any) -> Any:
        prior = model.prior.begin(share, mass)
        likelihood = model.likelihood.begin(x, share, mass, limits, jax.random.wrap_key_data(key))
        real = jnp.arange(share.shape[1]) < count
        likelihood = jax.tree.map(
            lambda leaf: jnp.where(real.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, leaf[:1]),
            likelihood,
        )
        return LatentVariableModel(prior, likelihood)

    return jax.lax.map(lambda each: one(*each), (shares, keys, counts))


@partial(jax.jit, static_argnames=("learner", "form"))
def _advance(
    learner: Any, states: Any, data: Blocks, problem: Problem, steps: Any, limit: Any, radius: Any,
    *, form: Form,
) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    """As ``running.advance``, one start after the other; and which have no component at the floor."""

    def one(state: Any) -> tuple[Any, Any, Any, Any]:
        def safe(state: Any) -> Any:
            if form is not Form.PRODUCTS:
                return jnp.array(True)
            return state.candidate.likelihood.safe_products(radius, missing=False)

        def going(carry: Any) -> Any:
            count, state, _ = carry
            left = (count < steps) & (state.steps < limit)
            return left & ~learner.done(state) & safe(state)

        def step(carry: Any) -> Any:
            count, state, trace = carry
            totals = expectations(state.candidate, data, form=form, labelled=False)
            state = learner.step(state, totals, problem)
            return count + 1, state, trace.at[count].set(state.objective)

        trace = jnp.full(CHUNK, jnp.nan, state.objective.dtype)
        _, state, trace = jax.lax.while_loop(going, step, (jnp.zeros((), jnp.int32), state, trace))
        prior, likelihood = state.model.prior, state.model.likelihood
        shrunk = likelihood.degenerate(problem.limits) & (prior.shares() > 0)
        return state, trace, safe(state), ~jnp.any(shrunk)

    return jax.lax.map(one, states)


@partial(jax.jit, static_argnames=("form",))
def _finish(
    states: Any, counts: Any, data: Blocks, limits: Any, centre: Any, scale: Any, *, form: Form
) -> Solved:
    def one(group: Any, count: Any) -> Solved:
        found = report(group, limits, centre, scale, canonical=False)
        prior, likelihood = found.model.prior, found.model.likelihood.canonical()
        keys = likelihood.order_keys()
        surplus = jnp.arange(keys.shape[0]) >= count
        by = [*(keys[:, i] for i in reversed(range(keys.shape[1]))), -prior.shares(), surplus]
        order = jnp.lexsort(by)
        loss = entropy(found.inner, data, form=form, labelled=False)
        return Solved(
            found.index,
            LatentVariableModel(prior.reorder(order), likelihood.reorder(order)),
            found.inner,
            loss,
            found.objective,
            found.status,
            found.degenerate,
        )

    return jax.lax.map(lambda each: one(*each), (states, counts))


@partial(jax.jit, static_argnames=("form",))
def _evidence(models: Any, data: Blocks, *, form: Form) -> Any:
    """log p of every row under every model, ``[G, M, B]``."""

    def one(model: Any) -> Any:
        prepared = model.likelihood.prepare(form)

        def row(x: Any) -> Any:
            return model.prior.condition(prepared.potential(x)).log_evidence

        return jax.lax.map(jax.vmap(row), data.x)

    return jax.lax.map(one, models)
