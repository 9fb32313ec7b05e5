"""Online EM: a model that is carried along from batch to batch, each of which is seen once.

Cappé and Moulines 2009, "On-line expectation-maximization algorithm for latent data models". Old
statistics fade as new ones come in: s <- (1 - step) s + step * (statistics of the batch, per row),
then the M-step. A family is its own statistics, so ``imagine`` has s: nothing but the model needs
to be kept, and how many rows it has seen.
"""

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.data.blocks import Blocks, into_blocks
from latentia.model import LatentVariableModel
from latentia.precision import on_host, precision_of
from latentia.typing import Form

from .em import EM
from .expectation import Totals, expectations, maximized
from .fitting import fit_rows
from .units import Units, units_from


class OnlineEM(eqx.Module):
    """How a model follows the batches.

    Args:
        exponent: of the step sizes, above 0.5 and at most 1. The step for a batch is its share in
            the weight of all rows so far, to this power: for equal batches 1, 2^-exponent,
            3^-exponent and so on. With 1 every row counts the same for ever, also what early
            batches said under a poor early model; less forgets them, at the price of more noise.
        smallest_step: no step is smaller. Above 0 the model keeps following data that drift.
        warm_up: a weight of rows. Steps are as if so much more had been seen before the first
            batch, so that early batches change the first model less.
        first: how the first batch is fitted, by the portfolio of starts. Its ``covariance_floor``
            (relative to the variance of all rows so far) and ``ridge`` hold for every batch; its
            ``pseudo_count`` is for the first alone, since its weight fades with that batch.
    """

    exponent: float = eqx.field(static=True, default=0.7)
    smallest_step: float = eqx.field(static=True, default=0.0)
    warm_up: float = eqx.field(static=True, default=0.0)
    first: EM = eqx.field(static=True, default=EM())

    def __check_init__(self) -> None:
        if not 0.5 < self.exponent <= 1:
            raise ValueError(
                f"exponent should be above 0.5 and at most 1, but is {self.exponent}: outside, the "
                "model need not settle."
            )
        if not 0 <= self.smallest_step <= 1:
            raise ValueError(f"smallest_step should be from 0 to 1, but is {self.smallest_step}.")
        if not self.warm_up >= 0:
            raise ValueError(f"warm_up should be a weight from 0 up, but is {self.warm_up}.")

    def step(self, weight: float, seen: float) -> float:
        """The step for a batch of so much weight, after which ``seen`` was seen, it included."""
        share = weight / (seen + self.warm_up) if seen > 0 else 0.0
        return max(share**self.exponent, self.smallest_step)


class OnlineState(NamedTuple):
    """What goes from batch to batch beside the model: plain NumPy numbers.

    ``weight ()`` is that of all rows so far with an observed entry; ``observed [D]`` that of the
    observed entries of each column, ``mean [D]`` and ``square [D]`` their mean and the sum of
    squares about it; ``score ()`` the log-likelihood per row of the last batch, before the model
    learned from it, and NaN for the first.
    """

    weight: np.ndarray
    observed: np.ndarray
    mean: np.ndarray
    square: np.ndarray
    score: np.ndarray

    @property
    def spread(self) -> np.ndarray:
        """``[D]``: the standard deviation of each column so far.

        While it is 0, it is the size of the mean, or 1: as in ``scaling.column_summary``.
        """
        spread = np.sqrt(self.square / np.where(self.observed > 0, self.observed, 1.0))
        size = np.where(self.mean != 0, np.abs(self.mean), 1.0)
        return np.where(spread > 0, spread, size)


def state_after(weight: float, dim: int) -> OnlineState:
    """The state of a model that was fitted otherwise, to ``weight`` rows, and now goes on."""
    zeros = np.zeros(dim)
    return OnlineState(np.asarray(float(weight)), zeros, zeros, zeros, np.asarray(np.nan))


def online_update(
    model: LatentVariableModel,
    state: OnlineState | None,
    values: np.ndarray,
    weight: np.ndarray | None = None,
    *,
    learner: OnlineEM = OnlineEM(),
    seed: int = 0,
) -> tuple[LatentVariableModel, OnlineState]:
    """Learn from one batch: all that ``partial_fit`` needs.

    Args:
        model: what the last call returned. At the first call the model to be learned, as for
            ``latentia.fit``, which then fits it to the first batch; parameters may be unset.
        state: what the last call returned; None at the first call. ``state_after(n, D)`` goes on
            from a model that was fitted to n rows in some other way.
        values: ``[B, D]``, checked as ``read_table`` does; NaN is missing.
        weight: ``[B]``, not negative; ones by default. Weight 2 is a repeated row. A batch in which
            nothing is observed changes nothing.
        learner: how far to follow each batch.
        seed: decides the starts on the first batch; later batches involve no chance.

    Returns:
        The model and the state after the batch, both new.

    Raises:
        ValueError: if a parameter became NaN or infinite. The old model and state are unchanged.
    """
    values = values.astype(np.result_type(values, *jax.tree.leaves(model)), copy=False)
    weight = np.ones(len(values)) if weight is None else np.asarray(weight, float)
    # A row without an observed entry says nothing, also of how often each state occurs.
    weight = np.where(np.isnan(values).all(axis=1), 0.0, weight)
    before = state_after(0.0, values.shape[1]) if state is None else state
    after = _observe(before, values, weight)
    if state is not None and not weight.any():
        return model, state
    with precision_of(model, values):
        if state is None:
            fit = fit_rows(model, values, weight, None, learner.first, seed)
            return on_host(fit.model), after
        step = learner.step(float(weight.sum()), float(after.weight))
        moved, score = online_step(model, values, weight, step, after, learner.first)
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(moved)):
        raise ValueError(
            "values of this batch should keep the model finite, but a parameter became NaN or "
            "infinite; the last model is unchanged: raise covariance_floor, or use fewer states."
        )
    return moved, after._replace(score=score)


def online_step(
    model: Any,
    values: np.ndarray,
    weight: np.ndarray,
    step: float,
    state: OnlineState,
    limits: EM,
) -> tuple[LatentVariableModel, np.ndarray]:
    """One M-step from faded old statistics and those of a batch; runs in the caller's precision.

    Args:
        model: with all parameters set.
        values: ``[B, D]``.
        weight: ``[B]``, not all zero.
        step: how much the batch counts, from 0 to 1. With 1 it is one step of EM on the batch.
        state: whose mean and spread are the units of the computation.
        limits: whose ``covariance_floor`` and ``ridge`` are kept.

    Returns:
        The new model, and the log-likelihood per row of the batch under the old one.
    """
    dtype = values.dtype
    units, _ = units_from(model.likelihood, state.mean, state.spread, values[:1], limits, dtype)
    data = into_blocks(
        values, weight, centre=units.centre, scale=units.scale, dtype=dtype, regroup=True
    )
    form = Form.MISSING if np.isnan(values).any() else Form.COMPLETE
    moved, score = on_host(_step(model, data, np.asarray(step, dtype), units, form=form))
    observed = weight @ ~np.isnan(values)
    return moved, score - observed @ np.log(units.scale) / weight.sum()


@partial(jax.jit, static_argnames=("form",))
def _step(model: Any, data: Blocks, step: Any, units: Units, *, form: Form) -> tuple[Any, Any]:
    centre, scale, limits = units
    # The old statistics have the ridge already.
    limits = limits._replace(ridge=step * limits.ridge)
    inner = _affine(model, -centre / scale, 1 / scale)
    totals = expectations(inner, data, form=form, labelled=False)
    weight = jnp.sum(data.weight)
    moved = maximized(inner, blended(inner, totals, weight, step), limits)
    return _affine(moved, centre, scale), totals.log_likelihood / weight


def _affine(model: Any, centre: Any, scale: Any) -> LatentVariableModel:
    return LatentVariableModel(model.prior, model.likelihood.affine(centre, scale))


def blended(model: Any, totals: Totals, weight: Any, step: Any) -> Totals:
    """The statistics of the model for one row, moved towards those of ``weight`` rows of data."""
    kept = 1 - step
    prior = model.prior.imagine(model.prior, kept)
    likelihood = model.likelihood.imagine(model.likelihood, kept, model.prior.shares())

    def blend(old: Any, new: Any) -> Any:
        return old + step / weight * new

    return Totals(
        jax.tree.map(blend, prior, totals.prior),
        jax.tree.map(blend, likelihood, totals.likelihood),
        totals.log_likelihood,
    )


def _observe(state: OnlineState, values: np.ndarray, weight: np.ndarray) -> OnlineState:
    """The state after more rows: moments of two sets of rows are combined (Chan et al. 1979)."""
    seen = ~np.isnan(values)
    heavy = weight[:, None] * seen
    more = heavy.sum(axis=0)
    first = np.where(state.observed > 0, state.mean, _first(values, heavy))
    gap = np.where(seen, np.asarray(values, float) - first, 0.0)
    some = np.where(more > 0, more, 1.0)
    shift = (heavy * gap).sum(axis=0) / some
    square = (heavy * (gap - shift) ** 2).sum(axis=0)
    count = state.observed + more
    share = more / np.where(count > 0, count, 1.0)
    return OnlineState(
        np.asarray(state.weight + weight.sum()),
        count,
        first + share * shift,
        state.square + square + state.observed * share * shift**2,
        np.asarray(np.nan),
    )


def _first(values: np.ndarray, heavy: np.ndarray) -> np.ndarray:
    """The first entry of each column that has weight, or 0."""
    row = np.argmax(heavy > 0, axis=0)
    found = np.asarray(values[row, np.arange(values.shape[1])], float)
    return np.where((heavy > 0).any(axis=0), found, 0.0)
