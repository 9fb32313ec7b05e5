"""The moments of a Gaussian chain given everything that was observed."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from latentia.numerics import LOG_2PI
from latentia.stacks import triangular_inverse

from .kalman import (
    Dynamics,
    Factors,
    factors,
    maps,
    path,
    settled_factors,
    settled_noise,
    smoothed_noise,
)
from .square_roots import applied, product, transposed


class Transitions(NamedTuple):
    """Totals over the moves ``z_t -> z_{t+1}`` up to the last step that was observed.

    ``mass ()``; ``square [L, L]`` of the noise ``z_{t+1} - transition z_t - drift``; ``cross
    [L, L+1]`` of the noise and ``(z_t, 1)``; ``design [L+1, L+1]`` of ``(z_t, 1)`` with itself.
    With covariates it is ``(z_t, u_{t+1}, 1)``, of L + P + 1 numbers.
    Since the noise enters and not ``z_{t+1}``, no variance is the difference of large numbers.
    """

    mass: jax.Array
    square: jax.Array
    cross: jax.Array
    design: jax.Array


class Smoothed(NamedTuple):
    """``log_evidence ()``, ``mean [T, L]``, ``covariance [T, L, L]``, and the transitions."""

    log_evidence: jax.Array
    mean: jax.Array
    covariance: jax.Array
    transitions: Transitions


class Spread(NamedTuple):
    """What does not depend on the targets: covariances, and how a diffuse start is found.

    ``step [T, L, L]`` of z; ``noise [T-1, L, L]`` of the noise, ``lag [T-1, L, L]`` of the noise
    and ``z_t``. ``effects [T, L, d]`` and ``noise_effects [T-1, L, d]`` of the unknown start on the
    means; ``rows [T, R, d]`` on the innovations; ``inverse [d, d]``, a root of its covariance, and
    ``basis [T*R, d]`` with ``δ = -inverse @ basis.T @ innovations``.
    """

    step: jax.Array
    noise: jax.Array
    lag: jax.Array
    through: jax.Array
    log_det: jax.Array
    effects: jax.Array
    noise_effects: jax.Array
    rows: jax.Array
    inverse: jax.Array
    basis: jax.Array


def spread(
    dynamics: Dynamics, design: jax.Array, found: Factors, linear: Any, inner: jax.Array
) -> Spread:
    """The covariances given everything, the diffuse start's uncertainty included.

    ``inner`` is the ``smoothed_noise`` of ``found``.
    """
    size = design.shape[-1]
    root, later = found.root, inner[1:]
    step = product(product(root, inner), transposed(root))
    updated = product(root, found.left)[:-1]
    turn = found.turn[:-1]
    kept, lost = product(updated, turn[..., :size]), product(updated, turn[..., size:])
    # The noise is through @ u_{t+1} - transition @ lost @ loss; its root is never a difference of
    # covariances.
    through = root[1:] - product(dynamics.transition, kept)
    aside = product(dynamics.transition, lost)
    carried = product(through, later)
    noise = product(carried, transposed(through)) + product(aside, transposed(aside))
    lag = product(carried, transposed(kept)) - product(aside, transposed(lost))
    log_det = jnp.sum(jnp.log(jnp.diagonal(found.lower, axis1=-2, axis2=-1)))
    count = dynamics.diffuse.shape[1]
    if count == 0:
        none = jnp.zeros((size, 0), step.dtype)
        steps = design.shape[0]
        return Spread(
            step, noise, lag, through, log_det,
            jnp.zeros((steps, *none.shape), step.dtype),
            jnp.zeros((steps - 1, *none.shape), step.dtype),
            jnp.zeros((steps, design.shape[1], 0), step.dtype),
            jnp.zeros((0, 0), step.dtype), jnp.zeros((steps * design.shape[1], 0), step.dtype),
        )  # fmt: skip
    nothing = jnp.zeros(design.shape[:2], step.dtype)

    def effect(column: jax.Array) -> Any:
        return path(design, linear, column, jnp.zeros_like(column), nothing)

    each = jax.vmap(effect, in_axes=1, out_axes=-1)(dynamics.diffuse)
    effects = each.predicted + root @ each.noise
    noise_effects = through @ each.noise[1:]
    flat = each.innovations.reshape(-1, count)
    inverse, basis, start_det, free = flat_regression(flat)
    unsure = effects @ inverse
    noise_unsure = noise_effects @ inverse
    step = step + product(unsure, transposed(unsure))
    noise = noise + product(noise_unsure, transposed(noise_unsure))
    lag = lag + product(noise_unsure, transposed(unsure[:-1]))
    # Where nothing was seen of a diffuse coordinate, its variance is infinite.
    open_ = jnp.sqrt(jnp.sum((effects @ free) ** 2, axis=-1))
    loose = open_ > jnp.sqrt(jnp.finfo(step.dtype).eps) * jnp.max(open_, initial=1e-30)
    step = jnp.where(loose[:, :, None] & loose[:, None, :], jnp.inf, step)
    return Spread(step, noise, lag, through, log_det + start_det,
                  effects, noise_effects, each.innovations, inverse, basis)  # fmt: skip


def flat_regression(rows: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Least squares for coefficients δ with a flat density, from innovations ``e + rows δ``.

    Args:
        rows: ``[M, d]``.

    Returns:
        ``inverse [d, d]`` and ``basis [M, d]`` with ``δ = -inverse @ basis.T @ e`` and
        ``inverse @ inverse.T`` its covariance; what integrating δ takes off the log evidence; and
        ``free [d, d]``, a basis of what was not seen at all, filled up with zeros.
    """
    length = jnp.sqrt(jnp.sum(jax.lax.stop_gradient(rows) ** 2, axis=0))
    unit = jnp.where(length > 0, length, 1.0)
    # A series may be shorter than what is unknown of its start.
    lacking = jnp.zeros((max(0, rows.shape[1] - rows.shape[0]), rows.shape[1]), rows.dtype)
    basis, upper = jnp.linalg.qr(jnp.concatenate([rows / unit, lacking]))
    basis = basis[: rows.shape[0]]
    left, values, right = jnp.linalg.svd(jax.lax.stop_gradient(upper))
    sure = values > jnp.finfo(rows.dtype).eps ** 0.75
    full = jnp.all(sure)
    # Where all is determined, the triangular inverse, which has a gradient.
    eye = jnp.eye(rows.shape[1], dtype=rows.dtype)
    whole = triangular_inverse(jnp.where(full, upper, eye), lower=False)
    part = (right.T * jnp.where(sure, 1 / jnp.where(sure, values, 1.0), 0.0)) @ left.T
    diagonal = jnp.abs(jnp.diagonal(jnp.where(full, upper, eye)))
    log_det = jnp.where(full, jnp.sum(jnp.log(diagonal)),
                        jnp.sum(jnp.log(jnp.where(sure, values, 1.0))))  # fmt: skip
    log_det = log_det + jnp.sum(jnp.where(length > 0, jnp.log(unit), 0.0))
    inverse = jnp.where(full, whole, part) / unit[:, None]
    free = right.T * jnp.where(sure, 0.0, 1.0) / unit[:, None]
    return inverse, basis, log_det - 0.5 * LOG_2PI * jnp.sum(sure), free


def finish(
    dynamics: Dynamics,
    design: jax.Array,
    target: jax.Array,
    constant: jax.Array,
    found: Factors,
    inner: jax.Array,
) -> Smoothed:
    """Everything that learning needs, from the covariances of the filter and the smoother."""
    # Made once: XLA would work them out again for every number that depends on them.
    target, constant = jax.lax.optimization_barrier((target, constant))
    linear = maps(dynamics, design, found)
    wide = spread(dynamics, design, found, linear, inner)
    own = path(design, linear, dynamics.mean, dynamics.drift, target)
    start = -wide.inverse @ (wide.basis.T @ own.innovations.ravel())
    innovations = own.innovations + wide.rows @ start
    mean = own.predicted + applied(found.root, own.noise) + wide.effects @ start
    noise = applied(wide.through, own.noise[1:]) + wide.noise_effects @ start
    mean, noise = jax.lax.optimization_barrier((mean, noise))
    log_evidence = jnp.sum(constant) - 0.5 * jnp.sum(innovations**2) - wide.log_det
    some = jnp.any(design != 0, axis=(1, 2)) | jnp.any(target != 0, axis=1) | (constant != 0)
    last = jnp.max(jnp.where(some, jnp.arange(some.size), -1))
    within = (jnp.arange(1, some.size) <= last).astype(mean.dtype)
    beside = [] if dynamics.inputs is None else [dynamics.inputs]
    return Smoothed(log_evidence, mean, wide.step, _totals(within, mean[:-1], noise, wide, beside))


def _totals(
    within: jax.Array, mean: jax.Array, noise: jax.Array, wide: Spread, beside: list[jax.Array]
) -> Transitions:
    ones = jnp.ones((*mean.shape[:-1], 1), mean.dtype)
    # The noise, z and 1 side by side, so that one product has all squares.
    joint = jnp.concatenate([noise, mean, *beside, ones], axis=-1)
    square = (joint * within[:, None]).T @ joint
    # A start of which nothing was seen has an infinite variance, and no say.
    finite = jnp.where(jnp.isfinite(wide.step[:-1]), wide.step[:-1], 0.0)
    # One product for all sequences that share their covariances.
    parts = jnp.concatenate([_flat(wide.noise), _flat(wide.lag), _flat(finite)], axis=1)
    size = mean.shape[-1]
    own = (within @ parts).reshape(3, size, size)
    return Transitions(
        jnp.sum(within),
        square[:size, :size] + own[0],
        square[:size, size:].at[:, :size].add(own[1]),
        square[size:, size:].at[:size, :size].add(own[2]),
    )


def _flat(matrices: jax.Array) -> jax.Array:
    return matrices.reshape(matrices.shape[0], matrices.shape[1] * matrices.shape[2])


def _general(dynamics: Dynamics, design: Any, target: Any, constant: Any) -> Smoothed:
    found = factors(dynamics, design)
    return finish(dynamics, design, target, constant, found, smoothed_noise(found))


@jax.custom_batching.custom_vmap
def _quick(dynamics: Dynamics, design: Any, target: Any, constant: Any) -> Smoothed:
    found = settled_factors(dynamics, design)
    return finish(dynamics, design, target, constant, found, settled_noise(found))


@_quick.def_vmap
def _quick_batch(axis_size, in_batched, dynamics, design, target, constant):
    # Covariances do not depend on the data, only on what is missing: sequences that were observed
    # alike share them.
    of_dynamics, of_design, *of_data = in_batched
    # Nor do they depend on where covariates drive the chain.
    of_moves = of_dynamics._replace(drift=False, inputs=None)
    axes = jax.tree.map(lambda batched: 0 if batched else None, (of_dynamics, of_design, *of_data))

    def shared(dynamics, design, target, constant):
        one = design[0] if of_design else design
        found = settled_factors(dynamics, one)
        own = jax.vmap(finish, (axes[0], None, *axes[2:], None, None), axis_size=axis_size)
        return own(dynamics, one, target, constant, found, settled_noise(found))

    def separate(dynamics, design, target, constant):
        return jax.vmap(_general, axes, axis_size=axis_size)(dynamics, design, target, constant)

    arguments = (dynamics, design, target, constant)
    out = jax.tree.map(lambda _: True, jax.eval_shape(separate, *arguments))
    alike = not of_design or axis_size == 1
    if alike and not any(jax.tree.leaves(of_moves)):
        return shared(*arguments), out
    return separate(*arguments), out


@jax.custom_jvp
def smoothed(dynamics: Dynamics, design: Any, target: Any, constant: Any) -> Smoothed:
    """The moments of z given whitened observations at every step.

    Args:
        dynamics: of the chain.
        design: ``[T, R, L]``; rows of zeros observe nothing.
        target: ``[T, R]``.
        constant: ``[T]``.
    """
    return _quick(dynamics, design, target, constant)


@smoothed.defjvp
def _smoothed_jvp(primals: Any, tangents: Any) -> Any:
    return jax.jvp(_general, primals, tangents)
