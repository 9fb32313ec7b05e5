"""The features of many data at once, a column for each datum: what the product form multiplies."""

from functools import singledispatch
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from latentia.typing import Datum, Rows

from . import gaussian_terms as terms
from .gaussian import Gaussian


@singledispatch
def feature_columns(family: Any, x: Rows, centre: Datum) -> Float[Array, "F N"]:
    """As ``family.features`` of every row of x."""
    return jax.vmap(family.features, (0, None))(x, centre).T


@feature_columns.register
def _(family: Gaussian, x: Rows, centre: Datum) -> Float[Array, "F N"]:
    # Products of rows lie in a row, so that they are copied and multiplied in one go.
    gap = (x - centre).T
    rows, columns = terms.pairs(gap.shape[0])
    one = jnp.ones((1, gap.shape[1]), gap.dtype)
    return jnp.concatenate([gap[rows] * gap[columns], gap, one])
