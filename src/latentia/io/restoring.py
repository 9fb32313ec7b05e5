"""From plain data, which need not be trusted, back to a model."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .error import ModelFileError
from .tree import check_depth, defaults, fields, join, place

_HEXADECIMAL = re.compile(r"-?0x[0-9a-f]+")
_MAX_TEXT = 2**26
_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def restore(structure: Any, tensors: Mapping[str, np.ndarray], classes: Mapping[str, type]) -> Any:
    """Put together what ``flatten`` took apart; JAX arrays come back as NumPy arrays.

    Instances are made field by field without calling ``__init__``, and are then asked to check
    themselves by the ``__check_init__`` methods of their classes.

    Args:
        structure: as ``flatten`` or a JSON parser returns it. It need not be trusted.
        tensors: the tensors by name.
        classes: the registry: the class that each name in the structure stands for.

    Returns:
        The object, with its own writable copies of the tensors.

    Raises:
        ModelFileError: if the structure is malformed, names an unknown class, tensor or field,
            lacks a field, or describes an object that its class refuses.
    """
    return _Restoring(tensors, classes).value(structure, "", 0)


class _Restoring:
    def __init__(self, tensors: Mapping[str, np.ndarray], classes: Mapping[str, type]) -> None:
        self.tensors = tensors
        self.classes = classes
        self.readers: dict[str, Callable[[Any, str, int], Any]] = {
            "tuple": lambda body, path, depth: tuple(self._items(body, path, depth)),
            "dict": self._dict,
            "object": self._object,
            "array": lambda body, path, depth: self._tensor(body, path),
            "scalar": self._scalar,
            "text": self._text,
            "int": self._int,
            "float": self._float,
        }

    def value(self, node: Any, path: str, depth: int) -> Any:
        check_depth(path, depth)
        if node is None or type(node) in (bool, int, float, str):
            return node
        if type(node) is list:
            return self._items(node, path, depth)
        if type(node) is dict and len(node) == 1:
            kind, body = next(iter(node.items()))
            if kind in self.readers:
                return self.readers[kind](body, path, depth)
        raise _malformed(path, "a value of a known kind", node)

    def _items(self, body: Any, path: str, depth: int) -> list[Any]:
        if type(body) is not list:
            raise _malformed(path, "a list", body)
        return [self.value(node, join(path, i), depth + 1) for i, node in enumerate(body)]

    def _dict(self, body: Any, path: str, depth: int) -> dict[str, Any]:
        if type(body) is not list or not all(_is_pair(entry, str) for entry in body):
            raise _malformed(path, "pairs of a string and a value", body)
        result = {k: self.value(node, join(path, k), depth + 1) for k, node in body}
        if len(result) != len(body):
            raise _malformed(path, "keys that differ from each other", [k for k, _ in body])
        return result

    def _object(self, body: Any, path: str, depth: int) -> Any:
        if not _is_pair(body, str) or type(body[1]) is not dict:
            raise _malformed(path, "a class name and its fields", body)
        name, nodes = body
        if name not in self.classes:
            raise ModelFileError(
                f"{place(path)} is a {name!r}, a class that this latentia does not know: load the "
                "file with the version that wrote it, or a newer one."
            )
        cls = self.classes[name]
        expected, newer = fields(cls), defaults(cls)
        if not set(expected) - set(newer) <= set(nodes) <= set(expected):
            raise _malformed(path, f"a {name} with the fields {expected}", sorted(nodes))
        # In the order of the class: that of the file means nothing.
        values = {
            f: self.value(nodes[f], join(path, f), depth + 1) if f in nodes else newer[f]
            for f in expected
        }
        return _build(cls, values, path)

    def _tensor(self, body: Any, path: str) -> np.ndarray:
        if type(body) is not str or body not in self.tensors:
            raise _malformed(path, "the name of a tensor in the file", body)
        return np.array(self.tensors[body])

    def _scalar(self, body: Any, path: str, depth: int) -> Any:
        array = self._tensor(body, path)
        if array.shape != ():
            raise _malformed(path, "a single number", f"an array of shape {array.shape}")
        return array[()]

    def _text(self, body: Any, path: str, depth: int) -> np.ndarray:
        if type(body) is not list or len(body) != 3 or body[0] not in ("str", "object"):
            raise _malformed(path, "a kind, a shape and strings", body)
        kind, shape, strings = body
        if type(strings) is not list or not all(type(s) is str for s in strings):
            raise _malformed(path, "a list of strings", strings)
        if type(shape) is not list or not all(type(n) is int and n >= 0 for n in shape):
            raise _malformed(path, "a shape", shape)
        # NumPy gives every string the room of the longest, which a hostile file could use.
        room = len(strings) * max(map(len, strings), default=0)
        if (
            math.prod(shape) != len(strings)
            or max(shape, default=0) > _MAX_TEXT
            or room > _MAX_TEXT
        ):
            raise _malformed(path, f"{len(strings)} strings of this shape", shape)
        return np.array(strings, dtype=object if kind == "object" else str).reshape(shape)

    def _int(self, body: Any, path: str, depth: int) -> int:
        if type(body) is not str or not _HEXADECIMAL.fullmatch(body):
            raise _malformed(path, "a hexadecimal number", body)
        return int(body, 16)

    def _float(self, body: Any, path: str, depth: int) -> float:
        if type(body) is not str or body not in _NON_FINITE:
            raise _malformed(path, "nan, inf or -inf", body)
        return _NON_FINITE[body]


def _build(cls: type, values: dict[str, Any], path: str) -> Any:
    if issubclass(cls, tuple):
        return tuple.__new__(cls, values.values())
    instance = object.__new__(cls)
    for field, value in values.items():
        object.__setattr__(instance, field, value)
    try:
        # All of them and each by itself, as Equinox does after an ordinary construction.
        for parent in cls.__mro__:
            if "__check_init__" in vars(parent):
                vars(parent)["__check_init__"](instance)
    # Whatever a check stumbles over, the file is what is wrong.
    except Exception as error:
        raise ModelFileError(
            f"{place(path)} in the model file is not a valid {cls.__name__} ({error}): fit and "
            "save the model again."
        ) from error
    return instance


def _is_pair(entry: Any, first: type) -> bool:
    return type(entry) is list and len(entry) == 2 and type(entry[0]) is first


def _malformed(path: str, expected: str, found: Any) -> ModelFileError:
    shown = repr(found)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    return ModelFileError(
        f"{place(path)} should be {expected} in the model file, but is {shown}: the file was not "
        "written by this latentia, so fit and save the model again."
    )
