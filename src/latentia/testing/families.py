"""Laws of a family that learns: statistics add, and ``maximize`` finds the maximum."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from latentia.constraints import bind_vector, free_vector

from .covariates import described
from .support import (
    close,
    draw_data,
    dtype_of,
    grid_of,
    jittered,
    law,
    log_density,
    log_prob,
    maximize,
    no_limits,
    rounding,
    statistics,
)

ROWS = 96


def weighted_draws(family: Any, seed: int, missing: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Draws of a family, some entries missing if asked for, and weights."""
    rng = np.random.default_rng(seed)
    x = np.array(draw_data(family, ROWS, seed))
    if missing:
        own = described(family, x)
        own[rng.random(own.shape) < 0.25] = np.nan
    return x, rng.uniform(0.2, 2, ROWS).astype(x.dtype)


@law
def statistics_add_over_data(family: Any, seed: int = 0) -> None:
    """Totals over two halves add to the total of both, and are linear in the weights."""
    x, weight = weighted_draws(family, seed, missing=True)
    first = np.where(np.arange(ROWS) < ROWS // 3, weight, 0).astype(x.dtype)
    whole = statistics(family, x, weight)
    parts = [statistics(family, x, w) for w in (first, weight - first)]
    close(
        jax.tree.map(jnp.add, *parts), whole, rounding(family), "statistics of two batches, added"
    )
    double = statistics(family, x, 2 * weight)
    close(
        double,
        jax.tree.map(lambda s: 2 * s, whole),
        rounding(family),
        "statistics at twice the weight",
    )


@law
def weights_are_repetitions(family: Any, seed: int = 0) -> None:
    """A weight of 2 is a row twice, and a weight of 0 a row removed, whatever it holds."""
    x, _ = weighted_draws(family, seed, missing=True)
    times = np.random.default_rng(seed).integers(0, 4, ROWS // 3)
    rows = np.repeat(x[: ROWS // 3], times, axis=0)[:ROWS]
    padded = np.concatenate([rows, x[: ROWS - len(rows)]])
    ones = (np.arange(ROWS) < len(rows)).astype(x.dtype)
    weight = np.zeros(ROWS, x.dtype)
    weight[: ROWS // 3] = times
    close(
        statistics(family, x, weight),
        statistics(family, padded, ones),
        rounding(family),
        "statistics with whole weights, against repeated rows",
    )


@jax.jit
def _slope(family: Any, x: Any, weight: Any) -> Any:
    """The gradient of the log-likelihood, and how large it would be if no terms cancelled."""

    def value(vector: Any, row: Any) -> Any:
        return bind_vector(vector, family).log_prob(row)

    each = jax.vmap(jax.grad(value), (None, 0))(free_vector(family), x) * weight[:, None]
    return jnp.sum(each, axis=0), jnp.sum(jnp.abs(each), axis=0)


@jax.jit
def _perturbed(family: Any, keys: Any, size: Any) -> Any:
    return jax.vmap(lambda key: bind_vector(jittered(free_vector(family), key, size), family))(keys)


def assert_stationary(family: Any, x: Any, weight: Any, tolerance: float, what: str) -> None:
    """The weighted log-likelihood has no slope at this member of the family."""
    slope, size = (np.asarray(v, float) for v in _slope(family, x, weight))
    worst = np.max(np.abs(slope) / np.maximum(size, 1e-3 * weight.sum()))
    assert worst <= tolerance, (
        f"{what}: the gradient of the log-likelihood should be 0 at the estimate, but its relative "
        f"size is {worst:.3g}."
    )


def assert_maximum(family: Any, x: Any, weight: Any, tolerance: float, seed: int) -> None:
    """The likelihood has no slope at this member of the family, and none nearby is better."""
    assert_stationary(family, x, weight, tolerance, "maximize")
    best = weight @ log_prob(family, x)
    for size in (0.3, 0.03):
        others = _perturbed(family, jax.random.split(jax.random.key(seed), 5), size)
        for i in range(5):
            other = jax.tree.map(lambda leaf, i=i: leaf[i], others)
            value = weight @ log_prob(other, x)
            assert value <= best + rounding(family, 1e-5, 1e-12) * abs(best), (
                f"maximize: a neighbour has log-likelihood {value}, above that of the estimate, "
                f"{best}."
            )


@law
def maximize_finds_the_maximum(family: Any, seed: int = 0) -> None:
    """At the estimate the likelihood has no slope, and no member nearby is better."""
    x, weight = weighted_draws(family, seed)
    found = maximize(family, statistics(family, x, weight), no_limits(family.dim, x.dtype))
    assert_maximum(found, x, weight, rounding(family, 1e-3, 1e-9), seed)


@law
def steps_end_at_the_maximum(family: Any, seed: int = 0) -> None:
    """Of a family with a latent variable: where repeated steps end is a maximum."""
    x, weight = weighted_draws(family, seed)
    found = _iterate(family, x, weight, no_limits(family.dim, x.dtype))
    assert_maximum(found, x, weight, rounding(family, 2e-3, 1e-8), seed)


_STEPS = 20_000


@jax.jit
def _iterate(family: Any, x: Any, weight: Any, limits: Any) -> Any:
    """The family after many steps, each of which starts from the last."""

    def going(carry: Any) -> Any:
        count, _, moving = carry
        return (count < _STEPS) & moving

    def again(carry: Any) -> Any:
        count, member, _ = carry
        moved = member.maximize(member.statistics(x, weight), limits)
        pairs = zip(jax.tree.leaves(moved), jax.tree.leaves(member), strict=True)
        changes = [jnp.any(jnp.abs(a - b) > 4 * jnp.finfo(a.dtype).eps * jnp.abs(b))
                   for a, b in pairs]  # fmt: skip
        return count + 1, moved, jnp.any(jnp.stack(changes))

    return jax.lax.while_loop(going, again, (0, family, jnp.array(True)))[1]


@law
def missing_data_are_learned_from(family: Any, seed: int = 0) -> None:
    """Repeated statistics and ``maximize`` end where the marginal likelihood has no slope."""
    x, weight = weighted_draws(family, seed, missing=True)
    x[0] = np.nan
    first = family
    step = maximize(first, statistics(first, x, weight), no_limits(family.dim, x.dtype))
    before, after = (weight @ log_prob(member, x) for member in (first, step))
    assert after >= before - rounding(family, 1e-5, 1e-11) * abs(before), (
        f"a step with missing entries lowered the log-likelihood from {before} to {after}."
    )
    found = _iterate(family, x, weight, no_limits(family.dim, x.dtype))
    assert_stationary(
        found, x, weight, rounding(family, 2e-3, 1e-8), "maximize with missing entries"
    )


_imagine: Any = jax.jit(lambda family, other, weight: family.imagine(other, weight))
_expected: Any = jax.jit(lambda family, other: family.expected_log_prob(other))


def _another(family: Any, seed: int) -> Any:
    many = _perturbed(family, jax.random.split(jax.random.key(seed), 5), 0.3)
    return jax.tree.map(lambda leaf: leaf[0], many)


@law
def imagined_data_are_its_own(family: Any, seed: int = 0) -> None:
    """``maximize(imagine(other))`` is ``other``."""
    _finds_again(family, seed, 1)


@law
def steps_find_imagined_data_again(family: Any, seed: int = 0) -> None:
    """Of a family that learns by steps: they end at ``other`` if its data are imagined."""
    _finds_again(family, seed, 30)


def _finds_again(family: Any, seed: int, steps: int) -> None:
    dtype = dtype_of(family)
    limits = no_limits(family.dim, dtype)
    for other in (family, _another(family, seed)):
        found = family
        for _ in range(steps):
            totals = _imagine(found, other, np.asarray(7.0, dtype))
            found = maximize(found, totals, limits)
        close(found, other, rounding(family, 1e-4), "maximize(imagine(other))")


@law
def imagined_data_are_expected_data(family: Any, seed: int = 0) -> None:
    """``imagine`` is the mean of ``statistics`` under the other distribution."""
    _imagines(family, _another(family, seed), seed)


@law
def its_own_imagined_data_are_expected_data(family: Any, seed: int = 0) -> None:
    """Of a family with a latent variable, which is imagined too: for the family itself, whose
    statistics expect that variable, ``imagine`` is the mean of ``statistics``."""
    _imagines(family, family, seed)


def _imagines(family: Any, other: Any, seed: int) -> None:
    grid = grid_of(draw_data(other, 512, seed))
    mass = np.exp(log_density(other, grid.points) + grid.log_weights)
    keep = mass > 1e-18
    points, mass = grid.points[keep], mass[keep]
    expected, got = None, _imagine(family, other, np.asarray(3.0, dtype_of(family)))
    for first in range(0, len(points), 4096):
        rows = np.zeros((4096, family.dim), dtype_of(family))
        weight = np.zeros(4096, dtype_of(family))
        part = points[first : first + 4096]
        rows[: len(part)], weight[: len(part)] = part, 3 * mass[first : first + 4096]
        piece = jax.device_get(statistics(family, rows, weight))
        expected = piece if expected is None else jax.tree.map(np.add, expected, piece)
    close(got, expected, rounding(family, 1e-3, 1e-8), "imagine, against an integral of statistics")


@law
def expected_log_prob_is_the_mean(family: Any, seed: int = 0) -> None:
    """It is the integral of log_prob under the other, up to a constant of the other."""
    other, third = _another(family, seed + 1), _another(family, seed + 2)
    grid = grid_of(draw_data(other, 512, seed))
    mass = np.exp(log_density(other, grid.points) + grid.log_weights)
    gaps = []
    for member in (family, third):
        values = np.where(mass > 0, log_prob(member, grid.points), 0.0)
        gaps.append(float(_expected(member, other)) - mass @ np.where(mass > 0, values, 0.0))
    size = max(1.0, abs(float(_expected(family, other))))
    close(
        gaps[0] / size,
        gaps[1] / size,
        rounding(family, 1e-3),
        "expected_log_prob less its integral",
    )


@jax.jit
def _expected_slope(family: Any) -> Any:
    vector = free_vector(family)

    def value(vector: Any) -> Any:
        return bind_vector(vector, family).expected_log_prob(family)

    return jax.value_and_grad(value)(vector)


@law
def expected_log_prob_is_highest_for_itself(family: Any, seed: int = 0) -> None:
    """Gibbs' inequality: no other member is expected to be as probable under the family."""
    best, slope = jax.device_get(_expected_slope(family))
    close(slope, 0 * slope, rounding(family, 1e-4), "the slope of expected_log_prob at itself")
    for size in (0.3, 0.03):
        others = _perturbed(family, jax.random.split(jax.random.key(seed), 5), size)
        for i in range(5):
            other = jax.tree.map(lambda leaf, i=i: leaf[i], others)
            value = float(_expected(other, family))
            assert value < best, f"expected_log_prob: {value} of another, {best} of itself."


_guess: Any = jax.jit(lambda family, x, weight: family.guess(x, weight))


@law
def guesses_are_usable(family: Any, seed: int = 0) -> None:
    """``guess`` gives legal parameters from data with gaps and from a column that is missing."""
    x, weight = weighted_draws(family, seed, missing=True)
    for gone in (False, True):
        if gone:
            x[:, 0] = np.nan
        guess = _guess(family, x, weight)
        values = log_prob(guess, x)
        assert np.isfinite(values).all(), "guess: the data should be possible under it."
