"""Quadrature: z is summed over a grid of nodes, more of them until the error is small enough."""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.latents import AbstractPosterior
from latentia.latents.gaussian import GaussianMoments
from latentia.model import GRID_DIMENSIONS, LatentVariableModel
from latentia.numerics import (
    NormalGrid,
    factor_inverse,
    log_sum_exp,
    normal_grid,
    normal_points,
    square_root,
)
from latentia.precision import on_host, precision_of
from latentia.typing import Datum, Key, LatentMatrix, LatentVector, Scalar
from latentia.verdict import Exactness, Verdict

from .interface import AbstractRefinable
from .newton import ascend, curvature, whitened

# For L = 1, 2, 3 the nodes on either side of 0 to begin with, and how far they reach.
_BEGIN: dict[int, tuple[int, float]] = {1: (30, 8.0), 2: (20, 6.5), 3: (10, 6.0)}
_MOST_NODES = 2**15
# In more dimensions there are two to this power of quasi-random points.
_POWER = 13
# How many Metropolis steps turn a draw from the cells of the grid into one from the posterior; from
# a Gaussian there are four times as many.
_STEPS = 12
# Estimated errors that pass, and those that are too large to use.
_GOOD, _POOR = 0.03, 0.3


class GridMoments(NamedTuple):
    """The posterior as weights ``mass [G]`` on ``nodes [G, L]``, which all data share."""

    nodes: jax.Array
    mass: jax.Array


class GridPosterior(AbstractPosterior):
    """A posterior over a Gaussian vector whose integrals are sums over a grid.

    ``mean [L]`` and ``covariance [L, L]`` are those of z given x; ``best [L]`` is the node with
    the highest density, in units of the prior. ``error`` is the estimated error of
    ``log_evidence``, or that of the mean in units of the prior if it is larger.
    """

    prior: Any
    potential: Any
    log_evidence: jax.Array
    mean: LatentVector
    covariance: LatentMatrix
    best: LatentVector
    error: Scalar
    rule: "Quadrature" = eqx.field(static=True)

    @property
    def exactness(self) -> Exactness:
        return Exactness.APPROXIMATION

    @property
    def method(self) -> str:
        return f"quadrature with {self.rule.count(self.mean.shape[-1])} nodes"

    @property
    def moments(self) -> GaussianMoments:
        return GaussianMoments(self.mean, self.covariance)

    @property
    def verdict(self) -> Verdict:
        """How far to trust it, by the estimated error: of N posteriors the worst."""
        worst = float(np.max(self.error))
        level = "pass" if worst <= _GOOD else "suspect" if worst <= _POOR else "fail"
        reason = f"the estimated error of the log evidence, and of the mean, is {worst:.1g}"
        remedy = "" if level == "pass" else ": use a Ladder, or fewer latent dimensions"
        return Verdict(level, reason + remedy)

    def mode(self) -> LatentVector:
        return _of_each(self, lambda one: one._top()[1])

    def mode_covariance(self) -> LatentMatrix:
        """The inverse of the curvature at the mode: its root is the error of a MAP estimate."""
        return _of_each(self, lambda one: curvature(one.prior, one.potential, one._top()[0]))

    def _top(self) -> tuple[LatentVector, LatentVector]:
        value, place = whitened(self.prior, self.potential)
        # The best node comes first, since a guessed answer can make the density bimodal.
        u = ascend(value, self.best)
        return u, place(u)

    def sample(self, key: Key) -> LatentVector:
        """Draw one z: proposals close to the posterior, and Metropolis steps to correct them."""
        value, place = whitened(self.prior, self.potential)
        propose, accept = jax.random.split(key)
        near_grid = self.mean.shape[-1] <= GRID_DIMENSIONS
        proposals, gains = (self._from_cells if near_grid else self._from_gaussian)(propose, value)
        chances = jax.random.uniform(accept, gains.shape, gains.dtype, 1e-38, 1.0)
        chances = jnp.log(chances)

        def move(held: Any, new: Any) -> Any:
            taken = new[2] < new[1] - held[1]
            return (jnp.where(taken, new[0], held[0]), jnp.where(taken, new[1], held[1])), None

        begin = proposals[0], gains[0]
        (u, _), _ = jax.lax.scan(move, begin, (proposals[1:], gains[1:], chances[1:]))
        return place(u)

    def _from_cells(self, key: Key, value: Any) -> tuple[jax.Array, jax.Array]:
        """Places in cells of the grid, and how much the log density there is above the cell's."""
        points, log_values = _evaluate(
            self.rule.grid(self.mean.shape[-1]), self.prior, self.potential
        )
        which, where = jax.random.split(key)
        nodes = points[jax.random.categorical(which, log_values, shape=(_STEPS,))]
        noise = jax.random.uniform(where, nodes.shape, points.dtype, -0.5, 0.5)
        proposals = nodes + self.rule.reach / self.rule.half * noise
        return proposals, jax.vmap(value)(proposals) - jax.vmap(value)(nodes)

    def _from_gaussian(self, key: Key, value: Any) -> tuple[jax.Array, jax.Array]:
        """Draws of the Gaussian at the mode, and the log ratio of the posterior to it."""
        top = self._top()[0]
        whitener, _ = factor_inverse(-jax.hessian(value)(top))
        noise = jax.random.normal(key, (4 * _STEPS, top.size), top.dtype)
        proposals = top + noise @ whitener
        return proposals, jax.vmap(value)(proposals) + 0.5 * jnp.sum(noise**2, axis=1)

    def log_prob(self, z: LatentVector) -> Scalar:
        return self.prior.log_prob(z) + self.potential(z) - self.log_evidence


class Quadrature(AbstractRefinable):
    """Sums over z, for smooth likelihoods of a Gaussian vector.

    In up to 3 dimensions the trapezoidal rule in the coordinates in which the prior is standard
    normal. The error is estimated from the grid of twice the spacing, which is part of it:
    convergence is geometric, so the error of the finer one is about the square of their difference.
    Beyond, 8192 quasi-random points, with an error of a few hundredths and more.

    Args:
        half: how many nodes lie on either side of 0 in each dimension.
        reach: how many standard deviations the grid extends.
        tolerance: the largest error in the log-likelihood of a row; above, the grid is refined,
            until it has some 30000 nodes. Every posterior holds its ``error``.
    """

    half: int = eqx.field(static=True, default=30)
    reach: float = eqx.field(static=True, default=8.0)
    tolerance: float = eqx.field(static=True, default=1e-8)

    @classmethod
    def of(cls, dim: int) -> Self:
        """The grid to begin with in L = ``dim`` dimensions."""
        half, reach = _BEGIN.get(dim, (3, 5.0))
        return cls(half=half, reach=reach)

    def grid(self, dim: int) -> NormalGrid:
        """The nodes in L = ``dim`` dimensions."""
        if dim > GRID_DIMENSIONS:
            return normal_points(dim, _POWER)
        return normal_grid(dim, self.half, self.reach)

    def count(self, dim: int) -> int:
        """How many nodes there are."""
        return len(self.grid(dim).points)

    @property
    def exactness(self) -> Exactness:
        return Exactness.APPROXIMATION

    def infer(self, model: LatentVariableModel, x: Datum, key: Key | None = None) -> GridPosterior:
        parts: Any = model
        return self.condition(parts.prior, parts.likelihood.potential(x))

    def condition(self, prior: Any, potential: Any) -> GridPosterior:
        grid = self.grid(prior.dim)
        points, log_values = _evaluate(grid, prior, potential)
        evidence = log_sum_exp(log_values)
        mass = jnp.exp(log_values - evidence)
        mean = mass @ points
        share = np.exp(grid.log_weights[grid.coarse]).sum()
        rough = log_sum_exp(log_values[grid.coarse])
        elsewhere = jnp.exp(log_values[grid.coarse] - rough) @ points[grid.coarse]
        # The mean of z has to settle too, in units of the prior.
        gap = jnp.abs(rough - np.log(share) - evidence)
        gap = jnp.maximum(gap, jnp.max(jnp.abs(elsewhere - mean)))
        # On a grid convergence is geometric: the error is about the square of that of half as many
        # nodes in each dimension. That of quasi-random points is about halved.
        gap = jnp.minimum(gap, 1.0) ** 2 if prior.dim <= GRID_DIMENSIONS else gap
        root = square_root(prior.covariance)
        around = points - mean
        spread = root @ ((around * mass[:, None]).T @ around) @ root.T
        return GridPosterior(
            prior=prior,
            potential=potential,
            log_evidence=evidence,
            mean=prior.mean + root @ mean,
            covariance=spread,
            best=points[jnp.argmax(log_values)],
            error=gap + jnp.sum(mass[grid.edge]),
            rule=self,
        )

    def expect(self, prior: Any, potential: Any) -> tuple[GridMoments, Scalar]:
        points, log_values = _evaluate(self.grid(prior.dim), prior, potential)
        evidence = log_sum_exp(log_values)
        nodes = prior.mean + points @ square_root(prior.covariance).T
        return GridMoments(nodes, jnp.exp(log_values - evidence)), evidence

    def refined(self, dim: int) -> Self | None:
        if dim > GRID_DIMENSIONS:
            return None
        finer = type(self)(
            half=-(-3 * self.half // 2), reach=self.reach + 0.5, tolerance=self.tolerance
        )
        return finer if (2 * finer.half + 1) ** dim <= 2 * _MOST_NODES else None

    def describe(self, model: LatentVariableModel) -> str:
        prior: Any = model.prior
        kind = "nodes" if prior.dim <= GRID_DIMENSIONS else "quasi-random points"
        return f"quadrature with {self.count(prior.dim)} {kind}"


def _of_each(posterior: GridPosterior, ask: Callable[[Any], Any]) -> Any:
    """The answer of one posterior, or of each in a stack of them, in their own precision."""
    with precision_of(posterior.log_evidence):
        for _ in range(jnp.ndim(posterior.log_evidence)):
            ask = jax.vmap(ask)
        return on_host(ask(posterior))


def _evaluate(grid: NormalGrid, prior: Any, potential: Any) -> tuple[jax.Array, jax.Array]:
    """The nodes u ``[G, L]``, and the log of weight, prior and likelihood at each."""
    dtype = prior.mean.dtype
    points = jnp.asarray(grid.points, dtype)
    nodes = prior.mean + points @ square_root(prior.covariance).T
    return points, jnp.asarray(grid.log_weights, dtype) + potential.at(nodes)
