"""Columns of ordered levels, of which some columns may have fewer than others."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from latentia.distributions.parameters import as_parameter, unset
from latentia.typing import Rows, Weights

from .interface import seen_and_values

# The log probability of a level that a column does not have. Finite, so that 0 times it is 0.
NEVER = -1e30


def read_levels(
    bias: Any, levels: int | Sequence[int] | None, dim: int | None, name: str
) -> tuple[Any, tuple[int, ...]]:
    """Intercepts ``[D, C - 1]`` and the number of levels of each column.

    Raises:
        TypeError: if there is neither.
        ValueError: if they do not fit each other.
    """
    if bias is None:
        if levels is None or (dim is None and isinstance(levels, int)):
            raise TypeError(
                f"{name} should be given its bias, or its levels, but has neither: write "
                f"{name}(levels=(4, 4, 5)) with the number of levels of each column."
            )
        sizes = [levels] * int(dim or 0) if isinstance(levels, int) else list(levels or ())
        bias = unset(len(sizes), max([*sizes, 2]) - 1)
    bias = as_parameter(bias, "bias")
    if bias.ndim < 2:
        raise ValueError(
            f"bias of {name} should have shape (columns, levels - 1), but has {bias.shape}."
        )
    most = bias.shape[-1] + 1
    if levels is None or isinstance(levels, int):
        counts = [most if levels is None else levels] * bias.shape[-2]
    else:
        counts = [int(count) for count in levels]
    if len(counts) != bias.shape[-2] or not counts or min(counts) < 2 or max(counts) > most:
        raise ValueError(
            f"levels of {name} should be {bias.shape[-2]} whole numbers from 2 to {most}, but is "
            f"{counts}."
        )
    return bias, tuple(counts)


def has_level(levels: tuple[int, ...]) -> np.ndarray:
    """``[D, C]``: whether the column has the level."""
    return np.arange(max(levels)) < np.array(levels)[:, None]


def level_features(x: Rows, levels: tuple[int, ...]) -> jax.Array:
    """Which level each entry is, ``[..., D, C]``; zero where it is missing."""
    places = jnp.arange(max(levels), dtype=x.dtype)
    return (x[..., None] == places).astype(x.dtype)


def is_level(x: Any, levels: tuple[int, ...]) -> jax.Array:
    """Whether each entry is a level of its column, or missing."""
    seen, value = seen_and_values(x)
    count = jnp.array(levels, value.dtype)
    return ~seen | ((value >= 0) & (value < count) & (value == jnp.floor(value)))


def level_shares(x: Rows, weight: Weights, levels: tuple[int, ...]) -> jax.Array:
    """The share of each level, ``[D, C]``, half an answer added to each."""
    counts = jnp.einsum("n,ndc->dc", weight, level_features(x, levels)) + 0.5
    counts = jnp.where(has_level(levels), counts, 0.0)
    return counts / jnp.sum(counts, axis=-1, keepdims=True)


def patterns(levels: tuple[int, ...]) -> float:
    """How many free parameters a table of all patterns has."""
    return float(min(math.prod(levels), 1e300)) - 1
