"""Laws of inference: Bayes' rule, against sums and integrals over all z."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from latentia.inference import choose
from latentia.latents.given import log_prob_latent
from latentia.verdict import Exactness

from .covariates import described, silent, with_covariates_of
from .densities import FALSE_ALARM
from .latent_grids import LatentGrid, latent_grid
from .support import as_rows, close, draw, draw_data, dtype_of, finite, law, rounding

_ROWS = 8


@jax.jit
def _joint(model: Any, z: Any, x: Any) -> Any:
    return jax.vmap(jax.vmap(model.log_joint, (None, 0)), (0, None))(x, z)


@jax.jit
def _posterior(model: Any, x: Any, z: Any) -> Any:
    """Evidence, mode, and the log posterior of all z, for each row."""

    def one(row: Any) -> Any:
        posterior = choose(model).infer(model, row)
        mode = posterior.mode()
        values = jax.vmap(posterior.log_prob)(z)
        return posterior.log_evidence, values, mode, posterior.log_prob(mode), posterior.moments

    return jax.vmap(one)(x)


def _rows(model: Any, seed: int) -> np.ndarray:
    """Draws of x with gaps; the last row has nothing."""
    x = np.array(draw_data(model, _ROWS, seed)[1])
    own = described(model, x)
    own[::3, 0] = np.nan
    own[1, -1] = np.nan
    # Of a sequence these are whole steps; here is an entry.
    own[2, ..., 0] = np.nan
    own[-1] = np.nan
    return x


def _by_grid(model: Any, x: np.ndarray, grid: LatentGrid) -> tuple[np.ndarray, np.ndarray]:
    """Log evidence ``[N]`` and log posterior ``[N, G]``, by summing over the grid."""
    joint = np.asarray(_joint(model, grid.z, x), float)
    evidence = np.logaddexp.reduce(joint + grid.log_weights, axis=1)
    return evidence, joint - evidence[:, None]


@law
def posterior_follows_bayes(model: Any, seed: int = 0, grid: LatentGrid | None = None) -> None:
    """Evidence and posterior are those of p(z) p(x|z) over all z, with missing entries too.

    A lower bound falls short by at least the divergence of its posterior from that of Bayes' rule.
    """
    grid = latent_grid(model.prior) if grid is None else grid
    x = _rows(model, seed)
    evidence, posterior = _by_grid(model, x, grid)
    got, values, mode, height, _ = jax.device_get(_posterior(model, x, grid.z))
    finite(got, "log_evidence")
    if _bounded(model):
        _falls_short(model, got, evidence, values, posterior, grid)
        return
    close(got, evidence, rounding(model, 1e-4), "log_evidence, against the sum over z")
    where = posterior > -30
    close(
        np.where(where, values, 0.0),
        np.where(where, posterior, 0.0),
        rounding(model, 1e-3, 1e-8),
        "the log posterior, against Bayes' rule over the grid",
    )
    assert got[-1] == 0 or abs(got[-1]) < rounding(model), "an empty row has log evidence 0."
    slack = rounding(model, 1e-3, 1e-9) * (1 + np.abs(height))
    assert (height + slack >= values.max(axis=1)).all(), "mode: some z is more probable."
    joint = np.asarray(_at_modes(model, x, mode), float)
    close(height, joint - got, rounding(model, 1e-3), "the log posterior at the mode")


def _bounded(model: Any) -> bool:
    return choose(model).exactness is Exactness.LOWER_BOUND


def _falls_short(
    model: Any, bound: Any, evidence: Any, values: Any, posterior: Any, grid: LatentGrid
) -> None:
    mass = np.exp(np.asarray(values, float) + grid.log_weights)
    close(mass.sum(axis=1), np.ones(len(mass)), rounding(model, 1e-3), "the bound's posterior")
    gap = np.where(mass > 0, values - posterior, 0.0)
    divergence = np.sum(mass * gap, axis=1)
    slack = rounding(model, 1e-4) * (1 + np.abs(evidence))
    assert (bound + divergence <= evidence + slack).all(), (
        f"log_evidence: the lower bounds {bound} and the divergences {divergence} of their "
        f"posteriors should together be at most the evidence {evidence}."
    )
    close(bound[-1], 0.0, rounding(model), "the bound of an empty row, which is exact")


@jax.jit
def _at_modes(model: Any, x: Any, z: Any) -> Any:
    return jax.vmap(model.log_joint)(x, z)


@jax.jit
def _sums(model: Any, x: Any, y: Any, z: Any) -> Any:
    one = model.likelihood.potential(x)
    two = model.likelihood.potential(with_covariates_of(model, y, x))
    nothing = model.likelihood.potential(silent(model, x))
    both = jax.vmap(one + two)(z), jax.vmap(one)(z) + jax.vmap(two)(z)
    truth = jax.vmap(one)(z), jax.vmap(lambda value: model.likelihood.log_prob(x, value))(z)

    def condition(potential: Any) -> Any:
        return choose(model).condition(model.prior, potential)

    first = condition(one + two), condition(two + one)
    idle = condition(one + nothing), condition(one)
    before = jax.vmap(lambda value: log_prob_latent(model.prior, value, x))(z)
    prior = jax.vmap(condition(nothing).log_prob)(z), before

    def seen(posterior: Any) -> Any:
        return posterior.log_evidence, posterior.moments

    pairs = [tuple(map(seen, first)), tuple(map(seen, idle))]
    return both, truth, prior, *pairs, jax.vmap(nothing)(z)


@law
def potentials_are_evidence(model: Any, seed: int = 0, grid: LatentGrid | None = None) -> None:
    """A potential is log p(x|z); potentials add, in any order, and that of nothing is zero."""
    grid = latent_grid(model.prior, 9) if grid is None else grid
    x = _rows(model, seed)
    both, truth, prior, swapped, idle, nothing = jax.device_get(_sums(model, x[0], x[2], grid.z))
    pairs = {
        "a sum of potentials, against the sum of their values": both,
        "the potential, against log p(x|z)": truth,
        "the posterior after the zero potential, against the prior": prior,
        "potentials added in the other order": swapped,
        "conditioning on a zero potential as well": idle,
    }
    for what, (got, expected) in pairs.items():
        close(got, expected, rounding(model, 1e-3), what)
    close(nothing, 0 * nothing, rounding(model, 1e-5, 1e-12), "the potential of a missing row")


@jax.jit
def _posterior_draws(model: Any, x: Any, keys: Any) -> Any:
    posterior = choose(model).infer(model, x)
    z = jax.vmap(posterior.sample)(keys)
    return z, jax.vmap(posterior.log_prob)(z)


@law
def posterior_draws_match(model: Any, seed: int = 0, grid: LatentGrid | None = None) -> None:
    """Draws of the posterior have its moments and entropy (false alarms: ``FALSE_ALARM``)."""
    grid = latent_grid(model.prior) if grid is None else grid
    x = _rows(model, seed)[:1]
    keys = jax.random.split(jax.random.key(seed + 1), 4096)
    z, log_probs = jax.device_get(_posterior_draws(model, x[0], keys))
    _, posterior = _by_grid(model, x, grid)
    if _bounded(model):
        # Then they are draws of what stands for the posterior.
        posterior = np.asarray(jax.device_get(_posterior(model, x, grid.z))[1], float)
    mass = np.exp(posterior[0] + grid.log_weights)
    finite(log_probs, "log_prob of draws of the posterior")
    drawn, points = _features(z), _features(grid.z)
    columns = [*zip(drawn.T, points.T, strict=True), (log_probs, posterior[0])]
    for mine, theirs in columns:
        theirs = np.where(mass > 1e-30, theirs, 0.0)
        mean = mass @ theirs
        error = np.sqrt(max(mass @ (theirs - mean) ** 2, 0.0) / len(mine))
        gap = abs(np.mean(mine, dtype=float) - mean) / (error + 1e-5 * (1 + abs(mean)))
        p = 2 * stats.norm.sf(gap) * len(columns)
        assert p >= FALSE_ALARM, f"draws of the posterior do not follow it (z = {gap:.2f})."


def _features(z: Any) -> np.ndarray:
    """The codes as indicators, the numbers, and their products."""
    parts = []
    for leaf in jax.tree.leaves(z):
        leaf = np.asarray(leaf)
        if leaf.dtype.kind in "iu":
            parts.append((leaf[..., None] == np.arange(8)).astype(float).reshape(len(leaf), -1))
        else:
            parts.append(np.asarray(leaf, float).reshape(len(leaf), -1))
    flat = np.concatenate(parts, axis=1)
    pairs = flat[:, :, None] * flat[:, None, :]
    return np.concatenate([flat, pairs.reshape(len(flat), -1)], axis=1)


@jax.jit
def _labelled(model: Any, x: Any, codes: Any) -> Any:
    def one(row: Any, code: Any) -> Any:
        # Of a sequence the first state is known.
        known = code if row.ndim == 1 else jnp.full(row.shape[0], -1).at[0].set(code)
        potential = model.prior.label(model.likelihood.potential(row), known)
        posterior = model.prior.condition(potential)
        return posterior.log_evidence, posterior.probabilities.reshape(-1, model.prior.states)[0]

    return jax.vmap(lambda row: jax.vmap(lambda code: one(row, code))(codes))(x)


@law
def labels_are_evidence(model: Any, seed: int = 0) -> None:
    """A known state has probability 1, and its evidence is p(x, state); these sum to p(x)."""
    x = _rows(model, seed)
    states = model.prior.states
    evidence, probabilities = jax.device_get(_labelled(model, x, np.arange(-1, states)))
    close(probabilities[:, 1:], np.broadcast_to(np.eye(states), (len(x), states, states)),
          rounding(model, 1e-6), "the posterior given a label")  # fmt: skip
    close(np.logaddexp.reduce(evidence[:, 1:].astype(float), axis=1), evidence[:, 0],
          rounding(model, 1e-4), "the sum of p(x, label) over labels, against p(x)")  # fmt: skip
    shares = np.exp(evidence[:, 1:].astype(float) - evidence[:, :1])
    close(shares, probabilities[:, 0], rounding(model, 1e-4), "p(x, label) / p(x)")


@jax.jit
def _slope_at_mode(model: Any, x: Any) -> Any:
    def one(row: Any) -> Any:
        mode = choose(model).infer(model, row).mode()
        leaves, structure = jax.tree.flatten(mode)
        moving = [jnp.issubdtype(jnp.result_type(leaf), jnp.floating) for leaf in leaves]

        def value(numbers: Any) -> Any:
            rest = iter(numbers)
            pairs = zip(leaves, moving, strict=True)
            z = [next(rest) if moves else leaf for leaf, moves in pairs]
            return model.log_joint(row, jax.tree.unflatten(structure, z))

        start = [leaf for leaf, moves in zip(leaves, moving, strict=True) if moves]
        return jax.grad(value)(start) if start else [jnp.zeros(())]

    return jax.vmap(one)(x)


@jax.jit
def _nearby(model: Any, x: Any, key: Any) -> Any:
    """The log posterior at its mode, and a thousandth of the way to each of its draws."""

    def one(row: Any) -> Any:
        posterior = choose(model).infer(model, row)
        mode = posterior.mode()
        z = jax.vmap(posterior.sample)(jax.random.split(key, 32))
        moved = jax.tree.map(lambda to, start: start + 1e-3 * (to - start), z, mode)
        return posterior.log_prob(mode), jax.vmap(posterior.log_prob)(moved)

    return jax.vmap(one)(x)


@law
def modes_are_stationary(model: Any, seed: int = 0) -> None:
    """Where z is continuous, the joint density has no slope at the mode.

    Of a bound, whose z may lie in a corner, the posterior is no denser towards any of its draws.
    """
    if _bounded(model):
        height, nearby = jax.device_get(_nearby(model, _rows(model, seed), jax.random.key(seed)))
        slack = rounding(model, 1e-3, 1e-9) * (1 + np.abs(height[:, None]))
        assert (nearby <= height[:, None] + slack).all(), "mode: a z nearby is more probable."
        return
    slope = jax.device_get(_slope_at_mode(model, _rows(model, seed)))
    close(
        slope,
        jax.tree.map(np.zeros_like, slope),
        rounding(model, 5e-3, 1e-8),
        "the slope at the mode",
    )


@law
def draws_have_the_shape_asked(model: Any, seed: int = 0) -> None:
    """Draws of pairs have one row each, in the model's precision, and their density is not zero."""
    for count in (1, 2, 17):
        z, x = draw(model, count, seed)
        asked = (count, *x.shape[1:-1], model.likelihood.dim)
        assert x.ndim == len(model.likelihood.shape) + 1, f"sample: got x of shape {x.shape}."
        assert x.shape == asked, f"sample: got x of shape {x.shape}, and not {asked}."
        assert x.dtype == dtype_of(model), f"sample: got {x.dtype} from {dtype_of(model)}."
        assert all(len(leaf) == count for leaf in jax.tree.leaves(z)), "sample: a z for each x."
        finite(_at_modes(model, x, z), "log_joint of a draw")
    assert as_rows(z).size >= count
