"""Annealed importance sampling for deep models, and bounds of their evidence from both sides.

A path of densities ``q^(1 - share) p^share`` leads from the encoder's proposal q to the joint
density p of x and z. Weights gathered on the way average to the evidence, so that their log lies
below its log in expectation (Neal 2001; for decoders Wu et al. 2017). Of draws of the model a z of
the exact posterior is known: the way back from it gives weights that average to the reciprocal of
the evidence, and so a bound from above (Grosse, Ghahramani and Adams 2015).
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from latentia.inference.amortized import parts_of_model, proposed
from latentia.inference.amortized_answers import in_blocks
from latentia.inference.encoded import Proposal, log_weights
from latentia.numerics import log_sum_exp
from latentia.precision import on_host

# Ways for each datum; leapfrog steps of one move, and the rate of acceptance they are steered to.
CHAINS = 16
_LEAPS, _WANTED = 4, 0.85
# Data whose ways are gone at once.
_ROWS = 16
# Keys are apart from those of rows, which are folded with their numbers, by these.
_DRAWING, _FORWARDS, _BACKWARDS = 2**31 + 1, 2**31 + 2, 2**31 + 3


@dataclass(frozen=True, repr=False)
class Sandwich:
    """Bounds of the log evidence of draws of the model, from both sides, in nats.

    The true log evidence of each draw lies between ``low`` and ``high`` in expectation, so that
    their mean distance says how far such estimates can be off, wherever the data are like the
    model's own draws.

    Attributes:
        low: ``[S]``, by annealing from the encoder's proposal to the posterior.
        high: ``[S]``, by annealing back from the z that the draw was made of.
        weighted: ``[S]``, the importance-weighted bound of the same draws.
    """

    low: np.ndarray
    high: np.ndarray
    weighted: np.ndarray

    @property
    def gap(self) -> float:
        """The mean distance between the two bounds."""
        return float(np.mean(self.high - self.low))

    @property
    def shortfall(self) -> float:
        """By how much the importance-weighted bound is too low on average, at most."""
        return float(np.mean(self.high - self.weighted))

    def __repr__(self) -> str:
        return (
            f"Sandwich: the evidence of {len(self.low)} draws of the model is {self.low.mean():.6g}"
            f" to {self.high.mean():.6g}; the importance-weighted bound lacks at most "
            f"{self.shortfall:.3g}"
        )


def annealed(model: Any, rows: np.ndarray, key: Any, steps: int) -> np.ndarray:
    """Bounds from below of the log evidence of each row, ``[N]``."""
    ask = partial(_forwards, model, key=key, steps=steps)
    return on_host(in_blocks(ask, rows, np.arange(len(rows)), most=_ROWS))


def both_ways(
    model: Any, rows: np.ndarray, key: Any, steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws of the model, one for each row's covariates if it has any, as rows; and the bounds of
    their log evidence from below and from above, ``[S]``."""
    index = np.arange(len(rows))
    drawn, u = on_host(in_blocks(partial(_drawn, model, key=key), rows, index, most=_ROWS))
    ask = partial(_backwards, model, key=key, steps=steps)
    high = on_host(in_blocks(ask, drawn, u, index, most=_ROWS))
    return drawn, annealed(model, drawn, key, steps), high


@partial(jax.jit)
def _drawn(model: Any, rows: Any, index: Any, *, key: Any) -> Any:
    parts = parts_of_model(model)
    likelihood, dim = parts.likelihood, parts.prior.dim

    def one(row: jax.Array, place: jax.Array) -> Any:
        first, second = jax.random.split(
            jax.random.fold_in(jax.random.fold_in(key, _DRAWING), place)
        )
        if parts.prior.whitened:
            u = jax.random.normal(first, (dim,), rows.dtype)
        else:
            u = parts.prior.sample(first)
        _, given = likelihood.split(row)
        x = likelihood.given(given).sample(second, parts.prior.place(u)).astype(rows.dtype)
        behind = row.reshape(-1)[likelihood.dim :]
        return jnp.concatenate([x.reshape(-1), behind]).reshape(row.shape), u

    return jax.vmap(one)(rows, index)


@partial(jax.jit, static_argnames="steps")
def _forwards(model: Any, rows: Any, index: Any, *, key: Any, steps: int) -> jax.Array:
    parts = parts_of_model(model)

    def one(row: jax.Array, place: jax.Array) -> jax.Array:
        way = _Way(parts, row, steps)
        keys = jax.random.split(jax.random.fold_in(jax.random.fold_in(key, _FORWARDS), place))
        # The widths are fixed before the ways that count, or their weights would not be right.
        widths = way.found_widths(keys[0])
        return log_sum_exp(way.forwards(keys[1], widths)) - jnp.log(CHAINS)

    return jax.vmap(one)(rows, index)


@partial(jax.jit, static_argnames="steps")
def _backwards(model: Any, rows: Any, u: Any, index: Any, *, key: Any, steps: int) -> jax.Array:
    parts = parts_of_model(model)

    def one(row: jax.Array, u: jax.Array, place: jax.Array) -> jax.Array:
        way = _Way(parts, row, steps)
        keys = jax.random.split(jax.random.fold_in(jax.random.fold_in(key, _BACKWARDS), place))
        widths = way.found_widths(keys[0])
        return jnp.log(CHAINS) - log_sum_exp(-way.backwards(keys[1], widths, u))

    return jax.vmap(one)(rows, u, index)


class _Place(NamedTuple):
    """A point in units of the proposal, the log weight there, and the slope of a density."""

    at: jax.Array
    ratio: jax.Array
    slope: jax.Array


class _Way:
    """The path of densities of one x, in units of the encoder's proposal."""

    def __init__(self, parts: Any, x: jax.Array, steps: int) -> None:
        self.parts, self.x, self.steps = parts, x, steps
        # `evaluate` refuses the others.
        self.proposal = cast(Proposal, proposed(parts, x))
        # Denser at both ends, where the density changes most (Grosse et al. 2015, section 5).
        turns = jax.nn.sigmoid(6 * (2 * jnp.arange(steps + 1, dtype=x.dtype) / steps - 1))
        self.shares = (turns - turns[0]) / (turns[-1] - turns[0])

    def ratio(self, at: jax.Array) -> jax.Array:
        """Log p(x, u) - log q(u); where it is not a number there is no density."""
        found = log_weights(self.parts, self.x, self.proposal, self.proposal.at(at)[None])[0]
        return jnp.where(jnp.isnan(found), -jnp.inf, found)

    def begin(self, key: Any) -> jax.Array:
        size = (CHAINS, self.proposal.mean.size)
        return jax.random.normal(key, size, self.x.dtype)

    def moved(self, at: jax.Array, share: jax.Array, width: jax.Array, key: Any) -> Any:
        """One Hamiltonian trajectory of each point ``[C, L]``, the log weights at its end, and
        the mean rate of acceptance (Neal 2011)."""
        first, second, third = jax.random.split(key, 3)
        momenta = jax.random.normal(first, at.shape, at.dtype)
        # Of different lengths, so that none comes back to where it began.
        widths = width * jax.random.uniform(second, at.shape[:1], at.dtype, 0.6, 1.2)
        luck = jnp.log(jax.random.uniform(third, at.shape[:1], at.dtype))

        def place(at: jax.Array) -> _Place:
            ratio, slope = jax.value_and_grad(self.ratio)(at)
            slope = share * jnp.where(jnp.isfinite(slope).all(), slope, 0.0) - at
            return _Place(at, ratio, slope)

        def one(at: jax.Array, momentum: jax.Array, width: jax.Array, luck: jax.Array) -> Any:
            start = place(at)

            def leap(_: Any, flight: Any) -> Any:
                here, momentum = flight
                half = momentum + 0.5 * width * here.slope
                there = place(here.at + width * half)
                return there, half + 0.5 * width * there.slope

            end, arrived = jax.lax.fori_loop(0, _LEAPS, leap, (start, momentum))
            gain = share * (end.ratio - start.ratio) + 0.5 * (
                start.at @ start.at + momentum @ momentum - end.at @ end.at - arrived @ arrived
            )
            gain = jnp.where(jnp.isnan(gain), -jnp.inf, gain)
            taken = luck < gain
            rate = jnp.exp(jnp.minimum(gain, 0.0))
            return jnp.where(taken, end.at, at), jnp.where(taken, end.ratio, start.ratio), rate

        points, ratios, rates = jax.vmap(one)(at, momenta, widths, luck)
        return points, ratios, jnp.mean(rates)

    def found_widths(self, key: Any) -> jax.Array:
        """Step sizes ``[T - 1]`` of the moves, steered by their rates on a way of its own."""

        def step(carry: Any, entry: Any) -> Any:
            at, width = carry
            share, index = entry
            at, _, rate = self.moved(at, share, width, jax.random.fold_in(key, index))
            after = jnp.clip(width * jnp.exp(rate - _WANTED), 1e-4, 1.5)
            return (at, after), width

        width = jnp.asarray(0.8 / self.proposal.mean.size**0.25, self.x.dtype)
        entries = self.shares[1:-1], jnp.arange(1, self.steps)
        return jax.lax.scan(step, (self.begin(key), width), entries)[1]

    def forwards(self, key: Any, widths: jax.Array) -> jax.Array:
        """Log weights ``[C]`` of ways from the proposal."""
        at = self.begin(key)
        gaps = jnp.diff(self.shares)

        def step(carry: Any, entry: Any) -> Any:
            at, logs = carry
            share, width, gap, index = entry
            at, ratios, _ = self.moved(at, share, width, jax.random.fold_in(key, index))
            return (at, logs + gap * ratios), None

        entries = self.shares[1:-1], widths, gaps[1:], jnp.arange(1, self.steps)
        return jax.lax.scan(step, (at, gaps[0] * jax.vmap(self.ratio)(at)), entries)[0][1]

    def backwards(self, key: Any, widths: jax.Array, u: jax.Array) -> jax.Array:
        """Log weights ``[C]`` of ways back from one draw of the posterior."""
        begun = (u - self.proposal.mean) / self.proposal.scale
        at = jnp.broadcast_to(begun, (CHAINS, u.size))
        gaps = jnp.diff(self.shares)

        def step(carry: Any, entry: Any) -> Any:
            at, logs = carry
            share, width, gap, index = entry
            at, ratios, _ = self.moved(at, share, width, jax.random.fold_in(key, index))
            return (at, logs + gap * ratios), None

        entries = self.shares[1:-1], widths, gaps[:-1], jnp.arange(1, self.steps)
        start = at, gaps[-1] * jax.vmap(self.ratio)(at)
        return jax.lax.scan(step, start, entries, reverse=True)[0][1]
