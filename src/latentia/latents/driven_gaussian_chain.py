"""A Gaussian chain that covariates drive: a linear dynamical system with controls."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from latentia.constraints import chosen, real
from latentia.distributions.parameters import as_parameter, unset
from latentia.numerics import damped
from latentia.potentials import AbstractPotential, DrivenPotentials, GaussianPotential
from latentia.typing import Key, Scalar, Weights

from .chain_moves import regressed, what_is_left
from .chain_paths import drawn, log_density_of
from .chain_posterior import KALMAN, ChainMoments, GaussianChainPosterior
from .chain_totals import ChainTotals, expected_totals, log_expected, total
from .gaussian_chain import GaussianChain
from .interface import AbstractConjugatePrior
from .kalman import Dynamics
from .smoothing import Transitions

_WITHOUT = "since this chain describes z for given covariates only: "


class DrivenGaussianChain(AbstractConjugatePrior):
    """A linear dynamical system with P controls u, which are given: z is a sequence ``[T, L]`` with

        z_{t+1} = transition z_t + drift + controls u_{t+1} + noise,

    and the start of ``chain``. A row of u belongs to the move into its step, so that of the first
    step is of no account. The likelihood hands the covariates on: ``PerStep(emission, drivers=P)``.
    Kalman's filter and smoother as for the chain alone; the M-step is the regression of z_{t+1} on
    (z_t, u_{t+1}, 1) (Ghahramani and Hinton 1996).

    Args:
        chain: all but the controls.
        controls: ``[L, P]``.
        covariates: P, in place of ``controls``, if they are to be learned.
        learned: ``("controls",)`` if a fit changes them, ``()`` if not; ``chain`` says the same of
            its own parameters.
    """

    chain: GaussianChain
    controls: Float[Array, "L P"] = eqx.field(metadata=chosen("controls", real))
    learned: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        chain: GaussianChain,
        controls: Any = None,
        *,
        covariates: int | None = None,
        learned: Any = ("controls",),
    ) -> None:
        if not isinstance(chain, GaussianChain):
            raise TypeError(
                f"chain of DrivenGaussianChain should be a GaussianChain, but is {chain!r}: write "
                "DrivenGaussianChain(GaussianChain(2), covariates=1), for instance."
            )
        self.chain = chain
        self.controls = _read(controls, chain.dim, covariates)
        self.learned = (learned,) if isinstance(learned, str) else tuple(learned)
        if set(self.learned) - {"controls"}:
            raise ValueError(
                "learned of DrivenGaussianChain should be ('controls',) or (), but is "
                f"{self.learned}: name parameters of the chain in learned of GaussianChain."
            )

    def _like(self, chain: GaussianChain, controls: Any) -> Self:
        where = lambda driven: (driven.chain, driven.controls)  # noqa: E731
        return eqx.tree_at(where, self, (chain, controls))

    @property
    def dim(self) -> int:
        """L."""
        return self.chain.dim

    @property
    def covariates(self) -> int:
        """P."""
        return self.controls.shape[-1]

    @property
    def algorithm(self) -> str:
        return KALMAN

    def dynamics_given(self, given: jax.Array) -> Dynamics:
        """The chain as the filter takes it, for covariates ``[T, P]``."""
        plain, entered = self.chain.dynamics, jnp.asarray(given, self.controls.dtype)[1:]
        pushed = entered @ jnp.asarray(self.controls).T
        pushed = jnp.concatenate([pushed, jnp.zeros((1, self.dim), pushed.dtype)])
        return plain._replace(drift=plain.drift + pushed, inputs=entered)

    def sample(self, key: Key) -> jax.Array:
        raise ValueError(
            f"given should be the covariates, {_WITHOUT}write sample(model, key, given=u)."
        )

    def sample_given(self, key: Key, given: jax.Array) -> jax.Array:
        """``[T, L]``, for covariates ``[T, P]``; a diffuse coordinate starts at its ``mean``."""
        return drawn(self.dynamics_given(given), key, given.shape[0])

    def log_prob(self, z: jax.Array) -> Scalar:
        raise ValueError(f"given should be the covariates, {_WITHOUT}use log_prob_given.")

    def log_prob_given(self, z: jax.Array, given: jax.Array) -> Scalar:
        """The log density of a path ``[T, L]``, for covariates ``[T, P]``."""
        return GivenChain(self, given).log_prob(z)

    def accepts(self, potential: AbstractPotential) -> bool:
        return (
            isinstance(potential, DrivenPotentials)
            and isinstance(potential.steps, GaussianPotential)
            and potential.steps.design.shape[-1] == self.dim
            and potential.given.shape[-1] == self.covariates
        )

    def condition(self, potential: DrivenPotentials) -> GaussianChainPosterior:
        steps: Any = potential.steps
        return GaussianChainPosterior.of(GivenChain(self, potential.given), steps)

    def uninformed(self, moments: ChainMoments) -> jax.Array:
        return self.chain.uninformed(moments)

    def statistics(self, moments: ChainMoments, weight: Weights) -> ChainTotals:
        return total(self.chain.mean, moments, weight)

    def maximize(self, statistics: ChainTotals) -> Self:
        moves, size = statistics.moves, self.dim
        which = [part in (*self.chain.learned, *self.learned) for part in _PARTS]
        free = [which[0]] * size + [which[1]] * self.covariates + [which[2]]
        # Covariates may repeat each other, or the drift.
        design = damped(moves.design, jnp.arange(len(free)) >= size)
        change = regressed(moves._replace(design=design), free, self.chain.still)
        chain = self.chain.started(statistics).moved(
            change[:, :size], change[:, -1], what_is_left(moves, change), moves.mass
        )
        return self._like(chain, self.controls + change[:, size:-1])

    def imagine(self, other: Self, weight: Scalar) -> ChainTotals:
        """As if the covariates were independent, with mean 0 and variance 1."""
        totals = expected_totals(self.chain.dynamics, other.chain.dynamics, weight)
        moves, size, count = totals.moves, self.dim, self.covariates
        change = jnp.asarray(other.controls - self.controls)
        cross = jnp.insert(moves.cross, jnp.full(count, size), 0.0, axis=1)
        design = jnp.insert(moves.design, jnp.full(count, size), 0.0, axis=0)
        design = jnp.insert(design, jnp.full(count, size), 0.0, axis=1)
        own = jnp.arange(size, size + count)
        return totals._replace(
            moves=Transitions(
                moves.mass,
                moves.square + weight * change @ change.T,
                cross.at[:, own].set(weight * change),
                design.at[own, own].set(weight),
            )
        )

    def expected_log_prob(self, other: Self) -> Scalar:
        totals = self.imagine(other, jnp.ones((), self.controls.dtype))
        chain = self.chain
        return log_expected(chain.dynamics, totals, chain.diffuse, chain.still)

    def begin(self, assignment: jax.Array, weight: Weights) -> Self:
        return self._like(self.chain.begin(assignment, weight), jnp.zeros_like(self.controls))

    def reorder(self, order: jax.Array) -> Self:
        return self

    def shares(self) -> jax.Array:
        return self.chain.shares()

    def degrees_of_freedom(self) -> int:
        own = self.dim * self.covariates if self.learned else 0
        return self.chain.degrees_of_freedom() + own

    def describe(self) -> str:
        plural = "s" if self.covariates > 1 else ""
        return f"{self.chain.describe()}, driven by {self.covariates} covariate{plural}"


_PARTS = ("transition", "controls", "drift")


class GivenChain(eqx.Module):
    """A driven chain for covariates ``given [T, P]``: what a posterior was made from."""

    chain: DrivenGaussianChain
    given: Float[Array, "T P"]

    @property
    def dynamics(self) -> Dynamics:
        """The chain as the filter takes it."""
        return self.chain.dynamics_given(self.given)

    def log_prob(self, z: jax.Array) -> Scalar:
        """The density of a path ``[T, L]``."""
        inner = self.chain.chain
        return log_density_of(z, self.dynamics, inner.diffuse, inner.still)

    def until(self, length: int) -> "GivenChain":
        """The same for the first steps alone."""
        return GivenChain(self.chain, self.given[:length])


def _read(controls: Any, dim: int, covariates: int | None) -> Any:
    if controls is None:
        if not isinstance(covariates, int | np.integer) or covariates < 1:
            raise ValueError(
                "covariates of DrivenGaussianChain should be a whole number of at least 1, but is "
                f"{covariates!r}: write DrivenGaussianChain(GaussianChain(2), covariates=1), for "
                "instance, or give controls."
            )
        return unset(dim, int(covariates))
    value = as_parameter(controls, "controls")
    if value.ndim < 2 or value.shape[-2] != dim or value.shape[-1] < 1:
        raise ValueError(
            f"controls of DrivenGaussianChain should have shape ({dim}, P), a row for each of the "
            f"{dim} coordinates of the chain and a column for each covariate, but has "
            f"{value.shape}: transpose or reshape them."
        )
    if covariates is not None and covariates != value.shape[-1]:
        raise ValueError(
            f"covariates of DrivenGaussianChain should be {value.shape[-1]}, the columns of "
            f"controls, but is {covariates!r}: leave it out."
        )
    return value
