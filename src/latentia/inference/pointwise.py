"""The log likelihood of each datum at each draw, for leave-one-out cross-validation."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .subsampling import count_rows, taken
from .target import Surface


def log_likelihoods(
    surface: Surface, z: Any, pointwise: str | Callable[[Any, Any], Any]
) -> np.ndarray:
    """``[S, N]``, for draws z with a leading axis of S.

    Args:
        surface: of a model with a ``Custom`` or ``Enumerated`` likelihood.
        z: draws.
        pointwise: "rows" if the data are the rows of the arrays in x and the likelihood is a sum
            over them, or a function of x and z that returns one number for each datum.

    Raises:
        ValueError: if the likelihood is no sum over rows; the message says what to write instead.
    """
    potential: Any = surface.target.potential
    with jax.enable_x64(True):
        z = jax.tree.map(jnp.asarray, z)
        if callable(pointwise):
            data = potential.data[0]
            found = np.asarray(jax.lax.map(lambda one: pointwise(data, one), z, batch_size=64))
            if found.ndim < 2:
                raise ValueError(
                    "pointwise should return one number for each datum, but returns one in all: "
                    "leave the sum over the data out."
                )
            return found.reshape(len(found), -1)
        if pointwise != "rows":
            raise ValueError(
                f"pointwise should be 'rows' or a function of x and z, but is {pointwise!r}."
            )
        count = count_rows(potential, "pointwise='rows'", "write a function of x and z")
        rows, whole = (np.asarray(leaf) for leaf in _rows(potential, z, np.arange(count)))
    gap = np.abs(rows.sum(axis=1) - whole)
    if not (gap <= 1e-6 * (1 + np.abs(rows).sum(axis=1))).all():
        raise ValueError(
            "The likelihood should be a sum over the rows of x for pointwise='rows', but rows "
            f"alone add up to {rows[0].sum():.6g} where all have {whole[0]:.6g}: pass a function "
            "of x and z that returns one number for each datum."
        )
    return rows


@eqx.filter_jit
def _rows(potential: Any, z: Any, places: Any) -> tuple[jax.Array, jax.Array]:
    data = potential.data[0]

    def one(z: Any) -> tuple[jax.Array, jax.Array]:
        each = jax.vmap(lambda i: potential.likelihood.log_prob(taken(data, i[None]), z))(places)
        return each, potential(z)

    return jax.lax.map(one, z, batch_size=16)
