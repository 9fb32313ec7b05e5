"""All values of a latent variable, for oracles by enumeration and quadrature."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from latentia.latents import (
    Branching,
    Discrete,
    DrivenGaussianChain,
    DrivenMarkovChain,
    GaussianChain,
    GaussianLatent,
    MarkovChain,
    SemiMarkovChain,
    StudentTLatent,
    Topics,
)
from latentia.latents.student_t import ScaledVector

from .covariates import steps_of


class LatentGrid(NamedTuple):
    """Values of z, stacked, and their log weights ``[G]``: a sum or an integral over all z."""

    z: Any
    log_weights: np.ndarray


def latent_grid(prior: Any, fineness: int = 61) -> LatentGrid:
    """Every state, and a trapezoid rule for every Gaussian dimension.

    Args:
        prior: a ``Discrete``, ``GaussianLatent``, ``StudentTLatent`` or ``Branching`` prior, two
            ``Topics``, or a
            ``MarkovChain`` or a ``GaussianChain`` of few steps, driven by covariates or not. For
            another structure, give a law the grid itself.
        fineness: points for each Gaussian dimension, over 16 standard deviations.
    """
    if isinstance(prior, Discrete):
        return LatentGrid(np.arange(prior.states), np.zeros(prior.states))
    if isinstance(prior, MarkovChain | SemiMarkovChain | DrivenMarkovChain):
        paths = _paths(prior.states, steps_of(prior))
        return LatentGrid(paths, np.zeros(len(paths)))
    if isinstance(prior, DrivenGaussianChain):
        # Where it goes without covariates: ordinary ones shift it by less than the grid is wide.
        return latent_grid(prior.chain, fineness)
    if isinstance(prior, GaussianChain):
        grid = _gaussian(_all_steps(prior), fineness)
        return grid._replace(z=grid.z.reshape(-1, prior.length, prior.dim))
    if isinstance(prior, Branching):
        each = [
            latent_grid(jax.tree.map(lambda leaf, k=k: leaf[k], prior.branches), fineness)
            for k in range(prior.states)
        ]
        codes = np.repeat(np.arange(prior.states), [len(g.log_weights) for g in each])
        inner = jax.tree.map(lambda *leaves: np.concatenate(leaves), *[g.z for g in each])
        return LatentGrid((codes, inner), np.concatenate([g.log_weights for g in each]))
    if isinstance(prior, GaussianLatent):
        return _gaussian(prior, fineness)
    if isinstance(prior, StudentTLatent):
        return _student_t(prior, fineness)
    if isinstance(prior, Topics) and prior.states == 2:
        return _shares(prior, fineness)
    raise TypeError(f"prior should be one that can be enumerated, but is {prior!r}: give a grid.")


def _paths(states: int, length: int) -> np.ndarray:
    """All sequences of states, ``[K^T, T]``."""
    mesh = np.meshgrid(*[np.arange(states)] * length, indexing="ij")
    return np.stack([m.ravel() for m in mesh], axis=1)


def _all_steps(chain: GaussianChain) -> GaussianLatent:
    """All steps of a chain as one Gaussian vector, the first step first."""
    move, noise = np.asarray(chain.transition, float), np.asarray(chain.noise_covariance, float)
    mean, own = [np.asarray(chain.mean, float)], [np.asarray(chain.covariance, float)]
    for _ in range(chain.length - 1):
        mean.append(move @ mean[-1] + np.asarray(chain.drift))
        own.append(move @ own[-1] @ move.T + noise)
    size, steps = chain.dim, chain.length
    joint = np.zeros((steps, size, steps, size))
    for t in range(steps):
        for s in range(t, steps):
            joint[s, :, t] = np.linalg.matrix_power(move, s - t) @ own[t]
            joint[t, :, s] = joint[s, :, t].T
    covariance = joint.reshape(steps * size, -1).astype(chain.mean.dtype)
    return GaussianLatent(mean=np.concatenate(mean).astype(covariance.dtype), covariance=covariance)


def _gaussian(prior: Any, fineness: int) -> LatentGrid:
    axis = np.linspace(-8, 8, fineness)
    mesh = np.meshgrid(*[axis] * prior.dim, indexing="ij")
    noise = np.stack([m.ravel() for m in mesh], axis=1)
    root = np.linalg.cholesky(np.asarray(prior.covariance, float))
    points = np.asarray(prior.mean, float) + noise @ root.T
    volume = prior.dim * np.log(axis[1] - axis[0]) + np.log(np.diagonal(root)).sum()
    return LatentGrid(points.astype(prior.mean.dtype), np.full(len(points), volume))


def _student_t(prior: Any, fineness: int) -> LatentGrid:
    """The logarithm of the scale, and the vector in units of what the scale makes its width."""
    log_scale = np.arange(-18, 4, 0.25)
    standard = _gaussian(GaussianLatent(prior.dim), fineness)
    places, units = np.meshgrid(log_scale, np.arange(len(standard.z)), indexing="ij")
    log_scale, units = places.ravel(), units.ravel()
    vector = standard.z[units] * np.exp(-log_scale / 2)[:, None]
    volume = standard.log_weights[units] + log_scale * (1 - prior.dim / 2) + np.log(0.25)
    dtype = prior.degrees.dtype
    scale: Any = np.exp(log_scale).astype(dtype)
    return LatentGrid(ScaledVector(vector.astype(dtype), scale), volume)


def _shares(prior: Any, fineness: int) -> LatentGrid:
    """The log odds of the first of two topics, as far as the sparsest documents may go."""
    odds = np.linspace(-75, 75, 20 * fineness + 1)
    shares = 1 / (1 + np.exp(-np.stack([odds, -odds], axis=1)))
    volume = np.log(shares).sum(axis=1) + np.log(odds[1] - odds[0])
    return LatentGrid(shares.astype(prior.concentration.dtype), volume)


def cubature(prior: Any, posterior: Any) -> tuple[Any, jax.Array]:
    """Values of z and weights whose mean is that of the posterior, exact for quadratics of z.

    States are enumerated; a Gaussian gets the 2L points of third-degree spherical cubature.
    """
    if isinstance(prior, Discrete):
        return jnp.arange(prior.states), posterior.probabilities
    if isinstance(prior, MarkovChain | SemiMarkovChain | DrivenMarkovChain):
        paths = jnp.asarray(_paths(prior.states, len(posterior.probabilities)))
        return paths, jnp.exp(jax.vmap(posterior.log_prob)(paths))
    if isinstance(prior, GaussianLatent):
        arms = jnp.sqrt(1.0 * prior.dim) * posterior.root.T
        points = jnp.concatenate([posterior.mean + arms, posterior.mean - arms])
        return points, jnp.full(2 * prior.dim, 1 / (2 * prior.dim), points.dtype)
    if isinstance(prior, GaussianChain | DrivenGaussianChain):
        arms = jnp.sqrt(1.0 * posterior.mean.size) * _joint_root(posterior)
        points = jnp.concatenate([posterior.mean + arms, posterior.mean - arms])
        return points, jnp.full(len(points), 1 / len(points), points.dtype)
    if isinstance(prior, StudentTLatent):
        return _scaled_cubature(prior, posterior)
    inner = [
        cubature(*(jax.tree.map(lambda leaf, k=k: leaf[k], part) for part in parts))
        for k in range(prior.states)
        for parts in [(prior.branches, posterior.inner)]
    ]
    codes = jnp.repeat(jnp.arange(prior.states), len(inner[0][1]))
    shares = [posterior.probabilities[k] * weight for k, (_, weight) in enumerate(inner)]
    values = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *[z for z, _ in inner])
    return (codes, values), jnp.concatenate(shares)


def _joint_root(posterior: Any) -> jax.Array:
    """A root of the covariance of all steps together, ``[T*L, T, L]``, from those of neighbours.

    A step given all later ones depends on the next alone.
    """
    steps, size = posterior.mean.shape
    own, lag = posterior.covariance, posterior.lag_one
    joint = jnp.zeros((steps, size, steps * size), own.dtype)
    joint = joint.at[-1, :, -size:].set(jnp.linalg.cholesky(own[-1]))
    for t in range(steps - 2, -1, -1):
        gain = jnp.linalg.solve(own[t + 1], lag[t]).T
        left = jnp.linalg.cholesky(own[t] - gain @ lag[t])
        here = (gain @ joint[t + 1]).at[:, t * size : (t + 1) * size].set(left)
        joint = joint.at[t].set(here)
    return jnp.moveaxis(joint, -1, 0)


def _scaled_cubature(prior: Any, posterior: Any) -> tuple[Any, jax.Array]:
    """Two scales with the mean and the mean logarithm of the posterior, and the arms for each."""
    mean, _, scale, surprise = posterior.moments
    # E[log] is log(scale) - gap, so two equal shares lie at scale * (1 +- sqrt(1 - exp(-2 gap))).
    gap = surprise - (scale - 1 - jnp.log(scale))
    reach = jnp.sqrt(-jnp.expm1(-2 * gap))
    found = scale * jnp.stack([1 + reach, 1 - reach])
    arms = jnp.sqrt(1.0 * prior.dim) * posterior.root.T
    arms = jnp.concatenate([arms, -arms])
    vectors = mean + arms / jnp.sqrt(found)[:, None, None]
    count = 2 * len(arms)
    z = ScaledVector(vectors.reshape(count, -1), jnp.repeat(found, len(arms)))
    return z, jnp.full(count, 1 / count, scale.dtype)
