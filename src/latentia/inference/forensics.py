"""Where a computation first goes wrong: the first operation with a number that is not finite."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

# Files of these folders are not the user's.
_OURS = tuple(
    os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(path))), "")
    for path in (jax.__file__, __file__)
)
# Parameters of operations that hold a computation of their own.
_INNER = ("jaxpr", "call_jaxpr")


def first_broken(function: Callable[..., Any], *arguments: Any) -> str:
    """The first operation of a function that makes NaN of finite numbers, in words, or else the
    first that makes an infinity of them.

    The operation, its entry, what it was given there, and the line of the user's code; empty if
    there is none.
    """
    closed = jax.make_jaxpr(function)(*arguments)
    found = _Found("", "")
    _run(closed, jax.tree.leaves(arguments), found)
    return found.nan or found.infinite


@dataclass
class _Found:
    """What was found so far, in words: an infinity may be meant, so that the search goes on."""

    nan: str
    infinite: str


def _run(closed: ClosedJaxpr, arguments: list[Any], found: _Found) -> list[Any]:
    """Evaluate operation by operation."""
    jaxpr = closed.jaxpr
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    values |= dict(zip(jaxpr.invars, arguments, strict=True))

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, Literal) else values[variable]

    for equation in jaxpr.eqns:
        inputs = [read(variable) for variable in equation.invars]
        inner = next((equation.params[n] for n in _INNER if n in equation.params), None)
        if isinstance(inner, ClosedJaxpr):
            outputs = _run(inner, inputs, found)
        else:
            outputs = equation.primitive.bind(*inputs, **equation.params)
            outputs = outputs if equation.primitive.multiple_results else [outputs]
            if all(map(_finite, inputs)) and not all(map(_finite, outputs)):
                _note(equation, inputs, outputs, found)
        values |= dict(zip(equation.outvars, outputs, strict=True))
    return [read(variable) for variable in jaxpr.outvars]


def _note(equation: Any, inputs: list[Any], outputs: list[Any], found: _Found) -> None:
    told = _told(equation, inputs, outputs)
    if any(bool(np.isnan(np.asarray(each)).any()) for each in outputs if not _finite(each)):
        found.nan = found.nan or told
    else:
        found.infinite = found.infinite or told


def _finite(value: Any) -> bool:
    return np.asarray(value).dtype.kind not in "fc" or bool(np.isfinite(value).all())


def _told(equation: Any, inputs: list[Any], outputs: list[Any]) -> str:
    broken = next(np.asarray(each) for each in outputs if not _finite(each))
    place = tuple(int(i) for i in np.argwhere(~np.isfinite(broken))[0])
    given = [_at(np.asarray(each), place, broken.shape) for each in inputs]
    entry = f", entry {list(place)}," if place else ""
    name = equation.primitive.name
    return f"{name} of {' and '.join(given)}{entry} is {broken[place]}{_line(equation)}"


def _at(value: np.ndarray, place: tuple[int, ...], shape: tuple[int, ...]) -> str:
    if value.shape == shape:
        return f"{value[place]:.4g}"
    return f"{value:.4g}" if value.ndim == 0 else f"an array {list(value.shape)}"


def _line(equation: Any) -> str:
    """Which line of the user's code asked for an operation, in words."""
    traceback = equation.source_info.traceback
    for frame in traceback.frames if traceback is not None else ():
        if not os.path.abspath(frame.file_name).startswith(_OURS):
            return f", in line {frame.line_num} of {os.path.basename(frame.file_name)}"
    return ""
