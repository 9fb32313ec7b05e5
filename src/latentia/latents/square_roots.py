"""Square roots of covariances: found, updated and carried on without ever forming a difference.

A covariance is kept as a root R with ``R @ R.T`` equal to it, so that it cannot become indefinite,
and singular ones are as good as any. All of it can be differentiated, where roots are singular too.
"""

import jax
import jax.numpy as jnp

from latentia.stacks import triangular_inverse

# Up to this size loops over rows and columns are written out; above it they are loops, which are
# hardly slower, since programs must stay small.
WRITTEN_OUT = 2
# Up to this size matrices are multiplied and inverted by elementwise arithmetic, all steps at once.
SMALL = 8


def product(left: jax.Array, right: jax.Array) -> jax.Array:
    """``left @ right`` for many small matrices ``[..., I, J]`` and ``[..., J, K]``.

    Written out, which is an order of magnitude quicker than a matrix product for each of them.
    """
    if left.shape[-1] > SMALL or left.shape[-1] == 0:
        return left @ right
    terms = [left[..., :, j, None] * right[..., j, None, :] for j in range(left.shape[-1])]
    return sum(terms[1:], terms[0])


def applied(matrix: jax.Array, vector: jax.Array) -> jax.Array:
    """``matrix @ vector`` for many small matrices ``[..., I, J]`` and vectors ``[..., J]``."""
    if matrix.shape[-1] > SMALL or matrix.shape[-1] == 0:
        return jnp.einsum("...ij,...j->...i", matrix, vector)
    terms = [matrix[..., j] * vector[..., j, None] for j in range(matrix.shape[-1])]
    return sum(terms[1:], terms[0])


def transposed(matrix: jax.Array) -> jax.Array:
    """The transposes of ``[..., I, J]``."""
    return jnp.swapaxes(matrix, -1, -2)


def semidefinite_root(covariance: jax.Array) -> jax.Array:
    """A lower triangular root of ``covariance [L, L]``, symmetric and positive semidefinite.

    Cholesky's algorithm in units of the standard deviations; a column whose pivot is nothing but
    rounding is zero.
    """
    size = covariance.shape[-1]
    variance = jnp.diagonal(covariance)
    some = variance > 0
    scale = jnp.where(some, jnp.sqrt(jnp.where(some, variance, 1.0)), 0.0)
    unit = jnp.where(some, scale, 1.0)
    small = 4 * size * jnp.finfo(covariance.dtype).eps
    index = jnp.arange(size)

    def column(k: jax.Array, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        left, lower = state
        pivot = left[k, k]
        good = pivot > small
        entry = left[:, k] / jnp.sqrt(jnp.where(good, pivot, 1.0))
        entry = jnp.where(good & (index >= k), entry, 0.0)
        return left - entry[:, None] * entry[None], lower.at[:, k].set(entry)

    correlation = covariance / unit[:, None] / unit[None, :]
    _, lower = _each(size, column, (correlation, jnp.zeros_like(correlation)))
    return lower * scale[:, None]


def observed_roots(
    rows: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """What whitened observations leave of a standard normal vector u.

    Row i observes ``rows[i] @ u`` with standard normal noise. The rows are taken one after another
    (Carlson 1973, "Fast triangular formulation of the square root filter"): every entry of an
    update is a product of what is observed, so that nothing cancels, however exact a row is.

    Args:
        rows: ``[R, L]``; a row of zeros observes nothing.

    Returns:
        ``left [L, L]``, a root of the covariance of u given the rows; ``gain [L, R]``, how u
        follows the whitened innovations; ``lower [R, R]``, lower triangular, a root of
        ``rows @ rows.T + 1``, the covariance of what is observed.
    """
    count, size = rows.shape

    def row(i: jax.Array, state: Any3) -> Any3:
        left, gain, lower = state
        seen = applied(transposed(left), rows[i])
        total = 1 + jnp.cumsum(seen * seen)
        before = jnp.concatenate([jnp.ones(1, total.dtype), total[:-1]])
        spread = jnp.sqrt(total[-1])
        column = applied(left, seen) / spread
        ratio = jnp.sqrt(before / total)
        step = jnp.diag(ratio) - jnp.triu(seen[:, None] * (seen / before * ratio)[None], 1)
        # Rows above i come out as zero in exact arithmetic, and are never looked at.
        below = jnp.where(jnp.arange(count) > i, applied(rows, column), 0.0)
        below = jnp.where(jnp.arange(count) == i, spread, below)
        return product(left, step), gain.at[:, i].set(column), lower.at[:, i].set(below)

    start = (
        jnp.eye(size, dtype=rows.dtype),
        jnp.zeros((size, count), rows.dtype),
        jnp.zeros((count, count), rows.dtype),
    )
    return _each(count, row, start)


Any3 = tuple[jax.Array, jax.Array, jax.Array]


def triangularized(matrix: jax.Array, count: int) -> jax.Array:
    """``matrix @ rotation`` whose first ``count`` rows are lower triangular.

    Householder reflections from the right; the diagonal is not negative.

    Args:
        matrix: ``[P, Q]`` with ``count <= Q``.
    """
    index = jnp.arange(matrix.shape[1])

    def reflect(k: jax.Array, value: jax.Array) -> jax.Array:
        row = jnp.where(index >= k, value[k], 0.0)
        square = row @ row
        some = square > 0
        length = jnp.where(some, jnp.sqrt(jnp.where(some, square, 1.0)), 0.0)
        sign = jnp.where(row[k] < 0, -1.0, 1.0)
        normal = row.at[k].add(sign * length)
        half = square + jnp.abs(row[k]) * length
        away = (value @ normal) / jnp.where(some, half, 1.0)
        # The reflection puts -sign * length on the diagonal.
        turned = value - away[:, None] * normal[None]
        return turned.at[:, k].multiply(jnp.where(some, -sign, 1.0))

    return _each(count, reflect, matrix)


def lower_inverse(lower: jax.Array) -> jax.Array:
    """The inverse of lower triangular matrices ``[..., R, R]``."""
    size = lower.shape[-1]
    if size > SMALL:
        return triangular_inverse(lower, lower=True)
    rows: list[jax.Array] = []
    for i in range(size):
        unit = jnp.zeros(size, lower.dtype).at[i].set(1.0)
        rest = sum(lower[..., i, k, None] * rows[k] for k in range(i))
        rows.append((unit - rest) / lower[..., i, i, None])
    return jnp.stack(rows, axis=-2)


def fewer_rows(design: jax.Array, target: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """As many rows as there are latent dimensions, that say the same about them.

    Args:
        design: ``[R, L]`` with R > L.
        target: ``[R]``.

    Returns:
        ``design [L, L]``, ``target [L]``, and ``rest ()``, the squares of what no z can explain.
    """
    size = design.shape[1]
    both = jnp.concatenate([design, target[:, None]], axis=1).T
    turned = triangularized(both, size).T
    rest = jnp.sum(turned[size:, -1] ** 2)
    return turned[:size, :size], turned[:size, -1], rest


def _each(count: int, step, state):
    """Steps 0 to count - 1, written out where they are few."""
    if count <= WRITTEN_OUT:
        for k in range(count):
            state = step(k, state)
        return state
    return jax.lax.fori_loop(0, count, step, state)
