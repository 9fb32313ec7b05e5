"""The plan of a fit: all starts on a sample, then the best of them on all the data."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from latentia.data.blocks import AnyBlocks, into_blocks, size_of
from latentia.distributions import Limits
from latentia.model import LatentVariableModel
from latentia.typing import Form

from .em import EM, Problem
from .fit_result import Fit, FitInterrupted
from .holding import held_mask, put_back, tie, tied_flags
from .outcome import outcome
from .reporting import Entropy, report
from .running import Interrupted, run, start
from .starts import first_models, start_kinds
from .status import Status
from .truncation import Truncated
from .units import Units, into_units, units_from

# How many numbers of data a Fit may hold on to.
_KEPT = 2**17


class Sample(NamedTuple):
    """Distinct rows with their weights and labels: what starts look at.

    ``context [U, C]`` is what else tells rows apart that belong together, such as their neighbours
    in a sequence; every second start looks at it too.
    """

    values: np.ndarray
    mass: np.ndarray
    labels: np.ndarray | None
    whole: bool
    context: np.ndarray | None = None


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
    # Parameters that were given may be of another precision than the data.
    model = jax.tree.map(lambda leaf: np.asarray(leaf, dtype), model)
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
        held=held_mask(inner, learner.fixed),
        tied=tied_flags(inner, learner.tied),
    )
    kinds = start_kinds(model.likelihood.states, learner.n_init, learner.start)
    views = [points]
    if sample.context is not None:
        views.append(np.concatenate([points, sample.context], axis=1))
    models = first_models(
        inner, inside, views, sample.mass, sample.labels, units.limits, kinds, seed
    )
    if problem.held is not None:
        # What a start chose for the free ones of some probabilities is scaled to what is left.
        models = jax.vmap(lambda m: put_back(problem.held, m, m))(models)
    if problem.tied is not None:
        # The starts of all states are alike in what they share.
        even = np.ones(model.likelihood.states, dtype)
        models = jax.vmap(lambda m: _tied(m, problem.tied, even))(models)
    return Plan(learner, problem, units, sample.labels is not None, dtype, model), models


def _tied(model: Any, tied: Any, masses: Any) -> Any:
    return LatentVariableModel(model.prior, tie(model.likelihood, tied, masses))


class Plan:
    """The two stages of a fit: all starts on the sample, then the best on all the data."""

    def __init__(
        self,
        learner: EM,
        problem: Problem,
        units: Units,
        labelled: bool,
        dtype: Any,
        given: Any,
    ) -> None:
        self.given = given
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
            starts, models = self.on_rows(models, sample)
        if sample.whole:
            values, weight, labels = sample.values, sample.mass, sample.labels
        likelihood = models.likelihood
        missing = bool(np.isnan(values).any())
        data = into_blocks(
            values,
            weight,
            labels,
            centre=self.units.centre,
            scale=self.units.scale,
            dtype=self.dtype,
            regroup=True,
        )
        radius = max(float(np.sqrt(np.max(np.nansum(rows**2, axis=-1)))) for rows in data.x)
        form = Form.MISSING if missing else Form.COMPLETE
        alone = starts is not None or count == 1
        if alone and not sample.whole:
            safe = safe_products(likelihood, np.asarray(radius, self.dtype), missing)
            form = Form.PRODUCTS if bool(safe.all()) else form
        if self.learner.truncation > 0 and not sample.whole and self.learner.max_iter > 1:
            # Each row looks only at the states that matter to it.
            inside = ((values - self.units.centre) / self.units.scale).astype(self.dtype)
            few = Truncated(self.learner, self.problem, inside, weight, data, form, radius)
            states, trace, entropy, ended = few.run(models, _watching(watch, total, offset))
            return self.finish(states, trace, starts, total, offset, lambda _: entropy, ended)
        return self.climb(models, data, form, radius, starts, total, offset, watch)

    def climb(
        self,
        models: Any,
        data: AnyBlocks,
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
        cost = 2e-9 * size_of(data) * models.likelihood.states * count
        ended = None
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
            states, trace = stop.states, stop.trace
            ended = Status.STOPPED if stop.stopped else Status.INTERRUPTED

        def loss(inner: Any) -> float | Callable[[], float]:
            later = Entropy(inner, data, form, self.labelled)
            # Seldom asked for, so small data wait for the question; large ones are not kept.
            return later if size_of(data) <= _KEPT else later()

        return self.finish(states, trace, starts, total, offset, loss, ended)

    def finish(
        self,
        states: Any,
        trace: np.ndarray,
        starts: Any,
        total: float,
        offset: float,
        loss: Callable[[Any], float | Callable[[], float]],
        ended: Status | None,
    ) -> Fit:
        """The report on the states that the fit ended with.

        Args:
            ended: INTERRUPTED or STOPPED, if the fit was ended from outside.
            starts: objectives, statuses and degeneracy of the starts on the sample, or None.
            offset: log p in the units of the data is that in the units of the fit less this.
            loss: the entropy of the posterior over states under a model in the units of the fit.
        """
        if self.learner.max_iter == 0:
            states = states._replace(objective=jnp.zeros_like(states.objective))
        # What is known of a state by its number keeps the number.
        numbered = self.labelled or self.learner.start == "given" or self.learner.fixed
        units = self.units
        found = jax.device_get(
            report(states, units.limits, units.centre, units.scale, canonical=not numbered)
        )
        if self.problem.held is not None:
            # To the last bit, whatever units the fit was in.
            model = jax.tree.map(np.where, self.problem.held, self.given, found.model)
            found = found._replace(model=model)
        lost = loss(found.inner) if found.inner.likelihood.states > 1 else 0.0
        result = outcome(found, trace, total, offset, starts, lost, ended, self.problem)
        if ended is Status.INTERRUPTED:
            raise FitInterrupted(result)
        return result

    def on_rows(self, models: Any, sample: Sample) -> tuple[Any, Any]:
        """What ``on_sample`` finds on a sample of rows."""
        data = into_blocks(
            sample.values,
            sample.mass,
            sample.labels,
            centre=self.units.centre,
            scale=self.units.scale,
            dtype=self.dtype,
            regroup=True,
        )
        missing = bool(np.isnan(sample.values).any())
        form = Form.MISSING if missing else Form.COMPLETE
        return self.on_sample(models, data, float(sample.mass.sum()), form)

    def on_sample(self, models: Any, data: AnyBlocks, total: float, form: Form) -> tuple[Any, Any]:
        """The objectives and statuses of all starts on a sample, and the best model.

        Args:
            total: the weight of the sample.
        """
        problem = self.problem._replace(
            weight=np.asarray(total, self.dtype),
            tol=np.asarray(max(self.learner.tol, 1e-5), self.dtype),
        )
        states = start(self.kernel, models, problem)
        try:
            states, _ = run(
                self.kernel,
                states,
                data,
                problem,
                max_iter=min(self.learner.max_iter, 100),
                form=form,
                labelled=self.labelled,
                cost=2e-8 * size_of(data) * models.likelihood.states,
                rivals=np.zeros(len(states.status), int),
            )
        except Interrupted:
            # Nobody watches here, so it was Ctrl-C. No iteration on the data is complete.
            raise KeyboardInterrupt from None
        found = report(
            states, self.units.limits, self.units.centre, self.units.scale, canonical=False
        )
        best = jax.tree.map(lambda leaf: leaf[None], found.inner)
        return jax.device_get((found.objective, found.status, found.degenerate)), best


def _watching(watch: Any, total: float, offset: float) -> Any:
    if watch is None:
        return None

    def after(states: Any, trace: np.ndarray) -> bool:
        return bool(watch(float(np.nanmax(trace)) - offset / total, states))

    return after


@jax.jit
def safe_products(likelihood: Any, radius: Any, missing: Any) -> Any:
    """For each of a stack of likelihoods whether ``Form.PRODUCTS`` may be used."""
    return jax.vmap(lambda part: part.safe_products(radius, missing=False))(likelihood) & ~missing


@jax.jit
def _reference(model: Any, x: Any, mass: Any) -> Any:
    """All states alike, and each as all the data together: the centre of the conjugate prior."""
    even = jnp.full((x.shape[0], model.likelihood.states), 1 / model.likelihood.states, x.dtype)
    limits = Limits(jnp.zeros(x.shape[1], x.dtype), jnp.zeros(x.shape[1], x.dtype))
    return LatentVariableModel(
        model.prior.begin(even, mass),
        model.likelihood.begin(x, even, mass, limits, jax.random.key(0)),
    )
