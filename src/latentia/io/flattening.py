"""From a model to plain data."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from .error import ModelFileError
from .tree import check_depth, fields, join, place

# Integers beyond are written as text: other readers of JSON keep 53 bits of a number.
_EXACT_INTEGER = 2**53


def flatten(obj: Any, names: Mapping[type, str]) -> tuple[Any, dict[str, np.ndarray]]:
    """Take a model apart into a structure that JSON can hold and the tensors it refers to.

    Args:
        obj: a registered dataclass (an ``equinox.Module``, for instance) or named tuple, a dict
            with ``str`` keys, a list, a tuple, ``str``, ``bool``, ``int``, ``float`` (also NaN and
            the infinities), ``None``, an array of NumPy or JAX, a NumPy scalar, or any nesting of
            these. Arrays hold floats, integers, booleans or strings.
        names: the registry: the name in the file of each class that may occur.

    Returns:
        The structure, and the tensors by name: contiguous copies in the machine's byte order.

    Raises:
        ModelFileError: if ``obj`` holds anything else; the message says where.
    """
    flattening = _Flattening(names)
    return flattening.node(obj, "", 0), flattening.tensors


class _Flattening:
    def __init__(self, names: Mapping[type, str]) -> None:
        self.names = names
        self.tensors: dict[str, np.ndarray] = {}

    def node(self, value: Any, path: str, depth: int) -> Any:
        check_depth(path, depth)
        # The exact type, so that a subclass (an Enum, say) is never saved as something simpler.
        kind = type(value)
        if value is None or kind in (bool, str):
            return value
        if kind is int:
            return value if abs(value) < _EXACT_INTEGER else {"int": hex(value)}
        if kind is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if kind is list:
            return self._items(value, path, depth)
        if kind is tuple:
            return {"tuple": self._items(value, path, depth)}
        if kind is dict:
            return self._dict(value, path, depth)
        if kind in self.names:
            return self._object(value, path, depth)
        if kind is np.str_:
            return str(value)
        if isinstance(value, np.generic):
            return {"scalar": self._tensor(np.asarray(value), path)}
        # The exact type again: a masked array would lose its mask.
        if kind in (np.ndarray, np.memmap) or isinstance(value, jax.Array):
            return self._array(value, path)
        raise ModelFileError(
            f"{place(path)} is a {kind.__module__}.{kind.__qualname__}, which a model file cannot "
            "hold: use numbers, strings, arrays, lists, dicts and the classes of the library."
        )

    def _items(self, values: list[Any] | tuple[Any, ...], path: str, depth: int) -> list[Any]:
        return [self.node(v, join(path, i), depth + 1) for i, v in enumerate(values)]

    def _dict(self, value: dict[Any, Any], path: str, depth: int) -> Any:
        for key in value:
            if type(key) is not str:
                raise ModelFileError(
                    f"{place(path)} is a dict with the key {key!r}, but a model file holds only "
                    "dicts whose keys are strings: turn the keys into strings."
                )
        # Pairs keep the order of the keys, which a JSON object does not promise.
        return {"dict": [[k, self.node(v, join(path, k), depth + 1)] for k, v in value.items()]}

    def _object(self, value: Any, path: str, depth: int) -> Any:
        parts = {}
        for field in fields(type(value)):
            try:
                part = getattr(value, field)
            except AttributeError:
                raise ModelFileError(
                    f"{place(path)} is a {type(value).__name__} whose field {field!r} was never "
                    "set: finish building the model before saving it."
                ) from None
            parts[field] = self.node(part, join(path, field), depth + 1)
        return {"object": [self.names[type(value)], parts]}

    def _array(self, value: Any, path: str) -> Any:
        try:
            array = np.asarray(value)
        except TypeError as error:  # a random key or a traced value of JAX
            raise ModelFileError(
                f"{place(path)} is a JAX array without plain numbers ({value.dtype}): save models "
                "outside jit, and random keys as jax.random.key_data(key)."
            ) from error
        if array.dtype.kind == "U" or _holds_strings(array):
            kind = "object" if array.dtype.kind == "O" else "str"
            return {"text": [kind, list(array.shape), [str(s) for s in array.ravel()]]}
        return {"array": self._tensor(array, path)}

    def _tensor(self, array: np.ndarray, path: str) -> str:
        if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
            raise ModelFileError(
                f"{place(path)} is an array of {array.dtype}, but a model file holds floats, "
                "integers and booleans of at most 64 bits: convert it first."
            )
        stem = path.encode("ascii", "replace").decode() or "value"
        name, count = stem, 1
        while name in self.tensors or name == "__metadata__":
            count += 1
            name = f"{stem}#{count}"
        self.tensors[name] = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
        return name


def _holds_strings(array: np.ndarray) -> bool:
    return array.dtype.kind == "O" and all(type(s) in (str, np.str_) for s in array.ravel())
