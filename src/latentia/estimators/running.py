"""Running a fit for an estimator: callbacks, progress, Ctrl-C, and what becomes of the result."""

import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from latentia.inference.batches import for_rows, log_evidence
from latentia.learning import EM, Fit
from latentia.learning.fit_result import FitInterrupted
from latentia.learning.fitting import fit_rows
from latentia.learning.status import Status
from latentia.learning.table_fitting import on_host_fit
from latentia.precision import on_host, precision_of

from .parameters import seed_of

Watch = Callable[[float, Any], bool]


def learner_of(estimator: Any, *, given: bool) -> EM:
    """The learner that the parameters of an estimator describe."""
    kind = getattr(estimator, "init_params", "auto")
    count = estimator.n_init
    if count == "auto" and getattr(estimator, "_one_optimum_alone", False):
        count = 1 if estimator.n_components == 1 else count
    return EM(
        max_iter=int(estimator.max_iter),
        tol=float(estimator.tol),
        covariance_floor=float(getattr(estimator, "covariance_floor", 0.0)),
        ridge=float(getattr(estimator, "reg_covar", 0.0)),
        pseudo_count=float(getattr(estimator, "pseudo_count", 0.0)),
        n_init=None if count == "auto" else int(count),
        start="given" if given else kind,
    )


def run_fit(
    estimator: Any,
    model: Any,
    values: np.ndarray,
    weight: np.ndarray,
    labels: np.ndarray | None,
    learner: EM,
) -> None:
    """Fit a model to rows, and give the estimator its fitted attributes.

    Raises:
        ValueError: if the fit failed; the message says why.
        KeyboardInterrupt: at Ctrl-C, once the last whole iteration is kept.
    """
    dtype = values.dtype
    values = values.astype(np.float64, copy=False)
    seed = seed_of(estimator.random_state)
    watch = watcher(estimator)
    try:
        with precision_of(values):
            fit = fit_rows(model, values, weight, labels, learner, seed, watch=watch)
    except FitInterrupted as stop:
        settle(estimator, on_host_fit(stop.fit, None), dtype)
        raise
    if learner.max_iter == 0:
        fit = _unchanged(fit, model if learner.start == "given" else fit.model, values, weight)
    settle(estimator, on_host_fit(fit, None), dtype)
    if context := _context(estimator):
        context.call_on_fit_task_end(estimator=estimator)


def _unchanged(fit: Fit, model: Any, values: np.ndarray, weight: np.ndarray) -> Fit:
    """The result of no iteration: the model to the last bit, and its own log-likelihood."""
    with precision_of(values):
        evidence = for_rows(on_host(model), values, log_evidence)
    total = float(weight @ evidence)
    return replace(fit, model=model, log_likelihood=total, objective=total / fit.weight)


def settle(estimator: Any, fit: Fit, dtype: Any) -> None:
    """Set the fitted attributes, and warn or raise if the fit did not end well."""
    if fit.status in (Status.FELL, Status.NON_FINITE):
        raise ValueError(f"{type(estimator).__name__} could not be fitted. {fit.status}")
    # What `partial_fit` left is of another model.
    estimator.__dict__.pop("online_", None)
    estimator.fit_ = fit
    estimator.model_ = fit.model
    estimator.dtype_ = np.dtype(dtype)
    estimator.converged_ = fit.converged
    estimator.n_iter_ = fit.iterations
    estimator.lower_bound_ = fit.objective
    estimator.lower_bounds_ = fit.trace.tolist()
    estimator._publish()
    limit = fit.status is Status.STEP_LIMIT and estimator.max_iter > 0
    if limit or fit.status is Status.DEGENERATE:
        # At the line that called `fit`.
        warnings.warn(str(fit.status), ConvergenceWarning, stacklevel=5)


def same_sizes(old: Any, new: Any) -> bool:
    """Whether a fitted model, if there is one, can stand in for an unfitted one."""
    if old is None or jax.tree.structure(old) != jax.tree.structure(new):
        return False
    pairs = zip(jax.tree.leaves(old), jax.tree.leaves(new), strict=True)
    return all(np.shape(a) == np.shape(b) for a, b in pairs)


def watcher(estimator: Any) -> Watch | None:
    """What to call after each iteration; None if nobody listens, since it costs speed."""
    listeners = [*_progress(estimator), *_callbacks(estimator)]
    if not listeners:
        return None
    # Every listener is told, whatever the others answer.
    return lambda objective, states: max([tell(objective, states) for tell in listeners])


def _progress(estimator: Any) -> list[Watch]:
    if not estimator.verbose:
        return []
    count = 0

    def tell(objective: float, states: Any) -> bool:
        nonlocal count
        count += 1
        if count % estimator.verbose_interval == 0:
            name = type(estimator).__name__
            sys.stdout.write(f"{name}: iteration {count}, log-likelihood per row {objective:.8g}\n")
        return False

    return [tell]


def _callbacks(estimator: Any) -> list[Watch]:
    """scikit-learn's callbacks, told of every iteration as a task of its own."""
    context = _context(estimator)
    if context is None:
        return []
    context.call_on_fit_task_begin(estimator=estimator)

    def tell(objective: float, states: Any) -> bool:
        task = context.subcontext(task_name="iteration")
        told = {"objective": objective, "iteration": task.task_id}
        task.call_on_fit_task_begin(estimator=estimator, metadata=told)
        return task.call_on_fit_task_end(estimator=estimator, metadata=told)

    return [tell]


def _context(estimator: Any) -> Any:
    """The task of this fit, if anyone is to be told of it."""
    listening = getattr(estimator, "_skl_callbacks", None)
    return getattr(estimator, "_callback_fit_ctx", None) if listening else None
