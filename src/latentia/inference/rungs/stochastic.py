"""Stochastic variational inference for many data: each step sees a few rows of them.

Natural gradients of the bound in the coordinates of the Gaussian itself, so that no scale has to be
known; path derivatives alone, which vanish at the optimum ("sticking the landing", Roeder, Wu and
Duvenaud 2017); and gradients that differ from those of all data at an anchor by what a few rows say
of the difference (Johnson and Zhang 2013; Baker et al. 2019). Steps are of constant size until the
iterates are stationary (R-hat); their average is taken, the size halved, and so on until averages
no longer change (Dhaka et al. 2020; Welandawe et al. 2022).
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.inference.chain_diagnostics import effective_sizes, r_hat
from latentia.inference.modes import Mode, find_modes, starting_points
from latentia.inference.proposals import Proposal
from latentia.inference.subsampling import SomeRows, count_rows, require_sum
from latentia.inference.target import MOST_AVERAGED, MOST_CURVED, Surface, Target
from latentia.verdict import Verdict

from .interface import AbstractRung, Attempt, Climb, told_of_modes, too_many

# Rows that the search for a start sees.
_PILOT = 2048
# Draws in a step, half of them opposite to the other half.
_DRAWS = 8
_FIRST, _BLOCK, _BLOCKS, _STAGES = 0.4, 100, 12, 6
# Of the iterates: stationary, and known to so much of a posterior standard deviation.
_STATIONARY, _KNOWN = 1.2, 0.02
# The divergence of two averages in turn, in nats for each free number.
_SAME = 1e-3


class Stochastic(AbstractRung):
    """The Gaussian of highest bound from minibatches, for one z behind many rows of data.

    The likelihood is ``Custom``, a sum over the rows of all arrays in x. Importance sampling with
    all the data has the last word.

    Args:
        batch: how many rows a step sees.
    """

    batch: int = eqx.field(static=True, default=256)

    def __check_init__(self) -> None:
        if not (isinstance(self.batch, int) and self.batch >= 1):
            raise ValueError(
                f"batch should be a whole number of at least 1, but is {self.batch!r}."
            )

    @property
    def name(self) -> str:
        return "stochastic variational inference"

    def attempt(self, climb: Climb) -> Attempt:
        surface = climb.surface
        if not surface.curved:
            return Attempt(self.name, too_many(surface, MOST_CURVED))
        count = count_rows(surface.target.potential)
        rng = np.random.default_rng([climb.seed, 29])
        rows = np.sort(rng.choice(count, min(count, _PILOT), replace=False))
        search = _pilot(surface, rows, count, climb.seed)
        if not search.modes:
            reason = f"of {len(rows)} rows of the data, {search.trouble}"
            return Attempt(self.name, Verdict("fail", reason), settled=search.improper)
        mode = search.modes[0]
        require_sum(surface.target, np.stack([search.origin, mode.point]))
        found = settle(climb, mode, min(self.batch, count))
        if found is None:
            reason = "the steps left the finite densities, however small"
            return Attempt(self.name, Verdict("fail", reason))
        return told_of_modes(climb.weighed(self.name, Proposal.single(*found)), search)


def _pilot(surface: Surface, rows: np.ndarray, count: int, seed: int) -> Any:
    """The modes as some of the rows see them, as if they were all."""
    target = surface.target
    whole: Any = target.potential
    some = SomeRows(whole, jnp.asarray(rows), jnp.asarray(count / len(rows)))
    pilot = Surface(Target(target.prior, some))
    return find_modes(pilot, starting_points(pilot, seed))


class _Average(NamedTuple):
    """Of stationary iterates: ``mean [n]`` and ``covariance [n, n]``."""

    mean: np.ndarray
    covariance: np.ndarray


def settle(climb: Climb, mode: Mode, batch: int) -> _Average | None:
    """The average of the iterates when it no longer changes, or the last one there was time for."""
    surface, units = climb.surface, np.linalg.cholesky(mode.covariance)
    state, best, size = (mode.point, units), None, _FIRST
    key = jax.random.key(climb.seed)
    for _ in range(_STAGES):
        key, now = jax.random.split(key)
        found, known = _stage(climb, state, units, now, size, batch)
        size = size / 2
        if found is None:
            continue
        if best is not None and known and _divergence(best, found) < _SAME * surface.dim:
            return found
        best = found
        state = found.mean, _root(found.covariance, surface.dim)
        if climb.seconds_left() <= 0:
            break
    return best


def _root(covariance: np.ndarray, dim: int) -> np.ndarray:
    return np.linalg.cholesky(covariance + 1e-12 * np.trace(covariance) / dim * np.eye(dim))


def _stage(
    climb: Climb, state: Any, units: np.ndarray, key: Any, size: float, batch: int
) -> tuple[_Average | None, bool]:
    """Steps of one size until their average is known well enough, and whether it is."""
    target = climb.surface.target
    anchor = _Anchor(jnp.asarray(state[0]), _whole_slope(target, state[0]))
    traces, sums, average, known = [], [], None, False
    for block in range(_BLOCKS):
        chance = jax.random.fold_in(key, block)
        state, trace, total = _steps(target, anchor, state, chance, jnp.asarray(size), batch, units)
        if not np.isfinite(np.asarray(trace)).all():
            return None, False
        traces.append(np.asarray(trace))
        sums.append([np.asarray(leaf) for leaf in total])
        half = len(traces) // 2
        if block < 3:
            continue
        late = np.concatenate(traces[half:])
        mean, covariance = (np.mean([each[i] for each in sums[half:]], axis=0) for i in (0, 1))
        average = _Average(mean, covariance)
        known = _settled(late)
        if known or climb.seconds_left() <= 0:
            break
    return average, known


def _settled(trace: np.ndarray) -> bool:
    """Whether iterates ``[S, m]`` are stationary, and their means known well enough."""
    # Where the posterior is met exactly, iterates stand still.
    spread = trace.std(axis=0)
    moving = spread > 1e-3 * _KNOWN
    if not moving.any():
        return True
    chain = trace[None][..., moving]
    if r_hat(chain).max() >= _STATIONARY:
        return False
    return bool(np.max(spread[moving] / np.sqrt(effective_sizes(chain))) < _KNOWN)


def _divergence(one: _Average, other: _Average) -> float:
    """Symmetrised Kullback-Leibler divergence of two Gaussians, in nats."""
    gap, dim = one.mean - other.mean, len(one.mean)
    first, second = np.linalg.inv(one.covariance), np.linalg.inv(other.covariance)
    traces = np.sum(first * other.covariance) + np.sum(second * one.covariance)
    return float(0.5 * (traces - 2 * dim + gap @ (first + second) @ gap))


class _Anchor(NamedTuple):
    """A point ``[n]``, and the slope of the log likelihood of all data there."""

    point: jax.Array
    slope: jax.Array


def _evidence(target: Target, potential: Any, free: jax.Array) -> jax.Array:
    return potential(target.prior.bind(free)[0])


def _prior(target: Target, free: jax.Array) -> jax.Array:
    z, volume = target.prior.bind(free)
    return target.prior.log_prob(z) + volume


@eqx.filter_jit
def _whole_slope(target: Target, point: Any) -> jax.Array:
    return jax.grad(lambda free: _evidence(target, target.potential, free))(jnp.asarray(point))


@eqx.filter_jit
def _steps(
    target: Target, anchor: _Anchor, state: Any, key: Any, size: Any, batch: int, units: Any
) -> Any:
    """A block of steps: the state, a trace ``[steps, 2n]`` in units, and averages."""
    whole: Any = target.potential
    count, dim = count_rows(whole), target.prior.free_dim

    def slopes(points: jax.Array, rows: jax.Array) -> jax.Array:
        """Of the log joint at points ``[S, n]``, as those rows and the anchor tell it."""
        some = SomeRows(whole, rows, jnp.asarray(count / batch))
        seen = jax.grad(lambda free: _evidence(target, some, free))
        prior = jax.vmap(jax.grad(lambda free: _prior(target, free)))(points)
        return prior + anchor.slope + jax.vmap(seen)(points) - seen(anchor.point)

    def step(carry: Any, chance: Any) -> Any:
        mean, root = carry
        first, second = jax.random.split(chance)
        rows = jax.random.randint(first, (batch,), 0, count) if batch < count else jnp.arange(count)
        half = jax.random.normal(second, (_DRAWS // 2, dim))
        noise = jnp.concatenate([half, -half])
        # The path derivative of the bound, in the coordinates of the Gaussian itself.
        rest = slopes(mean + noise @ root.T, rows) @ root + noise
        change = rest.T @ noise / _DRAWS
        change = (change + change.T) / 2
        if dim > MOST_AVERAGED:
            change = jnp.diag(jnp.diagonal(change))
        move = rest.mean(axis=0)
        move = move / jnp.maximum(1.0, jnp.linalg.norm(move) / jnp.sqrt(dim))
        change = change / jnp.maximum(1.0, jnp.linalg.norm(change) / jnp.sqrt(dim))
        new = mean + size * root @ move, root + 0.5 * size * root @ change
        relative = jax.scipy.linalg.solve_triangular(units, new[1], lower=True)
        place = jax.scipy.linalg.solve_triangular(units, new[0] - anchor.point, lower=True)
        spread = 0.5 * jnp.log(jnp.sum(relative**2, axis=1))
        return new, (jnp.concatenate([place, spread]), new[0], new[1] @ new[1].T)

    begin = jnp.asarray(state[0]), jnp.asarray(state[1])
    state, (trace, means, covariances) = jax.lax.scan(step, begin, jax.random.split(key, _BLOCK))
    return state, trace, (means.mean(axis=0), covariances.mean(axis=0))
