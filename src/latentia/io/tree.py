"""A model as plain data and back: a JSON structure that refers to named tensors.

Scalars, strings and lists stand for themselves. All else is an object with one key, its kind:

    {"tuple": [...]}   {"dict": [[key, value], ...]}   {"object": [class name, {field: value}]}
    {"array": tensor name}   {"scalar": tensor name}   {"text": [kind, shape, strings]}
    {"int": "0x..."}   {"float": "nan" | "inf" | "-inf"}

Class names are looked up in a table that the caller gives and are never import paths, so a file can
name nothing but the classes that the library chose.
"""

import dataclasses
from typing import Any

from .error import ModelFileError

# Deeper than any model, and well inside Python's recursion limit.
MAX_DEPTH = 100


def fields(cls: type) -> list[str]:
    """The names of the fields of a dataclass or named tuple, in order."""
    if issubclass(cls, tuple):
        return list(cls._fields)  # pyright: ignore[reportAttributeAccessIssue]
    return [field.name for field in dataclasses.fields(cls)]


def defaults(cls: type) -> dict[str, Any]:
    """The fields that a file of an older version may lack, and what they are then."""
    if issubclass(cls, tuple):
        return {}
    found = {f.name: f.default for f in dataclasses.fields(cls)}
    return {name: value for name, value in found.items() if value is not dataclasses.MISSING}


def check_depth(path: str, depth: int) -> None:
    """Refuse what is nested too deep, before Python's recursion limit does."""
    if depth > MAX_DEPTH:
        raise ModelFileError(
            f"{place(path[:60] + '...')} is nested more than {MAX_DEPTH} levels deep: a model that "
            "holds itself cannot be saved."
        )


def join(path: str, part: str | int) -> str:
    """The path of a part of the object at ``path``."""
    return f"{path}.{part}" if path else str(part)


def place(path: str) -> str:
    """How an error message names the object at ``path``."""
    return f"The part {path!r} of the model" if path else "The model"
