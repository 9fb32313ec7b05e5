"""Newton's method for the mode of a smooth density, guarded so that it never goes downhill."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from latentia.numerics import solve_positive, square_root
from latentia.typing import LatentMatrix, LatentVector, Scalar

_STEPS = 40
# Closer to the maximum nothing that is said of a posterior changes visibly.
_NEAR = 0.01
# The short ones are for slopes that grow as an exponential does, such as those of large counts.
_SHARES = (1.0, 0.3, 0.05, 5e-3, 3e-4, 1e-5, 3e-7)


def ascend(value: Callable[[jax.Array], Scalar], start: jax.Array) -> jax.Array:
    """Where a smooth function of a vector has a maximum, uphill from ``start``."""
    slope, bend = jax.grad(value), jax.hessian(value)
    shares = jnp.array(_SHARES, start.dtype)
    # In float32 an objective of some hundred nats says no more of the place than this.
    small = jnp.sqrt(jnp.finfo(start.dtype).eps)

    def going(carry: Any) -> jax.Array:
        count, _, moved = carry
        return (count < _STEPS) & (moved > 4 * jnp.finfo(start.dtype).eps)

    def step(carry: Any) -> Any:
        count, at, _ = carry
        uphill = slope(at)
        newton = solve_positive(-bend(at), uphill[:, None])[:, 0]
        # Where the function is not concave the slope alone leads on.
        move = jnp.where(jnp.all(jnp.isfinite(newton)) & (newton @ uphill > 0), newton, uphill)
        here, there = value(at), jax.vmap(lambda share: value(at + share * move))(shares)
        there = jnp.where(jnp.isfinite(there), there, -jnp.inf)
        best = jnp.argmax(there)
        # Close to the maximum values are equal but for rounding, and the whole step is the best.
        size = jnp.max(jnp.abs(move))
        near = (size < small * (1 + jnp.max(jnp.abs(at)))) & (there[0] > here - 1.0)
        share = jnp.where(near, 1.0, jnp.where(there[best] > here, shares[best], 0.0))
        return count + 1, at + share * move, share * size

    begin = jnp.zeros((), jnp.int32), start, jnp.full((), jnp.inf, start.dtype)
    return jax.lax.while_loop(going, step, begin)[1]


def arrived(value: Callable[[jax.Array], Scalar], at: jax.Array) -> jax.Array:
    """Whether ``at`` is a maximum: whether Newton's step from it is short, in units of the standard
    deviations of the Gaussian with the curvature there."""
    uphill = jax.grad(value)(at)
    step = solve_positive(-jax.hessian(value)(at), uphill[:, None])[:, 0]
    squared = step @ uphill
    return (squared >= 0) & (squared < _NEAR**2)


def whitened(prior: Any, potential: Any) -> tuple[Any, Any]:
    """The log joint density as a function of u, up to a constant, and z as a function of u.

    z = mean + root u with u standard normal, so that a singular covariance is no special case.
    """
    root = square_root(prior.covariance)

    def place(u: LatentVector) -> LatentVector:
        return prior.mean + root @ u

    return lambda u: potential(place(u)) - 0.5 * u @ u, place


def curvature(prior: Any, potential: Any, u: LatentVector) -> LatentMatrix:
    """The covariance of the Gaussian with the curvature of the log posterior at ``u``."""
    value, _ = whitened(prior, potential)
    root = square_root(prior.covariance)
    eye = jnp.eye(u.size, dtype=u.dtype)
    return root @ solve_positive(-jax.hessian(value)(u), eye) @ root.T
