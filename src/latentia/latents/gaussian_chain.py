"""A sequence of Gaussian vectors, each a linear function of the one before, and noise."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia import constraints
from latentia.constraints import chosen, positive, real
from latentia.potentials import AbstractPotential, GaussianPotential, StepPotentials
from latentia.typing import Key, LatentMatrix, LatentVector, Scalar, Weights

from .chain_moves import regressed, what_is_left
from .chain_parameters import LEARNED, read_parameters
from .chain_paths import drawn, log_density_of
from .chain_posterior import KALMAN, ChainMoments, GaussianChainPosterior
from .chain_totals import ChainTotals, expected_totals, log_expected, total
from .interface import AbstractConjugatePrior
from .kalman import Dynamics
from .square_roots import semidefinite_root


class GaussianChain(AbstractConjugatePrior):
    """A linear dynamical system: z is a sequence ``[T, L]`` with

        z_1 ~ N(mean, covariance),   z_{t+1} = transition z_t + drift + noise,

    conditioned by Kalman's filter and the Rauch-Tung-Striebel smoother, in square roots, so that
    no covariance becomes indefinite; the start's covariance and the noise may be singular.

    Args:
        dim: L, if the transition is to be learned and nothing else is given.
        mean: ``[L]``, zero by default.
        covariance: ``[L, L]``, the identity by default.
        transition: ``[L, L]``.
        drift: ``[L]``, zero by default.
        noise: ``[L, L]``, the covariance of the noise; the identity by default, which is no
            restriction where the loadings are learned.
        variances: ``[G]``, in place of ``noise``, for coordinates with independent noise.
        groups: for each coordinate, which of the variances its noise has; -1 is no noise. By
            default each coordinate has its own.
        diffuse: for each coordinate, whether its start is unknown altogether: the evidence is then
            that of a flat density on it (the exact diffuse start of Durbin and Koopman 2012,
            chapter 5), and its part of ``mean`` and ``covariance`` is of no account.
        learned: which of ``"mean"``, ``"covariance"``, ``"transition"``, ``"drift"`` and
            ``"noise"`` a fit changes. Noise and drift are fixed by default, since loadings and
            bias make up for them.
        length: T, how many steps ``sample`` draws.
    """

    mean: LatentVector = eqx.field(metadata=chosen("mean", real))
    covariance: LatentMatrix = eqx.field(metadata=chosen("covariance", constraints.covariance))
    transition: LatentMatrix = eqx.field(metadata=chosen("transition", real))
    drift: LatentVector = eqx.field(metadata=chosen("drift", real))
    noise: LatentMatrix | None = eqx.field(metadata=chosen("noise", constraints.covariance))
    variances: jax.Array | None = eqx.field(metadata=chosen("noise", positive))
    groups: tuple[int, ...] | None = eqx.field(static=True)
    diffuse: tuple[bool, ...] = eqx.field(static=True)
    learned: tuple[str, ...] = eqx.field(static=True)
    length: int = eqx.field(static=True)

    def __init__(
        self,
        dim: int | None = None,
        *,
        mean: Any = None,
        covariance: Any = None,
        transition: Any = None,
        drift: Any = None,
        noise: Any = None,
        variances: Any = None,
        groups: Any = None,
        diffuse: Any = None,
        learned: Any = LEARNED,
        length: int = 100,
    ) -> None:
        given = {
            "mean": mean,
            "covariance": covariance,
            "transition": transition,
            "drift": drift,
            "noise": noise,
            "variances": variances,
        }
        found = read_parameters(dim, given, groups, diffuse, learned, length)
        self.mean = found["mean"]
        self.covariance = found["covariance"]
        self.transition = found["transition"]
        self.drift = found["drift"]
        self.noise = found["noise"]
        self.variances = found["variances"]
        self.groups = found["groups"]
        self.diffuse = found["diffuse"]
        self.learned = found["learned"]
        self.length = found["length"]

    def _like(self, **changed: Any) -> Self:
        names = [name for name in changed if getattr(self, name) is not None]
        return eqx.tree_at(
            lambda chain: [getattr(chain, name) for name in names],
            self,
            [changed[name] for name in names],
        )

    @property
    def dim(self) -> int:
        """L."""
        return self.mean.shape[-1]

    @property
    def algorithm(self) -> str:
        return KALMAN

    @property
    def noise_covariance(self) -> LatentMatrix:
        """``[L, L]``: the covariance of the noise of a step."""
        if self.variances is None:
            assert self.noise is not None
            return self.noise
        return jnp.diag(self._spread(self.variances))

    def _spread(self, variances: jax.Array) -> jax.Array:
        """``[L]``: for each coordinate that of its group, and 0 if it has none."""
        groups = jnp.array(self.groups)
        return jnp.where(groups >= 0, jnp.asarray(variances)[jnp.maximum(groups, 0)], 0.0)

    @property
    def dynamics(self) -> Dynamics:
        """The chain as the filter takes it: with roots of its covariances."""
        proper = ~jnp.array(self.diffuse)
        start = jnp.where(proper[:, None] & proper[None, :], self.covariance, 0.0)
        mean = jnp.asarray(self.mean)
        known = [i for i, flat in enumerate(self.diffuse) if flat]
        flat = jnp.eye(self.dim, dtype=mean.dtype)[:, jnp.array(known, int)]
        root = jnp.asarray(semidefinite_root(start), mean.dtype)
        transition, drift = jnp.asarray(self.transition), jnp.asarray(self.drift)
        return Dynamics(mean, root, flat, transition, drift, self._noise_root())

    def _noise_root(self) -> LatentMatrix:
        if self.variances is None:
            return semidefinite_root(jnp.asarray(self.noise))
        variances = self._spread(self.variances)
        some = variances > 0
        return jnp.diag(jnp.where(some, jnp.sqrt(jnp.where(some, variances, 1.0)), 0.0))

    def sample(self, key: Key) -> jax.Array:
        """``[length, L]``; a diffuse coordinate starts at its ``mean``."""
        return drawn(self.dynamics, key, self.length)

    def log_prob(self, z: jax.Array) -> Scalar:
        """The density of a path; diffuse coordinates and those without noise have none of it."""
        return log_density_of(z, self.dynamics, self.diffuse, self.still)

    def until(self, length: int) -> Self:
        """The chain of the first steps: the same, since it moves in one way throughout."""
        return self

    @property
    def still(self) -> tuple[bool, ...]:
        """For each coordinate, whether it has no noise."""
        return tuple(group < 0 for group in self.groups or (0,) * self.dim)

    def accepts(self, potential: AbstractPotential) -> bool:
        return (
            isinstance(potential, StepPotentials)
            and isinstance(potential.steps, GaussianPotential)
            and potential.steps.design.shape[-1] == self.dim
        )

    def condition(self, potential: StepPotentials) -> GaussianChainPosterior:
        steps: Any = potential.steps
        return GaussianChainPosterior.of(self, steps)

    def uninformed(self, moments: ChainMoments) -> jax.Array:
        return jnp.zeros(moments.informed.shape, moments.steps.mean.dtype)

    def statistics(self, moments: ChainMoments, weight: Weights) -> ChainTotals:
        return total(self.mean, moments, weight)

    def maximize(self, statistics: ChainTotals) -> Self:
        moves = statistics.moves
        free = ["transition" in self.learned] * self.dim + ["drift" in self.learned]
        change = regressed(moves, free, self.still)
        left = what_is_left(moves, change)
        return self.started(statistics).moved(change[:, :-1], change[:, -1], left, moves.mass)

    def started(self, totals: ChainTotals) -> Self:
        """With the start that is most likely."""
        some = totals.mass > 0
        count = jnp.where(some, totals.mass, 1.0)
        shift = jnp.where(jnp.array(self.diffuse), 0.0, totals.first / count)
        moved = "mean" in self.learned
        mean = self.mean + shift if moved else self.mean
        square = totals.second / count - (jnp.outer(shift, shift) if moved else 0.0)
        if "covariance" not in self.learned:
            square = self.covariance
        square = jnp.where(some, square, self.covariance)
        return self._like(mean=jnp.asarray(mean), covariance=0.5 * (square + square.T))

    def moved(
        self, transition: jax.Array, drift: jax.Array, left: jax.Array, mass: jax.Array
    ) -> Self:
        """With these changes of transition and drift, and the noise ``left [L, L]`` by them."""
        some = mass > 0
        fitted = self._like(transition=self.transition + transition, drift=self.drift + drift)
        if "noise" not in self.learned:
            return fitted
        if self.variances is None:
            left = jnp.where(some, 0.5 * (left + left.T), self.noise_covariance)
            return fitted._like(noise=left)
        return fitted._like(variances=jnp.where(some, self._pooled(left), self.variances))

    def _pooled(self, square: jax.Array) -> jax.Array:
        """``[G]``: the mean of the squares in each group."""
        assert self.variances is not None and self.groups is not None
        groups = jnp.array(self.groups)
        member = (groups[None] == jnp.arange(self.variances.shape[-1])[:, None]) * 1.0
        found = member @ jnp.diagonal(square)
        return jnp.asarray(found / jnp.maximum(jnp.sum(member, axis=1), 1), square.dtype)

    def imagine(self, other: Self, weight: Scalar) -> ChainTotals:
        return expected_totals(self.dynamics, other.dynamics, weight)

    def expected_log_prob(self, other: Self) -> Scalar:
        totals = expected_totals(self.dynamics, other.dynamics, jnp.ones((), self.mean.dtype))
        return log_expected(self.dynamics, totals, self.diffuse, self.still)

    def begin(self, assignment: jax.Array, weight: Weights) -> Self:
        """Slow and quick coordinates, with the variance that loadings take for granted."""
        dtype = jnp.result_type(self.mean)
        pace = jnp.linspace(0.9, 0.5, self.dim, dtype=dtype)
        changed: dict[str, Any] = {}
        if "transition" in self.learned:
            changed["transition"] = jnp.diag(pace)
        if "mean" in self.learned:
            changed["mean"] = jnp.zeros(self.dim, dtype)
        if "covariance" in self.learned:
            changed["covariance"] = jnp.eye(self.dim, dtype=dtype)
        if "drift" in self.learned:
            changed["drift"] = jnp.zeros(self.dim, dtype)
        return self._like(**changed)

    def reorder(self, order: jax.Array) -> Self:
        return self

    def shares(self) -> jax.Array:
        return jnp.ones(1, jnp.result_type(self.mean))

    def degrees_of_freedom(self) -> int:
        """Of what is learned; a full noise covariance counts as nothing, since a linear map of z
        makes up for it."""
        size, proper = self.dim, self.dim - sum(self.diffuse)
        sizes = {
            "mean": proper,
            "covariance": proper * (proper + 1) // 2,
            "transition": size * size,
            "drift": size,
            "noise": 0 if self.variances is None else self.variances.shape[-1],
        }
        return sum(sizes[name] for name in self.learned)

    def describe(self) -> str:
        start = ", diffuse at the start" if any(self.diffuse) else ""
        plural = "s" if self.dim > 1 else ""
        return (
            f"GaussianChain: a sequence of Gaussian vectors in {self.dim} dimension{plural}{start}"
        )
