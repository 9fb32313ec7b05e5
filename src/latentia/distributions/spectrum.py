"""Covariances above a floor: eigenvalues that are raised, and only looked for where needed."""

import jax
import jax.numpy as jnp

from latentia.numerics import factor_inverse


@jax.custom_batching.custom_vmap
def _clip_spectrum(matrix: jax.Array) -> jax.Array:
    """Raise the eigenvalues of ``matrix [..., D, D]`` that lie below one to one."""

    def clip(matrix):
        values, vectors = jnp.linalg.eigh(matrix)
        return (vectors * jnp.maximum(values, 1.0)[..., None, :]) @ jnp.swapaxes(vectors, -1, -2)

    eye = jnp.eye(matrix.shape[-1], dtype=matrix.dtype)
    _, log_det = factor_inverse(matrix - eye)
    return jax.lax.cond(jnp.all(jnp.isfinite(log_det)), lambda m: m, clip, matrix)


@_clip_spectrum.def_vmap
def _clip_spectrum_batch(axis_size, in_batched, matrix):
    # Under vmap an ordinary `cond` would run the eigenvalues of every matrix in every step. Leading
    # axes are the function's own business, so a batch is passed through whole and stays lazy.
    del axis_size
    return _clip_spectrum(matrix), in_batched[0]


@jax.custom_jvp
def _raised_spectrum(matrix: jax.Array) -> jax.Array:
    """``_clip_spectrum``, with the derivative that a lazy batch does not have by itself."""
    return _clip_spectrum(matrix)


@_raised_spectrum.defjvp
def _change_of_spectrum(primals, tangents):
    # Divided differences of the clipped eigenvalues (Daleckii and Krein 1965), also if some agree.
    values, vectors = jnp.linalg.eigh(primals[0])
    clipped, ahead, behind = jnp.maximum(values, 1.0), values[..., :, None], values[..., None, :]
    apart = jnp.abs(ahead - behind) > jnp.finfo(values.dtype).eps * (jnp.abs(ahead) + 1)
    rise = (clipped[..., :, None] - clipped[..., None, :]) / jnp.where(apart, ahead - behind, 1.0)
    share = jnp.where(apart, rise, 0.5 * (ahead + behind) > 1)
    back = jnp.swapaxes(vectors, -1, -2)
    return _clip_spectrum(primals[0]), vectors @ (share * (back @ tangents[0] @ vectors)) @ back


def floor_spectrum(covariance: jax.Array, floor: jax.Array) -> jax.Array:
    """The nearest covariance in likelihood with ``covariance - diag(floor)`` semidefinite.

    With S the sample covariance this is the maximum of the Gaussian likelihood under that
    constraint: in units where ``floor`` is one, eigenvalues below one are raised to one.

    Args:
        covariance: ``[D, D]``, symmetric.
        floor: ``[D]``, the smallest variances allowed; zero leaves the covariance as it is.
    """
    on = floor > 0
    unit = jnp.sqrt(jnp.where(on, floor, 1.0))
    scaled = covariance / unit[:, None] / unit[None, :]
    harmless = 2 * jnp.eye(unit.size, dtype=unit.dtype)
    scaled = _raised_spectrum(jnp.where(jnp.all(on), scaled, harmless))
    clipped = scaled * unit[:, None] * unit[None, :]
    return jnp.where(jnp.all(on), clipped, covariance)
