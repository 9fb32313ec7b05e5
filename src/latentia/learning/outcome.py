"""From a report on the starts to the ``Fit`` that the user gets."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from .em import Problem, log_prior
from .fit_result import Fit
from .holding import fewer
from .status import Status


def outcome(
    found: Any,
    trace: np.ndarray,
    total: float,
    offset: float,
    starts: Any,
    loss: float | Callable[[], float],
    ended: Status | None,
    problem: Problem,
) -> Fit:
    """The ``Fit`` of a report, in the units of the data.

    Args:
        found: a ``Report`` with NumPy leaves.
        trace: the objectives ``[S, passes]``.
        total: the weight of the data.
        offset: log p of the data in the units of the fit less that in their own.
        starts: objectives, statuses and degeneracy of all starts, if not those of ``found``.
        loss: the entropy of the posterior over states, or what computes it.
        ended: how the fit was ended from outside, if it was.
        problem: what was maximised.
    """
    index = int(found.index)
    shift = offset / total
    objective, status, degenerate = found.objective, found.status, found.degenerate
    best = _status(int(status[index]), bool(degenerate[index]))
    if ended is not None and best is Status.STEP_LIMIT:
        best = ended
    if starts is None:
        starts = objective, status, degenerate
    row = trace[index]
    value = float(objective[index]) - shift
    prior = 0.0
    if problem.reference is not None:
        prior = float(_prior_value(found.inner, problem))
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
        + found.model.likelihood.degrees_of_freedom(1)
        - fewer(found.model, problem.held, problem.tied),
        uncertainty=loss,
    )


@jax.jit
def _prior_value(model: Any, problem: Problem) -> Any:
    return problem.strength * log_prior(model, problem.reference)


def _status(code: int, degenerate: bool) -> Status:
    status = Status(code)
    if status in (Status.FELL, Status.NON_FINITE):
        return status
    if degenerate:
        return Status.DEGENERATE
    return Status.STEP_LIMIT if status is Status.RUNNING else status
