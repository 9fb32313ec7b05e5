"""Maximum likelihood by a quasi-Newton method on the log evidence itself.

EM crawls where much is missing: with small variances of a structural time series, say. There the
gradient of the log evidence with respect to the free coordinates of all parameters (see
``constraints``) leads to the maximum in a few dozen steps of L-BFGS (Liu and Nocedal 1989).
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.constraints import bind_vector, free_vector
from latentia.data.blocks import AnyBlocks, into_blocks, parts_of
from latentia.data.interface import AbstractPartitions
from latentia.data.interface import Units as DataUnits
from latentia.data.sequences import read_sequences, sequence_form, sequence_groups
from latentia.data.table import read_table, read_weights
from latentia.distributions import Limits
from latentia.distributions.given import inputs
from latentia.inference.sequences import is_sequential
from latentia.model import LatentVariableModel
from latentia.precision import on_host, precision_of
from latentia.typing import Form

from .em import EM
from .fit_result import Fit, FitInterrupted
from .holding import held_mask, put_back
from .overview import Overview
from .scaling import column_summary
from .status import Status
from .units import Units, into_units, units_from


class Gradient(eqx.Module):
    """L-BFGS on the log evidence, from where a few passes of EM lead.

    Args:
        max_iter: the largest number of quasi-Newton iterations.
        tol: the largest slope, per unit of weight, in the free coordinates at the maximum.
        warm_up: how many passes of EM come first; they choose among the starts.
        covariance_floor, n_init, start, fixed: as for ``EM``.
    """

    max_iter: int = eqx.field(static=True, default=500)
    tol: float = eqx.field(static=True, default=1e-6)
    warm_up: int = eqx.field(static=True, default=10)
    covariance_floor: float = eqx.field(static=True, default=1e-6)
    n_init: int | None = eqx.field(static=True, default=None)
    start: str | tuple[str, ...] = eqx.field(static=True, default="auto")
    fixed: Any = ()
    tied: tuple[str, ...] = eqx.field(static=True, default=())

    @property
    def em(self) -> EM:
        """What comes first: EM."""
        return EM(
            max_iter=self.warm_up,
            covariance_floor=self.covariance_floor,
            n_init=self.n_init,
            start=self.start,
            fixed=self.fixed,
            tied=self.tied,
        )

    def refine(self, found: Fit, data: Any, weights: Any, labels: Any) -> Fit:
        """The fit at the maximum of the likelihood near the one that EM found.

        Raises:
            ValueError: if states are tied, or there are labels.
            FitInterrupted: at Ctrl-C, with the best model so far.
        """
        if self.tied or labels is not None:
            given = "tied" if self.tied else "labels"
            raise ValueError(f"{given} should be None with Gradient: use EM, which knows of them.")
        if not found.model.conjugate:
            raise ValueError("model should have exact inference with Gradient: use EM.")
        with precision_of(found.model, np.zeros(0)):
            read = _read(self, found.model, data, weights)
            return _refined(self, found, read, _in_memory(read))

    def refine_under(self, found: Fit, data: AbstractPartitions, seen: Overview) -> Fit:
        """The same for data under an engine, of which an overview is known."""
        if self.tied or data.source.labelled:
            given = "tied" if self.tied else "labels"
            raise ValueError(f"{given} should be None with Gradient: use EM, which knows of them.")
        if not found.model.conjugate:
            raise ValueError("model should have exact inference with Gradient: use EM.")
        with precision_of(found.model, np.zeros(0)):
            read = _looked(self, found.model, seen)
            return _refined(self, found, read, _under(data, read))


class Reading(NamedTuple):
    """Data in the units of the fit, and how far log p differs in those of the data."""

    blocks: AnyBlocks | None
    form: Form
    units: Units
    weight: float
    offset: float


def _read(learner: Gradient, model: Any, data: Any, weights: Any) -> Reading:
    if is_sequential(model):
        read = read_sequences(data)
        values, lengths, count = read.values, read.lengths, len(read.lengths)
        form = sequence_form(read)
    else:
        values = read_table(data).values
        lengths, count = np.ones(len(values), int), len(values)
        form = Form.MISSING if np.isnan(values).any() else Form.COMPLETE
    weight = read_weights(weights, count)
    weight = np.ones(count) if weight is None else weight
    each = np.repeat(weight, lengths)
    centre, spread = column_summary(values, each)
    described = values.shape[1] - inputs(model.likelihood)
    seen = ~np.isnan(values[:, :described])
    some: Any = seen.any(axis=1)
    units, _ = units_from(model.likelihood, centre, spread, values[some][:256],
                          learner.em, values.dtype)  # fmt: skip
    scaled = {"centre": units.centre, "scale": units.scale, "dtype": values.dtype}
    if is_sequential(model):
        groups = sequence_groups(read_sequences(data), weight, exact=True, **scaled)
        blocks: AnyBlocks = tuple(group.blocks for group in groups)
    else:
        blocks = into_blocks(values, weight, **scaled)
    offset = float((each @ seen) @ np.log(units.scale[:described]))
    return Reading(blocks, form, units, float(each[some].sum()), offset)


def _looked(learner: Gradient, model: Any, seen: Overview) -> Reading:
    """What ``_read`` finds, without the data."""
    units, _ = units_from(model.likelihood, seen.centre, seen.spread, seen.sample.values[:256],
                          learner.em, np.dtype(float))  # fmt: skip
    form = Form.MISSING if seen.missing else Form.COMPLETE
    return Reading(None, form, units, seen.total, float(seen.observed @ np.log(units.scale)))


class _Point(NamedTuple):
    """Where in the free coordinates the slope is asked for, and what decides the model there."""

    vector: Any
    like: Any
    held: Any
    limits: Limits


# The log-likelihood of all data and its gradient at a point, both not divided by anything.
Slope = Callable[[_Point], tuple[Any, Any]]


def _in_memory(data: Reading) -> Slope:
    return lambda point: jax.device_get(_slope(point, data.blocks, form=data.form))


def _under(data: AbstractPartitions, read: Reading) -> Slope:
    units = DataUnits(np.asarray(read.units.centre), np.asarray(read.units.scale))
    return lambda point: data.total(slope, point, units, form=read.form)


def _refined(learner: Gradient, found: Fit, data: Reading, slope_at: Slope) -> Fit:
    from scipy.optimize import minimize

    inner = into_units(found.model, data.units)
    held = held_mask(inner, learner.fixed)
    shift = data.offset / data.weight
    best: list[Any] = [-np.inf, np.asarray(jax.device_get(free_vector(inner)), np.float64)]
    start, trace = best[1], []

    def objective(vector: np.ndarray) -> tuple[float, np.ndarray]:
        at = jnp.asarray(vector, jnp.result_type(*jax.tree.leaves(inner)))
        value, slope = slope_at(_Point(at, inner, held, data.units.limits))
        value, slope = value / data.weight, slope / data.weight
        good = np.isfinite(value) and np.isfinite(slope).all()
        if good and value > best[0]:
            best[:] = [float(value), vector.copy()]
        # A step too far is no number; the line search then takes a shorter one.
        return (-float(value), -slope.astype(float)) if good else (1e300, np.zeros_like(vector))

    ended = Status.STEP_LIMIT
    try:
        result = minimize(
            objective, start, jac=True, method="L-BFGS-B",
            callback=lambda _: trace.append(best[0] - shift),
            options={"maxiter": learner.max_iter, "maxcor": 20, "ftol": 1e-15, "gtol": learner.tol},
        )  # fmt: skip
        flat = np.abs(result.jac).max(initial=0.0) <= 10 * learner.tol or result.status == 0
        ended = Status.CONVERGED if flat else Status.STEP_LIMIT
    except KeyboardInterrupt:
        ended = Status.INTERRUPTED
    fit = _fit_at(best, inner, held, found, data, trace, ended)
    if ended is Status.INTERRUPTED:
        raise FitInterrupted(fit)
    return fit


def _fit_at(
    best: Any, inner: Any, held: Any, found: Fit, data: Reading, trace: list[float], ended: Status
) -> Fit:
    units = data.units
    point = jnp.asarray(best[1], jnp.result_type(*jax.tree.leaves(inner)))
    model = _bound(point, inner, held, units.limits)
    model = LatentVariableModel(
        model.prior, model.likelihood.affine(jnp.asarray(units.centre), jnp.asarray(units.scale))
    )
    if held is not None:
        # To the last bit, whatever units the fit was in.
        model = jax.tree.map(np.where, held, found.model, jax.device_get(model))
    value = best[0] - data.offset / data.weight
    return replace(
        found,
        model=on_host(model),
        objective=value,
        log_likelihood=value * data.weight,
        trace=np.concatenate([found.trace, trace]),
        status=ended,
        starts=np.append(found.starts, value),
        start_status=(*found.start_status, ended),
    )


def _bound(vector: Any, like: Any, held: Any, limits: Limits) -> Any:
    """The model at a point, with what is fixed as in ``like`` and no variance below the floor."""
    model = bind_vector(vector, like)
    model = LatentVariableModel(model.prior, model.likelihood.restrict(limits))
    return put_back(held, like, model)


def log_likelihood(model: Any, data: AnyBlocks, *, form: Form) -> jax.Array:
    """The weighted sum of log p(x), which can be differentiated with respect to the model."""
    prepared = model.likelihood.prepare(form)

    def one(x: Any) -> jax.Array:
        return model.prior.condition(prepared.potential(x)).log_evidence

    def block(x: Any, weight: Any) -> jax.Array:
        return jnp.sum(jnp.where(weight > 0, weight * jax.vmap(one)(x), 0.0))

    totals = [
        jnp.sum(jax.lax.map(lambda pair: block(*pair), (part.x, part.weight)))
        for part in parts_of(data)
    ]
    return sum(totals[1:], totals[0])


def slope(point: _Point, data: AnyBlocks, *, form: Form) -> tuple[jax.Array, jax.Array]:
    """The log-likelihood and its gradient in the free coordinates, which add over data."""

    def value(vector: Any) -> jax.Array:
        model = _bound(vector, point.like, point.held, point.limits)
        return log_likelihood(model, data, form=form)

    return jax.value_and_grad(value)(point.vector)


_slope = partial(jax.jit, static_argnames="form")(slope)
