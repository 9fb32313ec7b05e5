"""Paths of a Gaussian chain before anything is seen: draws, and their density."""

import jax
import jax.numpy as jnp

from latentia.numerics import LOG_2PI
from latentia.typing import Key, Scalar

from .kalman import Dynamics
from .square_roots import lower_inverse, triangularized


def drawn(chain: Dynamics, key: Key, length: int) -> jax.Array:
    """``[length, L]``; a diffuse coordinate starts at its ``mean``."""
    draws = jax.random.normal(key, (length, chain.mean.size), chain.mean.dtype)

    def step(z: jax.Array, inputs: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        draw, drift = inputs
        return chain.transition @ z + drift + chain.noise @ draw, z

    first = chain.mean + chain.root @ draws[0]
    drifts = jnp.broadcast_to(chain.drift, draws.shape)
    last, path = jax.lax.scan(step, first, (draws[1:], drifts[:-1]))
    return jnp.concatenate([path, last[None]])


def log_density_of(
    z: jax.Array, chain: Dynamics, diffuse: tuple[bool, ...], still: tuple[bool, ...]
) -> Scalar:
    """Of a path ``z [T, L]``; coordinates that are diffuse or without noise have none of it."""
    drifts = jnp.broadcast_to(chain.drift, z.shape)
    moves = z[1:] - z[:-1] @ chain.transition.T - drifts[:-1]
    return _log_density(z[0] - chain.mean, chain.root, diffuse) + jnp.sum(
        jax.vmap(lambda gap: _log_density(gap, chain.noise, still))(moves)
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
