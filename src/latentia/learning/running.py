"""The one loop: passes over data and steps of a learner, compiled once and run in chunks."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from latentia.data.blocks import AnyBlocks
from latentia.typing import Form

from .expectation import expectations
from .interface import AbstractLearner
from .reporting import shrunk
from .status import Status

# How many steps a chunk can hold, and how long it may take, so that Ctrl-C is answered soon.
CHUNK = 128
_SECONDS = 0.25
# How many passes a start may crawl below another that has converged.
PATIENCE = 64
# How far below the other, per row, a start is given up by then; and the multiple of the patience
# after which any distance will do.
_FAR = 1e-3
_LONG = 8


@partial(jax.jit, static_argnames=("learner",))
def start(learner: AbstractLearner, models: Any, problem: Any) -> Any:
    """The states before the first pass, for models stacked along a leading axis of S."""
    return jax.vmap(lambda model: learner.init(model, problem))(models)


@partial(jax.jit, static_argnames=("learner",))
def step(learner: AbstractLearner, state: Any, totals: Any, problem: Any) -> Any:
    """The state after one more pass, whose totals were summed elsewhere."""
    return learner.step(state, totals, problem)


@partial(jax.jit, static_argnames=("learner", "form", "labelled"))
def advance(
    learner: AbstractLearner,
    states: Any,
    data: AnyBlocks,
    problem: Any,
    steps: Any,
    radius: Any,
    *,
    form: Form,
    labelled: bool,
) -> tuple[Any, jax.Array, jax.Array]:
    """Up to ``steps`` passes for every state that is not done.

    Returns:
        The states; the objectives ``[S, CHUNK]`` after each pass, NaN after the last; and whether
        ``Form.PRODUCTS`` was safe throughout (it stops before it is not).
    """

    def one(state: Any) -> tuple[Any, jax.Array, jax.Array]:
        return climb(learner, state, data, problem, steps, radius, form=form, labelled=labelled)

    if jax.tree.leaves(states)[0].shape[0] == 1:
        # Without the overhead of a loop over one.
        out = one(jax.tree.map(lambda leaf: leaf[0], states))
        return jax.tree.map(lambda leaf: leaf[None], out)
    # One after another in one program: on a CPU a third of the time of a batch, in which every
    # start also waits for the slowest.
    return jax.lax.map(one, states)


def climb(
    learner: AbstractLearner,
    state: Any,
    data: AnyBlocks,
    problem: Any,
    steps: Any,
    radius: Any,
    *,
    form: Form,
    labelled: bool,
) -> tuple[Any, jax.Array, jax.Array]:
    """Up to ``steps`` passes for one state, while being traced; what it returns is as above."""

    def safe(state: Any) -> jax.Array:
        if form is not Form.PRODUCTS:
            return jnp.array(True)
        return state.candidate.likelihood.safe_products(radius, missing=False)

    def going(carry: Any) -> jax.Array:
        count, state, _ = carry
        return (count < steps) & ~learner.done(state) & safe(state)

    def step(carry: Any) -> Any:
        count, state, trace = carry
        totals = expectations(
            state.candidate, data, form=form, labelled=labelled, inference=learner.inference
        )
        state = learner.step(state, totals, problem)
        return count + 1, state, trace.at[count].set(state.objective)

    trace = jnp.full(CHUNK, jnp.nan, state.objective.dtype)
    _, state, trace = jax.lax.while_loop(going, step, (jnp.zeros((), jnp.int32), state, trace))
    return state, trace, safe(state)


class Interrupted(Exception):
    """A fit was ended from outside: by Ctrl-C, or by its watcher (``stopped``).

    ``states`` and ``trace`` are those of the last whole chunk.
    """

    def __init__(self, states: Any, trace: np.ndarray, *, stopped: bool) -> None:
        super().__init__("interrupted")
        self.states = states
        self.trace = trace
        self.stopped = stopped


def run(
    learner: AbstractLearner,
    states: Any,
    data: AnyBlocks,
    problem: Any,
    *,
    max_iter: int,
    form: Form,
    labelled: bool,
    radius: float = 0.0,
    cost: float = 0.0,
    rivals: np.ndarray | None = None,
    watch: Callable[[Any, np.ndarray], bool] | None = None,
) -> tuple[Any, np.ndarray]:
    """Run to the end of every state, or to ``max_iter`` passes.

    Args:
        rivals: a number for each state; after a while, states that crawl below a converged one of
            the same number are given up, once only such are left. None is no such competition.
        cost: a guess of the seconds for one pass, so that the first chunk is not too long.
        watch: called after each pass with the states and the trace so far; a true answer stops the
            run.

    Returns:
        The states, and the objectives ``[S, passes]``.

    Raises:
        Interrupted: at Ctrl-C, or when ``watch`` says so, with the last whole chunk.
    """
    traces = [np.zeros((jax.tree.leaves(states)[0].shape[0], 0))]
    longest = CHUNK if rivals is None else PATIENCE
    size = 1 if watch is not None else int(np.clip(_SECONDS / max(cost, 1e-9), 1, longest))
    left = max_iter
    try:
        while left > 0:
            began = time.perf_counter()
            states, trace, safe = advance(
                learner,
                states,
                data,
                problem,
                np.int32(min(size, left, longest - (max_iter - left) % longest)),
                np.asarray(radius, problem.weight.dtype),
                form=form,
                labelled=labelled,
            )
            trace, status, objective, safe = jax.device_get(
                (trace, states.status, states.objective, safe)
            )
            taken = int(np.isfinite(trace).any(axis=0).sum())
            traces.append(trace[:, :taken])
            left -= max(taken, 1)
            if not safe.all():
                form = Form.COMPLETE
            if watch is not None and taken and watch(states, np.concatenate(traces, axis=1)):
                raise Interrupted(states, np.concatenate(traces, axis=1), stopped=True)
            if (status != Status.RUNNING).all():
                break
            # Only after so many passes, since where chunks end depends on the clock.
            passes = max_iter - left
            if passes % PATIENCE == 0 and _hopeless(
                states, status, objective, rivals, problem, passes
            ):
                break
            if watch is None and taken:
                spent = (time.perf_counter() - began) / taken
                size = int(np.clip(_SECONDS / spent, 1, min(2 * size, longest)))
    except KeyboardInterrupt:
        raise Interrupted(states, np.concatenate(traces, axis=1), stopped=False) from None
    return states, np.concatenate(traces, axis=1)


def _hopeless(
    states: Any,
    status: np.ndarray,
    objective: np.ndarray,
    rivals: np.ndarray | None,
    problem: Any,
    passes: int,
) -> bool:
    """Whether every running state lies too far below a sound rival after so many passes."""
    if rivals is None or not (status == Status.CONVERGED).any():
        return False
    # A degenerate optimum is no rival, however high it is.
    sound = (status == Status.CONVERGED) & ~np.asarray(_shrunk(states.model, problem.limits))
    margin = _FAR if passes < _LONG * PATIENCE else 0.0
    done = np.where(sound, objective, -np.inf)
    running = status == Status.RUNNING
    best = np.array([done[rivals == rival].max() for rival in rivals])
    return bool((objective[running] <= best[running] - margin).all())


_shrunk = jax.jit(shrunk)
