"""Cholesky factors and triangular systems of stacks of matrices, on a CPU in parts.

jaxlib 0.10 shares a stack of more than some 2**18 multiplications among the threads of a CPU, and
the thread that shares it waits for the others: now and then for ever, as was seen on two cores. So
stacks are handed over in parts that are too small to be shared. ``custom_vmap`` tells the functions
how large the stack is of which they see one matrix.
"""

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp

# Multiplications in one part: well below what is shared.
_PART = 2**15


def _in_parts(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """The function of matrices ``[..., D, D]``, ``[..., D, Q]`` of equal leading axes."""

    @jax.custom_batching.custom_vmap
    def whole(*matrices: jax.Array) -> jax.Array:
        stack, (size, last) = matrices[0].shape[:-2], matrices[-1].shape[-2:]
        each = max(1, size * size * last)
        if prod(stack) * each <= _PART or jax.default_backend() != "cpu":
            return function(*matrices)
        flat = tuple(matrix.reshape(-1, *matrix.shape[-2:]) for matrix in matrices)
        found = jax.lax.map(lambda one: function(*one), flat, batch_size=max(1, _PART // each))
        return found.reshape(*stack, *found.shape[1:])

    @whole.def_vmap
    def _(axis_size: int, in_batched: Any, *matrices: jax.Array) -> tuple[jax.Array, bool]:
        pairs = zip(matrices, in_batched, strict=True)
        return whole(
            *(
                each if on else jnp.broadcast_to(each, (axis_size, *each.shape))
                for each, on in pairs
            )
        ), True

    return whole


def _triangular_solver(lower: bool) -> Callable[..., jax.Array]:
    # Named when it is called: `jax.scipy.linalg` is loaded no sooner than it is used.
    return _in_parts(
        lambda matrix, right: jax.scipy.linalg.solve_triangular(matrix, right, lower=lower)
    )


_cholesky = _in_parts(jnp.linalg.cholesky)
_solve = {lower: _triangular_solver(lower) for lower in (True, False)}


@jax.custom_jvp
def cholesky(matrix: jax.Array) -> jax.Array:
    """The lower factor of symmetric positive definite ``matrix [..., D, D]``; NaN for others."""
    return _cholesky(matrix)


@cholesky.defjvp
def _change_of_factor(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> Any:
    # dL = L half(inv(L) dA inv(L)'), half being the lower half of a matrix, and of its diagonal
    # (Smith 1995). Only products see the tangent, since a `custom_vmap` has no transpose.
    lower = cholesky(primals[0])
    inverse = triangular_inverse(lower, lower=True)
    change = inverse @ tangents[0] @ jnp.swapaxes(inverse, -1, -2)
    change = 0.5 * (change + jnp.swapaxes(change, -1, -2))
    half = jnp.tril(change) - 0.5 * change * jnp.eye(change.shape[-1], dtype=change.dtype)
    return lower, lower @ half


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def solve_triangular(matrix: jax.Array, right: jax.Array, lower: bool) -> jax.Array:
    """The solution of ``matrix X = right [..., D, Q]``, triangular and of the same leading axes."""
    return _solve[lower](matrix, right)


@solve_triangular.defjvp
def _change_of_solution(lower: bool, primals: Any, tangents: Any) -> Any:
    (matrix, right), (change, right_change) = primals, tangents
    found = solve_triangular(matrix, right, lower)
    part = jnp.tril(change) if lower else jnp.triu(change)
    return found, triangular_inverse(matrix, lower) @ (right_change - part @ found)


def triangular_inverse(matrix: jax.Array, lower: bool) -> jax.Array:
    """The inverse of triangular ``matrix [..., D, D]``."""
    eye = jnp.broadcast_to(jnp.eye(matrix.shape[-1], dtype=matrix.dtype), matrix.shape)
    return solve_triangular(matrix, eye, lower)
