"""What else one may ask of a Gaussian chain given a sequence: paths, neighbours, the filter."""

from typing import Any

import jax
import jax.numpy as jnp

from latentia.typing import Key

from .kalman import Dynamics, factors, linear_recursion, maps, path, smoothed_noise
from .smoothing import flat_regression, spread


def sampled_path(
    chain: Dynamics, design: jax.Array, target: jax.Array, mean: jax.Array, key: Key
) -> jax.Array:
    """``[T, L]``: a draw of the path, by noise that is sent back through the smoother.

    Args:
        design: ``[T, R, L]``.
        target: ``[T, R]``.
        mean: ``[T, L]``, the smoothed means.
    """
    found = factors(chain, design)
    linear = maps(chain, design, found)
    wide = spread(chain, design, found, linear, smoothed_noise(found))
    first, second, third = jax.random.split(key, 3)
    size = mean.shape[-1]
    lost = found.left @ found.turn[..., size:]
    own = jnp.einsum("tij,tj->ti", lost, jax.random.normal(first, mean.shape, mean.dtype))

    end = jax.random.normal(second, (size,), mean.dtype)
    noise = linear_recursion(linear.back[::-1], own[::-1], end)[::-1]
    start = wide.inverse @ jax.random.normal(third, wide.inverse.shape[:1], mean.dtype)
    return mean + jnp.einsum("tij,tj->ti", found.root, noise) + wide.effects @ start


def lag_one_covariance(
    chain: Dynamics, design: jax.Array, target: jax.Array, mean: jax.Array
) -> jax.Array:
    """``[T-1, L, L]``: the covariance of z_{t+1} and z_t given everything."""
    found = factors(chain, design)
    wide = spread(chain, design, found, maps(chain, design, found), smoothed_noise(found))
    # z_{t+1} is transition z_t + drift and noise.
    return chain.transition @ wide.step[:-1] + wide.lag


def filtered_moments(
    chain: Dynamics, design: jax.Array, target: jax.Array, mean: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Mean ``[T, L]`` and covariance ``[T, L, L]`` of each z_t given the sequence up to x_t."""
    found = factors(chain, design)
    linear = maps(chain, design, found)
    own = path(design, linear, chain.mean, chain.drift, target)
    gain = found.root @ found.gain
    means = own.predicted + jnp.einsum("tlr,tr->tl", gain, own.innovations)
    root = found.root @ found.left
    covariances = root @ jnp.swapaxes(root, -1, -2)
    if chain.diffuse.shape[1] == 0:
        return means, covariances
    nothing = jnp.zeros(design.shape[:2], means.dtype)

    def effect(column: jax.Array) -> Any:
        return path(design, linear, column, jnp.zeros_like(column), nothing)

    each = jax.vmap(effect, in_axes=1, out_axes=-1)(chain.diffuse)
    effects = each.predicted + gain @ each.innovations
    rows = each.innovations
    steps, count = rows.shape[0], rows.shape[-1]

    def until(t: jax.Array) -> tuple[jax.Array, jax.Array]:
        seen = jnp.where((jnp.arange(steps) <= t)[:, None, None], rows, 0.0)
        inverse, basis, _, free = flat_regression(seen.reshape(-1, count))
        start = -inverse @ (basis.T @ own.innovations.ravel())
        unsure = effects[t] @ inverse
        loose = jnp.any(jnp.abs(effects[t] @ free) > 1e-9, axis=-1)
        wide = jnp.where(loose[:, None] & loose[None], jnp.inf, unsure @ unsure.T)
        return means[t] + effects[t] @ start, covariances[t] + wide

    return jax.lax.map(until, jnp.arange(steps))
