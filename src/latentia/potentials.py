"""Evidence about z: log p(x|z) as a function of z, up to nothing.

Potentials add, since independent observations of one z multiply their likelihoods. The zero
potential says nothing: a missing observation.
"""

from abc import abstractmethod
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from latentia.numerics import log_sum_exp, safe_log
from latentia.typing import Probabilities, Scalar


class AbstractPotential(eqx.Module):
    """A function of z that says how well each z explains what was observed."""

    @abstractmethod
    def __call__(self, z: Any) -> Scalar:
        """Its value at ``z``."""

    @abstractmethod
    def __add__(self, other: Any) -> Self:
        """The evidence of both."""


class DiscretePotential(AbstractPotential):
    """A number ``log_values [K]`` for each of K states."""

    log_values: Probabilities

    def __call__(self, z: Any) -> Scalar:
        return self.log_values[z]

    def __add__(self, other: Self) -> Self:
        return type(self)(self.log_values + other.log_values)


class GaussianPotential(AbstractPotential):
    """A whitened linear observation of z: ``constant - |target - design z|² / 2``.

    Kept as an observation and not as (linear, precision, constant), whose large terms cancel: with
    noise variance 1e-6 in float32 that form is wrong by a hundred nats.
    """

    design: Float[Array, "R L"]
    target: Float[Array, "R"]
    constant: Scalar

    def __call__(self, z: Any) -> Scalar:
        gap = self.target - self.design @ z
        return self.constant - 0.5 * gap @ gap

    def __add__(self, other: Self) -> Self:
        return type(self)(
            jnp.concatenate([self.design, other.design], axis=-2),
            jnp.concatenate([self.target, other.target], axis=-1),
            self.constant + other.constant,
        )


class AbstractSmoothPotential(AbstractPotential):
    """A smooth function of a real vector z that no prior is conjugate to: known by its values."""

    @property
    @abstractmethod
    def latent_dim(self) -> int:
        """L, the length of z."""

    @abstractmethod
    def at(self, points: Float[Array, "G L"]) -> Float[Array, "G"]:
        """Its values at many z."""

    def expand(self, centre: Float[Array, "L"]) -> GaussianPotential:
        """The Gaussian potential with the same value, slope and curvature at ``centre``.

        Directions in which it curves upwards are taken as flat, since evidence cannot be negative.
        """
        value, slope = jax.value_and_grad(self)(centre)
        bend, axes = jnp.linalg.eigh(-jax.hessian(self)(centre))
        least = jnp.finfo(bend.dtype).eps * jnp.maximum(jnp.max(jnp.abs(bend)), 1e-6)
        down = bend > least
        scale = jnp.sqrt(jnp.where(down, bend, 1.0))
        design = jnp.where(down, scale, 0.0)[:, None] * axes.T
        gap = jnp.where(down, (axes.T @ slope) / scale, 0.0)
        return GaussianPotential(design, design @ centre + gap, value + 0.5 * gap @ gap)


class AbstractAdditivePotential(AbstractSmoothPotential):
    """A sum of R functions, each of one linear map of z, and of a number ``base``."""

    base: eqx.AbstractVar[Scalar]

    @property
    @abstractmethod
    def projections(self) -> Float[Array, "R L"]:
        """The linear maps, one in each row."""

    @abstractmethod
    def each(self, eta: Float[Array, "G R"]) -> Float[Array, "G R"]:
        """The functions at numbers ``projections @ z``."""


class ScaledPotential(AbstractPotential):
    """Gaussian evidence about z = (vector, scale), whose noise is divided by the scale:
    ``constant + observed / 2 * log scale - scale * |target - design vector|² / 2``."""

    gaussian: GaussianPotential
    observed: Scalar

    def __call__(self, z: Any) -> Scalar:
        vector, scale = z
        gap = self.gaussian.target - self.gaussian.design @ vector
        return self.gaussian.constant + 0.5 * (self.observed * jnp.log(scale) - scale * gap @ gap)

    def __add__(self, other: Self) -> Self:
        return type(self)(self.gaussian + other.gaussian, self.observed + other.observed)


class BranchPotential(AbstractPotential):
    """Evidence about z = (k, inner): one potential for each branch, stacked, and K numbers."""

    inner: AbstractPotential
    log_values: Probabilities

    def __call__(self, z: Any) -> Scalar:
        branch, inner = z
        chosen = jax.tree.map(lambda leaf: leaf[branch], self.inner)
        return self.log_values[branch] + chosen(inner)

    def __add__(self, other: Self) -> Self:
        inner = jax.vmap(lambda a, b: a + b)(self.inner, other.inner)
        return type(self)(inner, self.log_values + other.log_values)


class StepPotentials(AbstractPotential):
    """Evidence about a sequence z: a potential of every step, stacked along a leading axis of T."""

    steps: AbstractPotential

    def __call__(self, z: Any) -> Scalar:
        return jnp.sum(jax.vmap(lambda potential, step: potential(step))(self.steps, z))

    def __add__(self, other: Self) -> Self:
        return type(self)(jax.vmap(lambda a, b: a + b)(self.steps, other.steps))


class DrivenPotentials(AbstractPotential):
    """Evidence about a sequence z that covariates ``given [T, P]`` drive, and these covariates."""

    steps: AbstractPotential
    given: Float[Array, "T P"]

    def __call__(self, z: Any) -> Scalar:
        return StepPotentials(self.steps)(z)

    def __add__(self, other: Self | StepPotentials) -> Self:
        return type(self)(jax.vmap(lambda a, b: a + b)(self.steps, other.steps), self.given)


def _is_smooth(part: Any) -> bool:
    return isinstance(part, AbstractSmoothPotential)


def smooth_part(potential: Any) -> Any:
    """The smooth potential of a vector in a potential, stacked if there are several; or None."""
    parts = [leaf for leaf in jax.tree.leaves(potential, is_leaf=_is_smooth) if _is_smooth(leaf)]
    return parts[0] if len(parts) == 1 else None


def in_its_place(potential: Any, part: Any) -> Any:
    """The potential with ``part`` where its smooth one is."""
    return jax.tree.map(
        lambda leaf: part if _is_smooth(leaf) else leaf, potential, is_leaf=_is_smooth
    )


class WordPotential(AbstractPotential):
    """Words that were counted, each from one of K sources that are mixed in the proportions z.

    ``log_likelihoods [K, R]`` is the log probability of each of R words in every source, and
    ``counts [R]`` how often it came: log p(x|z) = sum of ``counts * log(z @ likelihoods)``.
    """

    log_likelihoods: Float[Array, "K R"]
    counts: Float[Array, "R"]

    def __call__(self, z: Any) -> Scalar:
        mixed = log_sum_exp(safe_log(z)[..., None, :] + self.log_likelihoods.T)
        # A word that did not come says nothing, however unlikely it is.
        came = self.counts > 0
        return jnp.sum(jnp.where(came, self.counts * jnp.where(came, mixed, 0.0), 0.0), axis=-1)

    def __add__(self, other: Self) -> Self:
        return type(self)(
            jnp.concatenate([self.log_likelihoods, other.log_likelihoods], axis=-1),
            jnp.concatenate([self.counts, other.counts], axis=-1),
        )
