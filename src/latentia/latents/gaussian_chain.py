"""A sequence of Gaussian vectors, each a linear function of the one before, and noise."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia import constraints
from latentia.constraints import chosen, positive, real
from latentia.numerics import LOG_2PI, solve_positive
from latentia.potentials import AbstractPotential, GaussianPotential, StepPotentials
from latentia.typing import Key, LatentMatrix, LatentVector, Scalar, Weights

from .chain_parameters import LEARNED, read_parameters
from .chain_posterior import KALMAN, ChainMoments, GaussianChainPosterior
from .chain_totals import ChainTotals, expected_totals, log_expected, total
from .interface import AbstractConjugatePrior
from .kalman import Dynamics
from .square_roots import lower_inverse, semidefinite_root, triangularized


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
        chain = self.dynamics
        draws = jax.random.normal(key, (self.length, self.dim), chain.mean.dtype)

        def step(z: jax.Array, draw: jax.Array) -> tuple[jax.Array, jax.Array]:
            return chain.transition @ z + chain.drift + chain.noise @ draw, z

        first = chain.mean + chain.root @ draws[0]
        last, path = jax.lax.scan(step, first, draws[1:])
        return jnp.concatenate([path, last[None]])

    def log_prob(self, z: jax.Array) -> Scalar:
        """The density of a path; diffuse coordinates and those without noise have none of it."""
        chain = self.dynamics
        moves = z[1:] - z[:-1] @ chain.transition.T - chain.drift
        return _log_density(z[0] - chain.mean, chain.root, self.diffuse) + jnp.sum(
            jax.vmap(lambda gap: _log_density(gap, chain.noise, self._still))(moves)
        )

    @property
    def _still(self) -> tuple[bool, ...]:
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
        return self._started(statistics)._moved(statistics)

    def _started(self, totals: ChainTotals) -> Self:
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

    def _moved(self, totals: ChainTotals) -> Self:
        """With the moves that are most likely: a regression of what is left of z_{t+1} on z_t."""
        moves = totals.moves
        some = moves.mass > 0
        change = jnp.where(some, self._regressed(moves), 0.0)
        # What is left, with the change that was made and not only with the best one.
        turned = change @ jnp.swapaxes(moves.cross, -1, -2)
        square = moves.square - turned - turned.T + change @ moves.design @ change.T
        square = square / jnp.where(some, moves.mass, 1.0)
        fitted = self._like(
            transition=self.transition + change[:, :-1], drift=self.drift + change[:, -1]
        )
        if "noise" not in self.learned:
            return fitted
        if self.variances is None:
            square = jnp.where(some, 0.5 * (square + square.T), self.noise_covariance)
            return fitted._like(noise=square)
        return fitted._like(variances=jnp.where(some, self._pooled(square), self.variances))

    def _regressed(self, moves: Any) -> jax.Array:
        """The change ``[L, L+1]`` of (transition, drift)."""
        free = ["transition" in self.learned] * self.dim + ["drift" in self.learned]
        if not any(free):
            return jnp.zeros_like(moves.cross)
        chosen = jnp.array(free, moves.cross.dtype)
        eye = jnp.eye(self.dim + 1, dtype=chosen.dtype)
        design = moves.design * chosen[:, None] * chosen[None] + eye * (1 - chosen)
        design = jnp.where(moves.mass > 0, design, eye)
        return solve_positive(design, (moves.cross * chosen).T).T

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
        return log_expected(self.dynamics, totals, self.diffuse, self._still)

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


def _log_density(gap: jax.Array, root: jax.Array, none: tuple[bool, ...]) -> jax.Array:
    """Of the coordinates of ``gap [L]`` that are not ``none``."""
    keep = jnp.array([i for i, absent in enumerate(none) if not absent], int)
    if keep.size == 0:
        return jnp.zeros((), gap.dtype)
    lower = triangularized(root[keep], keep.size)[:, : keep.size]
    whitened = lower_inverse(lower) @ gap[keep]
    log_det = jnp.sum(jnp.log(jnp.diagonal(lower)))
    return -0.5 * whitened @ whitened - log_det - 0.5 * keep.size * LOG_2PI
