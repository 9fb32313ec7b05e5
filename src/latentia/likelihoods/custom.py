"""A likelihood that the user writes as a plain function."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.potentials import AbstractPotential
from latentia.typing import Key, Scalar

from .interface import AbstractWholeLikelihood


class CustomPotential(AbstractPotential):
    """What a custom likelihood says of z after one x, or several: log p(x|z), by calling it."""

    likelihood: AbstractWholeLikelihood
    data: tuple[Any, ...]

    def __call__(self, z: Any) -> Scalar:
        return sum((self.likelihood.log_prob(x, z) for x in self.data), start=jnp.zeros(()))

    def __add__(self, other: Self) -> Self:
        return type(self)(self.likelihood, self.data + other.data)


class Custom(AbstractWholeLikelihood):
    """The likelihood log p(x|z) as a plain function, written in ``jax.numpy``.

    All the data are one x, of whatever structure: an array, or a dictionary of arrays; or, with
    ``shape``, each datum is an array of this shape and has a z of its own.
    Discrete latents are for ``Enumerated``.

    Args:
        function: called as ``function(x, z)``, or as ``function(x, z, parameters)`` if there are
            any. It returns one number, summed over the data, which JAX can differentiate in z.
        parameters: numbers of the likelihood that are not inferred: arrays in any structure.
        shape: that of one datum, if there is a z for each: ``(D,)``, or () for single numbers.
        draw: called as ``draw(key, z)``, or ``draw(key, z, parameters)``; returns an x. Only
            ``sample`` needs it.
    """

    parameters: Any
    function: Callable[..., Any] = eqx.field(static=True)
    draw: Callable[..., Any] | None = eqx.field(static=True)
    datum_shape: tuple[int, ...] | None = eqx.field(static=True)

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        parameters: Any = None,
        shape: tuple[int, ...] | None = None,
        draw: Callable[..., Any] | None = None,
    ) -> None:
        if not callable(function):
            raise TypeError(
                f"function of Custom should be a function of x and z, but is {function!r}: write "
                "Custom(lambda x, z: ...)."
            )
        self.function, self.draw = function, draw
        self.datum_shape = None if shape is None else tuple(shape)
        self.parameters = jax.tree.map(np.asarray, parameters)
        count = 2 if parameters is None else 3
        _require_arguments(function, count, "function")
        if draw is not None:
            _require_arguments(draw, count, "draw")

    def log_prob(self, x: Any, z: Any) -> Scalar:
        value = self.terms(x, z)
        if value.shape != ():
            raise ValueError(
                f"function of Custom should return one number, but returns shape {value.shape}: "
                "sum the log density over the data, with jnp.sum."
            )
        return value

    def terms(self, x: Any, z: Any) -> jax.Array:
        """What the function returns, whatever its shape."""
        extra = () if self.parameters is None else (self.parameters,)
        value = self.function(x, z, *extra)
        if value is None:
            raise ValueError(
                "function of Custom should return the log density, but returns None: end it with "
                "return."
            )
        return jnp.asarray(value)

    def sample(self, key: Key, z: Any) -> Any:
        if self.draw is None:
            raise ValueError(
                "This Custom likelihood cannot be sampled, since nobody said how: give it "
                "draw=lambda key, z: ... when it is made."
            )
        extra = () if self.parameters is None else (self.parameters,)
        return self.draw(key, z, *extra)

    def potential(self, x: Any) -> CustomPotential:
        return CustomPotential(self, (x,))

    def read(self, x: Any, argument: str = "x") -> Any:
        return _read(x, argument)

    def describe(self) -> str:
        return f"Custom: the function {getattr(self.function, '__name__', 'given')!r} of x and z"


def _require_arguments(function: Callable[..., Any], count: int, argument: str) -> None:
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        wanted = ("x" if argument == "function" else "key", "z", "parameters")[:count]
        raise ValueError(
            f"{argument} of Custom should take {', '.join(wanted)}, but takes "
            f"{inspect.signature(function)}: change its arguments, or leave parameters out."
        ) from None
    except ValueError:
        # Some functions written in C do not tell their arguments.
        return


def _read(x: Any, name: str) -> Any:
    """Data with arrays for columns and lists; Python numbers and texts stay what they are."""
    if isinstance(x, Mapping):
        return {key: _read(value, f"{name}[{key!r}]") for key, value in x.items()}
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        return jax.tree.map(np.asarray, x)
    # NumPy's floats are Python's too, but vary as data do.
    plain = isinstance(x, bool | int | float | str) and not isinstance(x, np.generic)
    if x is None or plain:
        return x
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{name} should hold numbers, but holds {array.dtype}: pass codes in place of texts, "
            "and rows of equal length."
        )
    return array.astype(np.float64) if array.dtype.kind == "f" else array
