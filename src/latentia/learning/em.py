"""Expectation maximisation: accelerated, guarded, and stopped by its distance to the limit.

Dempster, Laird and Rubin 1977. One iteration is one pass over the data. The next point is an
extrapolation of the last EM steps; where that lowers the objective it is dropped and a plain step,
which cannot lower it, is made from the last good point.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.constraints import bind_vector, free_vector
from latentia.distributions import Limits
from latentia.inference import AbstractInference
from latentia.model import LatentVariableModel

from .acceleration import History, extrapolate, no_history, remember
from .expectation import Totals, maximized
from .holding import put_back
from .interface import AbstractLearner
from .status import Status
from .stopping import Gains, after, gap, no_gains, tested

# A plain step is shortened by factors of 4 until it is no longer than this share of it.
_SHORTEST = 0.01


class Problem(NamedTuple):
    """What is maximised: the log-likelihood and the log prior, per unit of weight.

    ``weight ()`` is the sum of the weights; ``tol ()`` the distance to the limit at which to stop;
    ``reference`` a model whose ``strength ()`` imaginary data are added to the data (a conjugate
    prior), or None. ``held`` and ``tied`` say which parameters are fixed and which states share
    (see ``holding``), or are None.
    """

    limits: Limits
    weight: Any
    tol: Any
    strength: Any
    reference: Any
    held: Any = None
    tied: Any = None


class Progress(NamedTuple):
    """Where an EM run stands: its last accepted model, and the candidate to evaluate next.

    ``share`` says how much of the plain step from the model to its ``image`` the candidate makes,
    and is 0 for an extrapolation.
    """

    model: Any
    objective: jax.Array
    image: Any
    point: jax.Array
    residual: jax.Array
    candidate: Any
    share: jax.Array
    history: History
    gains: Gains
    patience: jax.Array
    steps: jax.Array
    status: jax.Array


class EM(AbstractLearner):
    """Expectation maximisation.

    Args:
        max_iter: the largest number of passes over the data.
        tol: the distance of the objective (log-likelihood per row) to its limit, as projected by
            Aitken's process, at which to stop.
        covariance_floor: the smallest variance allowed, relative to the variance of the data; 0 is
            none. The likelihood of a mixture has no maximum without.
        ridge: a number added to every estimated variance, in the units of the data (scikit-learn's
            ``reg_covar``). It makes the iteration another than maximum likelihood.
        pseudo_count: the weight of imaginary data for each state, distributed as all the data
            together: a conjugate prior, which the objective includes.
        memory: how many steps the acceleration remembers; 0 is plain EM.
        n_init: how many starts; None is a portfolio by the kind of model.
        start: "auto" for the portfolio and what is given, "given" for given parameters alone, or a
            sequence of the kinds in ``latentia.learning.partitions``.
        fixed: names of parameters that keep the values they were given, such as
            "prior.transitions"; or a mapping from names to masks of the entries that do.
        tied: names of parameters that are the same in all states, such as
            "likelihood.parts.variances".
        inference: how posteriors are found; by default what ``latentia.choose`` says of the model,
            refined until its error is within its tolerance for every row.
        checkpoint: a file that holds the state of the fit after each pass over data under an
            ``engine``. If it exists, the fit goes on from there, and ends with the same bits as one
            without a break.
        truncation: for mixtures of hundreds of states: by how much, in nats, log p(x) of a row may
            be short because states that are far from it are left out; 0 leaves none out. Between
            choices of what is left out the objective is a lower bound of the log-likelihood that
            rises, and the last pass is exact. For tables in memory of more than 4096 rows.
    """

    max_iter: int = eqx.field(static=True, default=1000)
    tol: float = eqx.field(static=True, default=1e-6)
    covariance_floor: float = eqx.field(static=True, default=1e-6)
    ridge: float = eqx.field(static=True, default=0.0)
    pseudo_count: float = eqx.field(static=True, default=0.0)
    memory: int = eqx.field(static=True, default=5)
    n_init: int | None = eqx.field(static=True, default=None)
    start: str | tuple[str, ...] = eqx.field(static=True, default="auto")
    fixed: Any = ()
    tied: tuple[str, ...] = eqx.field(static=True, default=())
    inference: AbstractInference | None = eqx.field(static=True, default=None)
    checkpoint: str | None = eqx.field(static=True, default=None)
    truncation: float = eqx.field(static=True, default=0.0)

    def __check_init__(self) -> None:
        number = isinstance(self.truncation, int | float | np.number)
        if not (number and 0 <= self.truncation < 1):
            raise ValueError(
                "truncation of EM should be a small number of nats from 0 (exact) to below 1, such "
                f"as 1e-6, but is {self.truncation!r}."
            )

    @property
    def em(self) -> "EM":
        """The part of the learning that is EM: all of it."""
        return self

    def refine(self, found: Any, data: Any, weights: Any, labels: Any) -> Any:
        """What comes after EM: nothing."""
        return found

    def kernel(self) -> "EM":
        """The part that programs are compiled for: all else is data, or the host's business."""
        return _kernel(self.memory, self.inference)

    def init(self, model: Any, problem: Problem) -> Progress:
        # A start below the floor has a likelihood that no step may reach. What is no covariance at
        # all is left as it is, so that the first pass finds it.
        legal = LatentVariableModel(model.prior, model.likelihood.restrict(problem.limits))
        legal = put_back(problem.held, model, legal)
        model = _choose(_all_finite(free_vector(model)), legal, model)
        # Only its size and kind: the first step looks at neither the point nor the history.
        shape = jax.eval_shape(free_vector, model)
        point, dtype = jnp.zeros(shape.shape, shape.dtype), shape.dtype
        return Progress(
            model=model,
            objective=jnp.array(-jnp.inf, dtype),
            image=model,
            point=point,
            residual=jnp.zeros_like(point),
            candidate=model,
            share=jnp.ones((), dtype),
            history=no_history(max(self.memory, 1), point.size, dtype),
            gains=no_gains(dtype),
            patience=jnp.zeros((), jnp.int32),
            steps=jnp.zeros((), jnp.int32),
            status=jnp.array(Status.RUNNING, jnp.int32),
        )

    def done(self, state: Progress) -> jax.Array:
        return state.status != Status.RUNNING

    def step(self, state: Progress, totals: Totals, problem: Problem) -> Progress:
        image, value = em_map(state.candidate, totals, problem)
        good = jnp.isfinite(value) & _all_finite(image)
        accepted = good & _acceptable(value, state, problem)
        moved = self._advance(state, image, value, problem)
        after = _choose(accepted, moved, self._retreat(state, good, value))
        return self._propose(after, problem)

    def _retreat(self, state: Progress, good: jax.Array, value: jax.Array) -> Progress:
        """Back to the last good point, once the candidate is refused.

        A failed extrapolation is followed by the plain step. That cannot lower the objective where
        the M-step is a maximum; where it is a step of Newton's method, a part of it is tried.
        """
        failed = state.share > 0
        shorter = good & (state.share > _SHORTEST)
        status = jnp.where(good, Status.FELL, Status.NON_FINITE)
        status = jnp.where(failed & ~shorter, status, state.status)
        return state._replace(
            share=jnp.where(failed, 0.25 * state.share, 1.0).astype(state.share.dtype),
            history=state.history._replace(filled=jnp.zeros((), jnp.int32)),
            gains=no_gains(value.dtype),
            steps=state.steps + 1,
            status=status.astype(jnp.int32),
        )

    def _advance(self, state: Progress, image: Any, value: jax.Array, problem: Problem) -> Progress:
        """The state once the candidate is accepted."""
        first = state.steps == 0
        point = free_vector(state.candidate)
        residual = free_vector(image) - point
        longer = remember(state.history, point - state.point, residual - state.residual)
        history = _choose(first, state.history, longer)
        gain = value - state.objective
        whole = state.share == 1
        gains = _choose(first, no_gains(value.dtype), after(state.gains, gain, whole))
        converged = (gap(gains, value) < problem.tol) & (jnp.abs(gain) < problem.tol)
        # Small gains call for two plain steps in a row, which tell the distance to the limit. If
        # that is too far, the acceleration gets a few steps before the next test.
        patience = jnp.where(tested(gains) & ~converged, self.memory + 2, state.patience - 1)
        testing = (jnp.abs(gain) < problem.tol) & (patience <= 0)
        plain = testing | (history.filled == 0) | (self.memory == 0)
        return Progress(
            model=state.candidate,
            objective=value,
            image=image,
            point=point,
            residual=residual,
            candidate=image,
            share=jnp.where(plain, 1.0, 0.0).astype(state.share.dtype),
            history=history,
            gains=gains,
            patience=jnp.maximum(patience, 0).astype(jnp.int32),
            steps=state.steps + 1,
            status=jnp.where(converged, Status.CONVERGED, Status.RUNNING).astype(jnp.int32),
        )

    def _propose(self, state: Progress, problem: Problem) -> Progress:
        """The state with its next candidate."""
        part = state.point + state.share * state.residual
        far = extrapolate(state.history, state.point, state.residual)
        ahead = bind_vector(jnp.where(state.share > 0, part, far), state.image)
        ahead = LatentVariableModel(ahead.prior, ahead.likelihood.restrict(problem.limits))
        ahead = put_back(problem.held, state.image, ahead)
        usable = _all_finite(ahead)
        whole = (state.share == 1) | ~usable
        return state._replace(
            candidate=_choose(whole, state.image, ahead),
            share=jnp.where(usable, state.share, 1.0).astype(state.share.dtype),
        )


@lru_cache(maxsize=256)
def _kernel(memory: int, inference: AbstractInference | None) -> EM:
    # One and the same, so that JAX finds its programs without comparing field by field.
    return EM(memory=memory, inference=inference)


def em_map(model: Any, totals: Totals, problem: Problem) -> tuple[Any, jax.Array]:
    """One plain step, and the objective of the model that the totals were taken with."""
    value = totals.log_likelihood
    if problem.reference is not None:
        value = value + problem.strength * log_prior(model, problem.reference)
        totals = _with_imaginary_data(model, totals, problem)
    image = maximized(model, totals, problem.limits, problem.held, problem.tied)
    return image, value / problem.weight


def log_prior(model: Any, reference: Any) -> jax.Array:
    """The log density of the conjugate prior for one imaginary datum, up to a constant."""
    shares = reference.prior.shares()
    return model.prior.expected_log_prob(reference.prior) + model.likelihood.expected_log_prob(
        reference.likelihood, shares
    )


def _with_imaginary_data(model: Any, totals: Totals, problem: Problem) -> Totals:
    reference, strength = problem.reference, problem.strength
    prior = model.prior.imagine(reference.prior, strength)
    likelihood = model.likelihood.imagine(reference.likelihood, strength, reference.prior.shares())
    return Totals(
        jax.tree.map(jnp.add, totals.prior, prior),
        jax.tree.map(jnp.add, totals.likelihood, likelihood),
        totals.log_likelihood,
    )


def _acceptable(value: jax.Array, state: Progress, problem: Problem) -> jax.Array:
    """Whether the objective rose, up to rounding. With a ridge a plain step may lower it."""
    slack = 1e-9 if value.dtype == jnp.float64 else 1e-6
    allowed = jnp.where(state.share > 0, slack, 0.0) * jnp.maximum(jnp.abs(state.objective), 1.0)
    ridge = jnp.any(problem.limits.ridge > 0)
    return (value >= state.objective - allowed) | ((state.share > 0) & ridge) | (state.steps == 0)


def _all_finite(tree: Any) -> jax.Array:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))


def _choose(condition: jax.Array, yes: Any, no: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)
