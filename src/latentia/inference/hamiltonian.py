"""Hamiltonian Monte Carlo for many points at once, under densities between a proposal and a target.

Neal 2011, "MCMC using Hamiltonian dynamics". In units of the proposal, so that one step size serves
all directions.
"""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .proposals import Proposal, degrees
from .target import Surface, Target

# The rate of acceptance that step sizes are steered to: high, so that thin places are entered too.
_WANTED = 0.9
# A trajectory is so long, in standard deviations, and has no more leapfrog steps than this.
_LENGTH, _MOST_LEAPS = 1.6, 32
# So many points are moved side by side.
_MANY = 256
# Trajectories for which one program is compiled; more are so many calls.
_CHUNK = 8


class Moved(NamedTuple):
    """Points ``[G, n]`` after their moves, their log target density ``[G]``, and the share of each
    one's moves that were accepted, ``[G]``."""

    points: np.ndarray
    values: np.ndarray
    rates: np.ndarray

    @property
    def rate(self) -> float:
        """The share of all moves that were accepted."""
        return float(np.mean(self.rates))


class Mover:
    """Moves that leave a density ``q^(1 - share) p^share`` as it is: q is one Student t, p the
    target.

    ``step`` is the step size, which ``adapted`` steers.
    """

    def __init__(self, surface: Surface, proposal: Proposal, seed: int) -> None:
        self.surface, self.proposal = surface, proposal
        self.rng = np.random.default_rng([seed, 13, surface.dim])
        self.centre, self.root = proposal.means[0], proposal.roots[0]
        self.inverse = np.linalg.inv(self.root)
        self.step = 0.9 / surface.dim**0.25

    def move(self, points: np.ndarray, share: float, rounds: int, step: float = 0.0) -> Moved:
        """So many trajectories of each point, by step size ``step``, or ``self.step`` if 0."""
        step = step or self.step
        scaled, accepted = (points - self.centre) @ self.inverse.T, np.zeros(len(points))
        values = np.empty(len(points))
        for first in range(0, rounds, _CHUNK):
            count = min(_CHUNK, rounds - first)
            scaled, values, taken = self._chunk(scaled, share, count, step)
            accepted += count * taken
        return Moved(self.centre + scaled @ self.root.T, values, accepted / rounds)

    def _chunk(self, scaled: np.ndarray, share: float, rounds: int, step: float) -> Any:
        leaps = min(_MOST_LEAPS, max(1, math.ceil(_LENGTH / step)))
        # Made here, since compiling a generator takes longer than all the rest.
        normal = self.rng.normal(size=(len(scaled), rounds, scaled.shape[1]))
        uniform = self.rng.uniform(size=(len(scaled), rounds, 2))
        widths = step * (0.4 + 0.8 * uniform[..., 0])
        luck = _Luck(*map(_filled, (normal, widths, np.log(uniform[..., 1]))))
        settings = np.float64(share), np.int64(leaps), np.int64(rounds)
        frame = self.centre, self.root
        return jax.device_get(_move(self.surface.target, frame, scaled, luck, settings))

    def adapted(self, points: np.ndarray, share: float, rounds: int) -> Moved:
        """One trajectory at a time, each by a step size that those before it decide: smaller after
        few acceptances, larger after many."""
        moved = Moved(points, np.empty(len(points)), np.ones(len(points)))
        for _ in range(rounds):
            moved = self.move(moved.points, share, 1)
            self.step = float(np.clip(self.step * _steer(moved.rate), 1e-4, 1.5))
        return moved


def _filled(drawn: np.ndarray) -> np.ndarray:
    """As many rounds as one program takes; those that are left over do nothing."""
    filled = np.zeros((len(drawn), _CHUNK, *drawn.shape[2:]))
    filled[:, : drawn.shape[1]] = drawn
    return filled


def _steer(rate: float) -> float:
    """By how much to change the step size after such a rate of acceptance."""
    # Where next to nothing is accepted the rate does not tell how far the step is off.
    return 0.4 if rate < 0.25 else float(np.exp(rate - _WANTED))


class _Luck(NamedTuple):
    """What chance decides of R trajectories: momenta ``[R, n]``, step sizes ``[R]``, and the log
    of the numbers ``[R]`` that decide on acceptance."""

    momenta: Any
    widths: Any
    bars: Any


class _Place(NamedTuple):
    at: jax.Array
    height: jax.Array
    slope: jax.Array
    target: jax.Array


class _Flight(NamedTuple):
    """A trajectory: where it began, where it is, its momentum, how many were accepted so far."""

    begin: _Place
    here: _Place
    momentum: jax.Array
    accepted: jax.Array


@eqx.filter_jit
def _move(target: Target, frame: Any, points: Any, luck: Any, settings: Any) -> Any:
    share, leaps, rounds = settings
    centre, root = frame

    def height(at: jax.Array) -> tuple[jax.Array, jax.Array]:
        value = target.log_joint(centre + root @ at)
        value = jnp.where(jnp.isnan(value) | (value == jnp.inf), -jnp.inf, value)
        freedom = degrees(at.size)
        easy = -0.5 * (freedom + at.size) * jnp.log1p(at @ at / freedom)
        return (1 - share) * easy + jnp.where(share > 0, share * value, 0.0), value

    def place(at: jax.Array) -> _Place:
        (total, value), slope = jax.value_and_grad(height, has_aux=True)(at)
        # Where there is no slope the trajectory goes straight on, and is judged by its end.
        slope = jnp.where(jnp.isfinite(slope).all(), slope, 0.0)
        return _Place(at, jnp.where(jnp.isnan(total), -jnp.inf, total), slope, value)

    def one(pair: Any) -> Any:
        point, luck = pair

        def leap(i: Any, flight: _Flight) -> _Flight:
            number = (i + leaps - 1) // leaps
            width = luck.widths[number - 1]
            half = flight.momentum + 0.5 * width * flight.here.slope
            there = place(flight.here.at + width * half)
            flight = flight._replace(here=there, momentum=half + 0.5 * width * there.slope)
            # The number of the leap is the same for all points, so that no branch is wasted.
            return jax.lax.cond(
                i % leaps == 0, lambda: _landed(flight, luck, number), lambda: flight
            )

        zero = jnp.zeros((), point.dtype)
        still = _Place(point, -jnp.inf + zero, jnp.zeros_like(point), zero)
        begin = _Flight(still, still, jnp.zeros_like(point), zero)
        # The leap before the first goes nowhere, and finds the slope there.
        end = jax.lax.fori_loop(0, rounds * leaps + 1, leap, begin)
        return end.begin.at, end.begin.target, end.accepted / rounds

    return jax.lax.map(one, (points, luck), batch_size=_MANY)


def _landed(flight: _Flight, luck: _Luck, number: Any) -> _Flight:
    """The next trajectory, from the end of this one if that is accepted (Metropolis's rule)."""
    before = luck.momenta[number - 1]
    gain = flight.here.height - flight.begin.height
    gain = gain + 0.5 * (before @ before - flight.momentum @ flight.momentum)
    taken = (luck.bars[number - 1] < gain) & (flight.here.height > -jnp.inf) & (number > 0)
    counted = flight.accepted + jnp.where(taken, 1.0, 0.0)
    kept: Any = jax.tree.map(
        lambda a, b: jnp.where(taken | (number == 0), a, b), flight.here, flight.begin
    )
    return _Flight(kept, kept, luck.momenta[number], counted)
