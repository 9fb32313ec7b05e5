"""How constructors take parameters: given, or by their size and not set yet."""

from typing import Any

import jax
import numpy as np


def as_parameter(value: Any, name: str) -> Any:
    """A parameter as an array of floats; arrays and traced values pass through."""
    if isinstance(value, jax.Array):
        return value
    try:
        array = np.asarray(value)
        if array.dtype.kind in "biu":
            array = array.astype(np.float64)
    except (TypeError, ValueError):
        array = None
    if array is None or array.dtype.kind != "f":
        raise TypeError(f"{name} should be numbers, but is {value!r}: pass an array of floats.")
    return array


def unset(*shape: int) -> np.ndarray:
    """A parameter of this shape that nobody has set."""
    return np.full(shape, np.nan)


def need_dim(dim: int | None, family: str) -> int:
    """The number of columns of a family without parameters."""
    if dim is None:
        raise TypeError(
            f"{family} should be given its parameters or dim, but has neither: write "
            f"{family}(dim=...) with the number of columns for parameters that fit will find."
        )
    if not isinstance(dim, int | np.integer) or isinstance(dim, bool) or dim < 1:
        raise ValueError(f"dim should be a whole number of at least 1, but is {dim!r}.")
    return int(dim)


def need_shapes(family: str, **shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    """Check that each parameter, given as (its shape, the shape it should have), fits."""
    for name, (shape, expected) in shapes.items():
        if shape != expected:
            raise ValueError(
                f"{name} of {family} should have shape {expected}, but has {shape}: give all "
                "parameters the same number of columns and of states."
            )
