"""Laws of a family as a distribution: it sums to one, and it is what is drawn.

Statistical laws fail by chance with a probability of at most ``FALSE_ALARM``; the seed is fixed.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from latentia.constraints import bind_vector, free_vector
from latentia.typing import Form

from .covariates import described
from .support import (
    Grid,
    axes_of,
    cast,
    close,
    draw,
    draw_data,
    dtype_of,
    finite,
    grid_of,
    law,
    log_density,
    log_prob,
    log_sum,
    rounding,
    with_column,
)

FALSE_ALARM = 1e-5
_DRAWS = 8000


@law
def density_integrates_to_one(family: Any, seed: int = 0, grid: Grid | None = None) -> None:
    """The sum or integral of exp(log_prob) over all x is one, whatever the covariates."""
    grid = grid_of(draw_data(family, 512, seed)) if grid is None else grid
    total = np.exp(grid.log_total(log_density(family, grid.points)))
    close(total, 1.0, rounding(family), "the integral of the density")


@law
def sampler_matches_density(family: Any, seed: int = 0, grid: Grid | None = None) -> None:
    """Draws have the shape of a datum, and pass goodness-of-fit tests against log_prob."""
    x = draw(family, _DRAWS, seed)
    assert x.shape == (_DRAWS, family.dim), f"sample: {family.dim} numbers a draw, got {x.shape}."
    assert x.dtype == dtype_of(family), (
        f"sample: draws should be {dtype_of(family)}, got {x.dtype}."
    )
    grid = grid_of(x[:512]) if grid is None else grid
    points = np.asarray(grid.points, float)
    log_values = log_density(family, points)
    mass = np.exp(log_values + grid.log_weights)
    tests = 2 * family.dim + family.dim * (family.dim - 1) // 2 + 1
    for j, (axis, _) in enumerate(axes_of(x[:512])):
        expected = np.array(
            [mass[points[:, j] == value].sum() for value in np.unique(points[:, j])]
        )
        _one_column(x[:, j], np.unique(points[:, j]), expected, axis, FALSE_ALARM / tests)
    centre = mass @ points
    finite_values = np.where(mass > 0, log_values, 0.0)
    _one_mean(log_density(family, x), mass, finite_values, "log_prob", FALSE_ALARM / tests)
    for i in range(family.dim):
        for j in range(i, family.dim):
            mine = (x[:, i] - centre[i]) * (x[:, j] - centre[j])
            theirs = (points[:, i] - centre[i]) * (points[:, j] - centre[j])
            _one_mean(mine, mass, theirs, f"the product of columns {i}, {j}", FALSE_ALARM / tests)


def _one_column(drawn: Any, values: Any, mass: Any, axis: Any, alarm: float) -> None:
    """Pearson's test for whole numbers, Kolmogorov's for others, of one column."""
    if np.array_equal(axis, np.round(axis)):
        counts = np.array([np.sum(drawn == value) for value in values])
        assert counts.sum() == len(drawn), "sample: a draw lies where log_prob sees none."
        large = mass * len(drawn) >= 5
        seen = np.append(counts[large], counts[~large].sum())
        due = np.append(mass[large], mass[~large].sum()) * len(drawn)
        keep = due > 1e-3
        assert seen[~keep].sum() == 0, "sample: draws where log_prob has next to none."
        due = due[keep] * seen.sum() / due[keep].sum()
        p = stats.chisquare(seen[keep], due).pvalue if keep.sum() > 1 else 1.0
    else:
        # The midpoint form of the sums, smooth enough to be interpolated.
        cdf = np.cumsum(mass) - mass / 2
        p = stats.kstest(drawn, lambda q: np.interp(q, values, cdf)).pvalue
    assert p >= alarm, f"sample: a column of draws does not follow log_prob (p = {p:.2g})."


def _one_mean(drawn: Any, mass: Any, values: Any, what: str, alarm: float) -> None:
    """A z test of one mean whose variance is known."""
    mean = mass @ values
    error = np.sqrt(max(mass @ (values - mean) ** 2, 0.0) / len(drawn))
    z = (np.mean(drawn, dtype=float) - mean) / (error + 1e-6 * (1 + abs(mean)))
    p = 2 * stats.norm.sf(abs(z))
    assert p >= alarm, f"sample: the mean of {what} does not follow log_prob (z = {z:.2f})."


@law
def missing_entries_are_integrated_out(family: Any, seed: int = 0) -> None:
    """A NaN gives the marginal: the sum or integral over that entry, whatever else is missing."""
    draws = draw_data(family, 512, seed)
    columns = described(family, draws).shape[1]
    axes = axes_of(draws)[:columns]
    for j, (points, log_weight) in enumerate(axes):
        for i in range(3):
            row = np.array(draws[i], float)
            if i == 2 and columns > 1:
                row[(j + 1) % columns] = np.nan
            gone = with_column(row, j, np.array([np.nan]))
            expected = log_sum(log_prob(family, with_column(row, j, points)) + log_weight)
            close(
                log_prob(family, gone)[0],
                expected,
                rounding(family, 1e-3),
                f"log_prob with column {j} missing, against the integral over it",
            )


@law
def nothing_observed_says_nothing(family: Any, seed: int = 0) -> None:
    """The log probability of a row without any observed entry is 0."""
    gone = log_prob(family, np.full((1, family.dim), np.nan))
    close(gone[0], 0.0, rounding(family, 1e-5, 1e-12), "log_prob of a row of NaN")


@law
def impossible_values_have_probability_zero(family: Any, seed: int = 0) -> None:
    """Between the whole numbers of a discrete column the log probability is minus infinity."""
    draws = draw_data(family, 512, seed)
    for j, (points, _) in enumerate(axes_of(described(family, draws))):
        if not np.array_equal(points, np.round(points)):
            continue
        for wrong in (0.5, -1.0, np.inf):
            row = with_column(np.array(draws[0]), j, np.array([wrong]))
            value = log_prob(family, row)[0]
            assert value == -np.inf, (
                f"log_prob of {wrong} in column {j} should be -inf, not {value}."
            )


@law
def affine_changes_variables(family: Any, seed: int = 0) -> None:
    """log_prob of centre + scale x under ``affine`` is that of x less the log of the scales."""
    rng = np.random.default_rng(seed)
    dtype = dtype_of(family)
    ask = rng.normal(size=family.dim).astype(dtype), rng.uniform(0.5, 2, family.dim).astype(dtype)
    centre, scale = (np.asarray(u) for u in family.units(*map(jnp.asarray, ask)))
    moved = _affine(family, centre, scale)
    x = np.array(draw_data(family, 64, seed), float)
    x[::3, 0] = np.nan
    jacobian = ~np.isnan(x) @ np.log(scale)
    close(
        log_prob(moved, centre + scale * x),
        log_prob(family, x) - jacobian,
        rounding(family, 1e-3),
        "log_prob after affine",
    )
    back = _affine(moved, -centre / scale, 1 / scale)
    close(back, family, rounding(family, 1e-3), "affine, and affine back")


_affine: Any = jax.jit(lambda family, centre, scale: family.affine(centre, scale))


@jax.jit
def _prepared(family: Any, x: Any, weight: Any) -> Any:
    def by(form: Form) -> Any:
        ready = family.prepare(form)
        return jax.vmap(ready.log_prob)(x), ready.statistics(x, weight)

    plain = jax.vmap(family.log_prob)(x), family.statistics(x, weight)
    return plain, by(Form.MISSING), by(Form.COMPLETE)


@law
def prepared_forms_agree(family: Any, seed: int = 0) -> None:
    """``prepare`` changes the speed and nothing else."""
    x = draw_data(family, 64, seed)
    weight = np.random.default_rng(seed).uniform(0, 2, 64).astype(x.dtype)
    plain, missing, complete = jax.device_get(_prepared(family, x, weight))
    close(missing, plain, rounding(family), "prepare(Form.MISSING)")
    close(complete, plain, rounding(family), "prepare(Form.COMPLETE)")
    x[::2, 0] = np.nan
    plain, missing, _ = jax.device_get(_prepared(family, x, weight))
    close(missing, plain, rounding(family), "prepare(Form.MISSING) with missing entries")


@law
def free_coordinates_round_trip(family: Any, seed: int = 0) -> None:
    """``bind_vector`` undoes ``free_vector``, and the result of any free vector is legal."""
    free = np.asarray(free_vector(family))
    finite(free, "free_vector")
    close(bind_vector(jnp.asarray(free), family), family, rounding(family, 1e-5), "bind(free)")
    moved = bind_vector(jnp.asarray(free + np.asarray(0.3, free.dtype)), family)
    close(free_vector(bind_vector(free_vector(moved), family)), free_vector(moved),
          rounding(family, 1e-5), "free(bind(free))")  # fmt: skip
    finite(log_prob(moved, draw_data(moved, 8, seed)), "log_prob after moving the free coordinates")


@jax.jit
def _gradients(family: Any, free: Any, x: Any) -> Any:
    def value(vector: Any, row: Any) -> Any:
        return bind_vector(vector, family).log_prob(row)

    return jax.vmap(jax.value_and_grad(value), (None, 0))(free, x)


@law
def gradients_are_right(family: Any, seed: int = 0) -> None:
    """The gradient of log_prob is finite, with missing entries too, and agrees with differences."""
    x = np.array(draw_data(family, 6, seed))
    x[0] = np.nan
    x[1, 0] = np.nan
    free = np.asarray(free_vector(family))
    _, gradient = jax.device_get(_gradients(family, free, x))
    finite(gradient, "the gradient of log_prob")
    close(gradient[0], 0 * free, rounding(family, 1e-5, 1e-12), "the gradient at a row of NaN")
    direction = np.random.default_rng(seed).normal(size=free.shape).astype(free.dtype)
    step = 1e-5 if dtype_of(family) == np.float64 else 1e-2
    ahead, behind = (
        np.asarray(_gradients(family, free + np.asarray(s, free.dtype) * direction, x)[0], float)
        for s in (step, -step)
    )
    close(gradient @ direction, (ahead - behind) / (2 * step), rounding(family, 2e-2, 1e-7),
          "the gradient against a difference")  # fmt: skip


@law
def precisions_agree(family: Any, seed: int = 0) -> None:
    """log_prob in float32 is that in float64 up to rounding."""
    x = draw_data(family, 64, seed)
    narrow = log_prob(cast(family, np.float32), x)
    close(narrow, log_prob(cast(family, np.float64), x), 2e-5, "log_prob in float32")
