"""Fitting in memory: units, starts, the loop, and the report."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from latentia.data.blocks import into_blocks
from latentia.distributions import Limits
from latentia.model import LatentVariableModel
from latentia.typing import Form

from .condensing import condense
from .em import EM, Problem
from .fit_result import Fit, FitInterrupted
from .reporting import entropy, report
from .running import Interrupted, run, start
from .scaling import column_summary
from .starts import first_models, start_kinds
from .status import Status

# Up to this many distinct rows every start sees all the data; beyond, they see a sample of it.
SMALL = 4096
SAMPLE = 2000


class Sample(NamedTuple):
    """Distinct rows with their weights and labels: what starts look at."""

    values: np.ndarray
    mass: np.ndarray
    labels: np.ndarray | None
    whole: bool


class Units(NamedTuple):
    """The units of a fit, and the smallest variances allowed in them."""

    centre: np.ndarray
    scale: np.ndarray
    limits: Limits


def fit_rows(
    model: Any,
    values: np.ndarray,
    weight: np.ndarray,
    labels: np.ndarray | None,
    learner: EM,
    seed: int,
    *,
    watch: Callable[[float, Any], bool] | None = None,
) -> Fit:
    """Maximum likelihood from rows in memory; see ``latentia.fit``. Runs in the caller's precision.

    Args:
        values: ``[N, D]``, NaN where missing.
        weight: ``[N]``.
        labels: ``[N]`` or None.
        watch: called after each iteration of the best start with its objective; true stops the fit.
    """
    dtype = values.dtype
    sample = _sample(values, weight, labels, seed)
    seen = ~np.isnan(values).all(axis=1)
    total = float(weight[seen].sum())
    summary = column_summary(values, weight)
    plan, models = plan_fit(model, sample, *summary, total, learner, seed, dtype)
    offset = float(weight @ (~np.isnan(values) @ np.log(plan.units.scale)))
    return plan.fit(models, values, weight, labels, sample, total, offset, watch)


def plan_fit(
    model: Any,
    sample: Sample,
    centre: np.ndarray,
    spread: np.ndarray,
    total: float,
    learner: EM,
    seed: int,
    dtype: Any,
) -> tuple["Plan", Any]:
    """The plan of a fit and its first models, one for each start.

    Args:
        centre: the mean of each column of all the data.
        spread: the standard deviation of each column.
        total: the weight of the rows with an observed entry.
    """
    units, points = units_from(model.likelihood, centre, spread, sample.values, learner, dtype)
    inner = into_units(model, units)
    inside = ((sample.values - units.centre) / units.scale).astype(dtype)
    reference = None
    if learner.pseudo_count > 0:
        reference = _reference(inner, inside, sample.mass.astype(dtype))
    problem = Problem(
        limits=units.limits,
        weight=np.asarray(total, dtype),
        tol=np.asarray(learner.tol, dtype),
        strength=np.asarray(learner.pseudo_count * model.likelihood.states, dtype),
        reference=reference,
    )
    kinds = start_kinds(model.likelihood.states, learner.n_init, learner.start)
    models = first_models(
        inner, inside, points, sample.mass, sample.labels, units.limits, kinds, seed
    )
    return Plan(learner, problem, units, sample.labels is not None, dtype), models


class Plan:
    """The two stages of a fit: all starts on the sample, then the best on all the data."""

    def __init__(
        self, learner: EM, problem: Problem, units: Units, labelled: bool, dtype: Any
    ) -> None:
        self.learner = learner
        self.problem = problem
        self.units = units
        self.labelled = labelled
        self.dtype = dtype
        self.kernel = learner.kernel()

    def fit(
        self,
        models: Any,
        values: np.ndarray,
        weight: np.ndarray,
        labels: np.ndarray | None,
        sample: Sample,
        total: float,
        offset: float,
        watch: Callable[[float, Any], bool] | None,
    ) -> Fit:
        count = jax.tree.leaves(models)[0].shape[0]
        starts = None
        given = self.learner.start == "given"
        if not sample.whole and not given and count > 1:
            starts, models = self.on_sample(models, sample)
        if sample.whole:
            values, weight, labels = sample.values, sample.mass, sample.labels
        likelihood = models.likelihood
        missing = bool(np.isnan(values).any())
        if likelihood.quadratic and not missing and labels is None and len(values) > 4 * values.shape[1]:
            rows, mass = second_moment_rows(values, weight, self.units)
            data = into_blocks(rows, mass, dtype=self.dtype)
            radius = 0.0
        else:
            data = into_blocks(
                values,
                weight,
                labels,
                centre=self.units.centre,
                scale=self.units.scale,
                dtype=self.dtype,
                regroup=True,
            )
            radius = float(np.sqrt(np.max(np.nansum(data.x**2, axis=-1))))
        form = Form.MISSING if missing else Form.COMPLETE
        alone = starts is not None or count == 1
        if alone and not sample.whole:
            safe = safe_products(likelihood, np.asarray(radius, self.dtype), missing)
            form = Form.PRODUCTS if bool(safe.all()) else form
        return self.climb(models, data, form, radius, starts, total, offset, watch)

    def climb(
        self,
        models: Any,
        data: Any,
        form: Form,
        radius: float,
        starts: Any,
        total: float,
        offset: float,
        watch: Callable[[float, Any], bool] | None = None,
    ) -> Fit:
        """Run all models on data in memory, and report; for the arguments see ``finish``."""
        states = start(self.kernel, models, self.problem)
        count = jax.tree.leaves(models)[0].shape[0]
        cost = 2e-9 * data.x.size * models.likelihood.states * count
        interrupted = False
        try:
            states, trace = run(
                self.kernel,
                states,
                jax.device_put(data),
                self.problem,
                max_iter=self.learner.max_iter,
                form=form,
                labelled=self.labelled,
                radius=radius,
                cost=cost,
                rivals=np.zeros(count, int) if count > 1 else None,
                watch=_watching(watch, total, offset),
            )
        except Interrupted as stop:
            states, trace, interrupted = stop.states, stop.trace, True

        def loss(inner: Any) -> float:
            return float(entropy(inner, data, form=form, labelled=self.labelled))

        return self.finish(states, trace, starts, total, offset, loss, interrupted)

    def finish(
        self,
        states: Any,
        trace: np.ndarray,
        starts: Any,
        total: float,
        offset: float,
        loss: Callable[[Any], float],
        interrupted: bool,
    ) -> Fit:
        """The report on the states that the fit ended with.

        Args:
            starts: objectives, statuses and degeneracy of the starts on the sample, or None.
            offset: log p in the units of the data is that in the units of the fit less this.
            loss: the entropy of the posterior over states under a model in the units of the fit.
        """
        if self.learner.max_iter == 0:
            states = states._replace(objective=jnp.zeros_like(states.objective))
        canonical = not (self.labelled or self.learner.start == "given")
        units = self.units
        found = jax.device_get(
            report(states, units.limits, units.centre, units.scale, canonical=canonical)
        )
        lost = loss(found.inner) if found.inner.likelihood.states > 1 else 0.0
        result = _result(found, trace, total, offset, starts, lost, interrupted, self)
        if interrupted:
            raise FitInterrupted(result)
        return result

    def on_sample(self, models: Any, sample: Sample) -> tuple[Any, Any]:
        """The objectives and statuses of all starts on the sample, and the best model."""
        data = into_blocks(
            sample.values,
            sample.mass,
            sample.labels,
            centre=self.units.centre,
            scale=self.units.scale,
            dtype=self.dtype,
            regroup=True,
        )
        problem = self.problem._replace(
            weight=np.asarray(sample.mass.sum(), self.dtype),
            tol=np.asarray(max(self.learner.tol, 1e-5), self.dtype),
        )
        missing = bool(np.isnan(sample.values).any())
        states = start(self.kernel, models, problem)
        try:
            states, _ = run(
                self.kernel,
                states,
                data,
                problem,
                max_iter=min(self.learner.max_iter, 100),
                form=Form.MISSING if missing else Form.COMPLETE,
                labelled=self.labelled,
                cost=2e-8 * data.x.size * models.likelihood.states,
            rivals=np.zeros(len(states.status), int),
            )
        except Interrupted:
            # No iteration on the data is complete.
            raise KeyboardInterrupt from None
        found = report(
            states, self.units.limits, self.units.centre, self.units.scale, canonical=False
        )
        best = jax.tree.map(lambda leaf: leaf[None], found.inner)
        return jax.device_get((found.objective, found.status, found.degenerate)), best


def _result(
    found: Any,
    trace: np.ndarray,
    total: float,
    offset: float,
    starts: Any,
    loss: float,
    interrupted: bool,
    plan: Plan,
) -> Fit:
    index = int(found.index)
    shift = offset / total
    objective, status, degenerate = found.objective, found.status, found.degenerate
    best = _status(int(status[index]), bool(degenerate[index]))
    if interrupted and best in (Status.RUNNING, Status.STEP_LIMIT):
        best = Status.INTERRUPTED
    if starts is None:
        starts = objective, status, degenerate
    row = trace[index]
    value = float(objective[index]) - shift
    prior = 0.0
    if plan.problem.reference is not None:
        prior = float(_prior_value(found.inner, plan.problem))
    return Fit(
        model=found.model,
        objective=value,
        log_likelihood=value * total - prior,
        trace=row[np.isfinite(row)] - shift,
        status=best,
        starts=np.where(np.isfinite(starts[0]), starts[0], np.nan) - shift,
        start_status=tuple(_status(int(s), bool(d)) for s, d in zip(*starts[1:], strict=True)),
        weight=total,
        degrees_of_freedom=found.model.prior.degrees_of_freedom()
        + found.model.likelihood.degrees_of_freedom(1),
        entropy=loss,
    )


@jax.jit
def _prior_value(model: Any, problem: Problem) -> Any:
    from .em import log_prior

    return problem.strength * log_prior(model, problem.reference)


@jax.jit
def safe_products(likelihood: Any, radius: Any, missing: Any) -> Any:
    """For each of a stack of likelihoods whether ``Form.PRODUCTS`` may be used."""
    return jax.vmap(lambda part: part.safe_products(radius, missing=False))(likelihood) & ~missing


def _status(code: int, degenerate: bool) -> Status:
    status = Status(code)
    if status in (Status.FELL, Status.NON_FINITE):
        return status
    if degenerate:
        return Status.DEGENERATE
    return Status.STEP_LIMIT if status is Status.RUNNING else status


def _watching(watch: Any, total: float, offset: float) -> Any:
    if watch is None:
        return None

    def after(states: Any, trace: np.ndarray) -> bool:
        return bool(watch(float(np.nanmax(trace[:, -1])) - offset / total, states))

    return after


def _sample(
    values: np.ndarray, weight: np.ndarray, labels: np.ndarray | None, seed: int
) -> Sample:
    """Distinct rows in a canonical order, so that neither order nor repetition matters."""
    table = values if labels is None else np.column_stack([values, labels])
    few = len(values) <= SMALL
    unique, mass, _ = condense(table, weight, limit=SMALL if few else SAMPLE, seed=seed)
    if labels is None:
        return Sample(unique, mass, None, few)
    return Sample(unique[:, :-1], mass, unique[:, -1].astype(np.int32), few)


def measure(
    likelihood: Any, values: np.ndarray, weight: np.ndarray, sample: np.ndarray, learner: EM
) -> tuple[Units, np.ndarray]:
    """The units of a fit, and the sample as points among which starts look for clusters."""
    return units_from(likelihood, *column_summary(values, weight), sample, learner, values.dtype)


def units_from(
    likelihood: Any,
    centre: np.ndarray,
    spread: np.ndarray,
    sample: np.ndarray,
    learner: EM,
    dtype: Any,
) -> tuple[Units, np.ndarray]:
    """The same from the mean and standard deviation of each column."""
    points, centre, scale = jax.device_get(
        _measure(likelihood, pad_rows(sample), centre.astype(dtype), spread.astype(dtype))
    )
    floor = (learner.covariance_floor * (spread / scale) ** 2).astype(dtype)
    ridge = np.where(scale == 1, learner.ridge, learner.ridge / scale**2).astype(dtype)
    return Units(centre, scale, Limits(floor, ridge)), points[: len(sample)]


@jax.jit
def _measure(likelihood: Any, sample: Any, centre: Any, spread: Any) -> Any:
    return likelihood.embed(sample), *likelihood.units(centre, spread)


def pad_rows(rows: np.ndarray) -> np.ndarray:
    """Rows filled up to one of a few lengths, by repeating the first."""
    size = -(-len(rows) // 256) * 256
    return np.concatenate([rows, np.repeat(rows[:1], size - len(rows), axis=0)])


def into_units(model: Any, units: Units) -> Any:
    """The model with its given parameters in the units of the fit."""
    if all(np.isnan(leaf).all() for leaf in jax.tree.leaves(model.likelihood)):
        return model
    return _into(model, -units.centre / units.scale, 1 / units.scale)


@jax.jit
def _into(model: Any, centre: Any, scale: Any) -> Any:
    return LatentVariableModel(model.prior, model.likelihood.affine(centre, scale))


@jax.jit
def _reference(model: Any, x: Any, mass: Any) -> Any:
    """All states alike, and each as all the data together: the centre of the conjugate prior."""
    even = jnp.full((x.shape[0], model.likelihood.states), 1 / model.likelihood.states, x.dtype)
    limits = Limits(jnp.zeros(x.shape[1], x.dtype), jnp.zeros(x.shape[1], x.dtype))
    return LatentVariableModel(
        model.prior.begin(even, mass),
        model.likelihood.begin(x, even, mass, limits, jax.random.key(0)),
    )


def second_moment_rows(
    values: np.ndarray, weight: np.ndarray, units: Units
) -> tuple[np.ndarray, np.ndarray]:
    """2D rows, in the units of the fit, with the weight, mean and covariance of all the data.

    Where log p(x) is quadratic in x they stand for the data exactly: every total over them is the
    same, so EM needs the data only once.
    """
    dim = values.shape[1]
    total = float(weight.sum())
    mean = np.zeros(dim)
    for part in _chunks(values):
        mean += weight[part] @ ((values[part] - units.centre) / units.scale)
    mean /= total
    scatter = np.zeros((dim, dim))
    for part in _chunks(values):
        gap = (values[part] - units.centre) / units.scale - mean
        scatter += (gap * weight[part][:, None]).T @ gap
    return rows_with_moments(mean, scatter, total)


def rows_with_moments(
    mean: np.ndarray, scatter: np.ndarray, total: float
) -> tuple[np.ndarray, np.ndarray]:
    """2D rows, and their weights, that have these moments."""
    dim = len(mean)
    spectrum, axes = np.linalg.eigh(scatter)
    arms = axes * np.sqrt(np.maximum(spectrum, 0.0) * dim / total)
    rows = np.concatenate([mean + arms.T, mean - arms.T])
    return rows, np.full(2 * dim, total / (2 * dim))


def _chunks(values: np.ndarray) -> list[slice]:
    return [slice(i, i + 16384) for i in range(0, len(values), 16384)]
