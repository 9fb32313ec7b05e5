"""Laws of one EM step: it climbs, and it is the maximum of the expected log-likelihood."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from latentia.constraints import bind_vector, free_vector
from latentia.data.blocks import Blocks
from latentia.distributions import Limits
from latentia.inference import Quadrature, choose
from latentia.latents import AbstractLabelledPrior
from latentia.learning.em import Problem, em_map
from latentia.learning.expectation import expectations
from latentia.model import LatentVariableModel
from latentia.precision import precision_of
from latentia.typing import Form

from .covariates import described
from .latent_grids import cubature
from .support import as_rows, cast, close, draw_data, dtype_of, finite, law, no_limits, rounding

ROWS = 96
_MONOTONE = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 1e-6}


@partial(jax.jit, static_argnames=("form", "labelled"))
def _step(model: Any, data: Any, problem: Any, *, form: Form, labelled: bool) -> Any:
    totals = expectations(model, data, form=form, labelled=labelled)
    return em_map(model, totals, problem)


@partial(jax.jit, static_argnames=("form", "labelled"))
def _steps(model: Any, data: Any, problem: Any, *, form: Form, labelled: bool) -> Any:
    def again(model: Any, _: Any) -> Any:
        totals = expectations(model, data, form=form, labelled=labelled)
        return em_map(model, totals, problem)

    return jax.lax.scan(again, model, None, 25)


def blocks(x: Any, weight: Any = None, label: Any = None) -> Blocks:
    """Data as one block of ``ROWS``, filled up with some of weight zero."""
    count = len(x)
    whole, weights = np.zeros((1, ROWS, *x.shape[1:]), x.dtype), np.zeros((1, ROWS), x.dtype)
    labels = np.full((1, ROWS, *x.shape[1:-1]), -1, np.int32)
    whole[0, :count] = x
    weights[0, :count] = 1 if weight is None else weight
    labels[0, :count] = -1 if label is None else label
    return Blocks(whole, weights, labels, np.int32(1))


def problem_for(model: Any, total: float, strength: float = 0.0, floor: Any = None) -> Problem:
    """The objective per unit of weight, with imaginary data of the model itself."""
    dtype = dtype_of(model)
    limits = no_limits(model.likelihood.dim, dtype)
    if floor is not None:
        limits = limits._replace(floor=np.asarray(floor, dtype))
    return Problem(limits, np.asarray(total, dtype), np.asarray(0, dtype),
                   np.asarray(strength, dtype), model)  # fmt: skip


def _labelled(model: Any) -> bool:
    return isinstance(model.prior, AbstractLabelledPrior)


def em_step(model: Any, data: Blocks, problem: Problem, form: Form = Form.MISSING) -> Any:
    """One plain step and the objective before it, on the host."""
    return jax.device_get(_step(model, data, problem, form=form, labelled=_labelled(model)))


def rows_of(model: Any, seed: int, missing: bool = False) -> np.ndarray:
    """Draws of x, some entries missing if asked for."""
    x = np.array(draw_data(model, ROWS, seed)[1])
    if missing:
        own = described(model, x)
        own[np.random.default_rng(seed).random(own.shape) < 0.2] = np.nan
    return x


def elsewhere(model: Any, seed: int, size: float = 0.3) -> Any:
    """A model of the same kind with other parameters (which a tie between states keeps)."""
    free = np.asarray(free_vector(model))
    noise = np.random.default_rng(seed).normal(size=free.shape)
    return jax.device_get(_tied(model, free + (size * noise).astype(free.dtype)))


@jax.jit
def _tied(model: Any, vector: Any) -> Any:
    return within(model, vector)


def within(model: Any, vector: Any) -> Any:
    """The model with these free coordinates, projected on what states or columns share."""
    moved = bind_vector(vector, model)
    one = jnp.ones((), vector.dtype)
    totals = model.likelihood.imagine(moved.likelihood, one, moved.prior.shares())
    nothing = jnp.zeros(model.likelihood.dim, vector.dtype)
    likelihood = model.likelihood.maximize(totals, Limits(nothing, nothing))
    return LatentVariableModel(moved.prior, likelihood)


def _climbs(model: Any, data: Blocks, problem: Problem, what: str) -> None:
    last, trace = jax.device_get(
        _steps(model, data, problem, form=Form.MISSING, labelled=_labelled(model))
    )
    finite((trace, last), f"EM {what}")
    fall = -np.diff(trace.astype(float)) / np.maximum(np.abs(trace[:-1]), 1)
    allowed = _MONOTONE[dtype_of(model)]
    assert fall.max() <= allowed, f"EM {what}: the objective fell by {fall.max():.3g} (relative)."


@law
def em_never_falls(model: Any, seed: int = 0) -> None:
    """The objective rises in every plain step: with weights, gaps, labels, prior and floor."""
    x = rows_of(model, seed, missing=True)
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.2, 2, ROWS).astype(x.dtype)
    start = elsewhere(model, seed)
    label = np.where(rng.random(x.shape[:-1]) < 0.2, 0, -1)
    data = blocks(x, weight, label)
    reference = elsewhere(model, seed + 1)
    _climbs(start, data, problem_for(reference, weight.sum()), "without a prior")
    _climbs(start, data, problem_for(reference, weight.sum(), 5.0), "with imaginary data")
    floor = 0.3 * np.nanvar(x.reshape(-1, x.shape[-1]), axis=0)
    problem = problem_for(reference, weight.sum(), floor=floor)
    _climbs(_restricted(start, problem.limits), data, problem, "at the floor")


@jax.jit
def _restricted(model: Any, limits: Any) -> Any:
    return LatentVariableModel(model.prior, model.likelihood.restrict(limits))


@jax.jit
def _expected_slope(model: Any, image: Any, x: Any, weight: Any) -> Any:
    """The gradient at ``image`` of the log joint expected under the posterior of ``model``."""

    def one(row: Any) -> Any:
        inference = choose(model)
        if isinstance(inference, Quadrature):
            moments, _ = inference.expect(model.prior, model.likelihood.potential(row))
            return moments.nodes, moments.mass
        return cubature(model.prior, inference.infer(model, row))

    z, share = jax.vmap(one)(x)

    def expected(vector: Any) -> Any:
        other = bind_vector(vector, image)
        each = jax.vmap(jax.vmap(other.log_joint, (None, 0)))(x, z)
        return jnp.sum(weight * jnp.sum(jnp.where(share > 0, share * each, 0.0), axis=1))

    return jax.value_and_grad(expected)(free_vector(image))


@jax.jit
def _moved(model: Any, vectors: Any) -> Any:
    return jax.vmap(lambda vector: free_vector(within(model, vector)))(vectors)


def tangents(model: Any) -> np.ndarray:
    """``[P, P]``: how free coordinates may move together, where states or columns share some."""
    wide = cast(model, np.float64)
    with precision_of(wide):
        free = np.asarray(free_vector(wide))
        steps = 1e-4 * np.eye(free.size)
        ahead, behind = _moved(wide, free + steps), _moved(wide, free - steps)
        return (np.asarray(ahead) - np.asarray(behind)) / 2e-4


@law
def em_step_is_the_maximum(model: Any, seed: int = 0) -> None:
    """One step ends where the expected complete-data log-likelihood has no slope."""
    x = rows_of(model, seed)
    weight = np.random.default_rng(seed).uniform(0.2, 2, ROWS).astype(x.dtype)
    start = elsewhere(model, seed)
    problem = problem_for(start, weight.sum())
    for form in (Form.MISSING, Form.COMPLETE):
        image, _ = em_step(start, blocks(x, weight), problem, form)
        value, slope = jax.device_get(_expected_slope(start, image, x, weight))
        worst = np.max(np.abs(tangents(image) @ slope)) / (weight.sum() + abs(value))
        assert worst <= rounding(model, 1e-3, 1e-7), (
            f"an EM step ({form}) should end at the maximum of the expected log-likelihood, but "
            f"the relative slope there is {worst:.3g}."
        )


@law
def forms_agree(model: Any, seed: int = 0) -> None:
    """Every ``Form`` in which the E-step may be computed gives the same step."""
    x = rows_of(model, seed)
    problem = problem_for(model, float(ROWS))
    plain = em_step(model, blocks(x), problem, Form.MISSING)
    close(em_step(model, blocks(x), problem, Form.COMPLETE), plain, rounding(model, 1e-3, 1e-8),
          "an EM step without missing entries")  # fmt: skip
    radius = np.asarray(np.abs(x).max() * 2, x.dtype)
    if dtype_of(model) == np.float64 and bool(model.likelihood.safe_products(radius, False)):
        close(em_step(model, blocks(x), problem, Form.PRODUCTS), plain, 1e-7,
              "an EM step by products")  # fmt: skip


@law
def weights_are_repeated_rows(model: Any, seed: int = 0) -> None:
    """In a step, a weight of 2 is a row twice, a weight of 0 none; an empty row says nothing."""
    x = rows_of(model, seed, missing=True)[: ROWS // 3]
    times = np.random.default_rng(seed).integers(0, 4, len(x))
    rows = np.repeat(x, times, axis=0)[:ROWS]
    total = float(len(rows))
    times = np.diff(np.minimum(np.concatenate([[0], np.cumsum(times)]), ROWS))
    problem = problem_for(model, total)
    repeated = em_step(model, blocks(rows), problem)
    allowed = rounding(model, 1e-3, 1e-8)
    close(em_step(model, blocks(x, times), problem), repeated, allowed, "a step with whole weights")
    close(em_step(model, blocks(rows[::-1].copy()), problem), repeated, allowed,
          "a step with the rows reversed")  # fmt: skip
    empty = np.concatenate([x, np.full((5, *x.shape[1:]), np.nan, x.dtype)])
    _, value = em_step(model, blocks(empty, np.concatenate([times, np.ones(5)])), problem)
    close(value, repeated[1], allowed, "the objective with rows of NaN added")


@law
def known_labels_decide(model: Any, seed: int = 0) -> None:
    """With all labels known a step counts them; renumbered states give the renumbered step."""
    if not _labelled(model):
        return
    x = rows_of(model, seed)
    states = model.prior.states
    label = (np.arange(np.prod(x.shape[:-1])) % states).reshape(x.shape[:-1])
    problem = problem_for(model, float(ROWS))
    image, _ = em_step(model, blocks(x, None, label), problem)
    if x.ndim == 2:
        shares = np.bincount(label, minlength=states) / ROWS
        close(image.prior.shares(), shares, rounding(model), "the weights, all labels known")
    order = np.roll(np.arange(states), 1)
    turned = LatentVariableModel(model.prior.reorder(order), model.likelihood.reorder(order))
    one, value = em_step(model, blocks(x), problem)
    two, same = em_step(turned, blocks(x), problem_for(turned, float(ROWS)))
    allowed = rounding(model, 1e-3, 1e-8)
    close(same, value, allowed, "the log-likelihood with states renumbered")
    back = LatentVariableModel(one.prior.reorder(order), one.likelihood.reorder(order))
    close(two, back, allowed, "the step with states renumbered")


@law
def known_labels_are_enough(model: Any, seed: int = 0) -> None:
    """With all labels known, and nothing else latent, one step is the same from anywhere."""
    if not _labelled(model) or jax.tree.leaves(model.prior)[1:]:
        return
    x = rows_of(model, seed)
    label = (np.arange(np.prod(x.shape[:-1])) % model.prior.states).reshape(x.shape[:-1])
    data = blocks(x, None, label)
    problem = problem_for(model, float(ROWS))
    image, _ = em_step(model, data, problem)
    again, _ = em_step(elsewhere(model, seed), data, problem)
    close(as_rows(again), as_rows(image), rounding(model, 1e-3, 1e-8),
          "all labels known: the step from anywhere")  # fmt: skip
