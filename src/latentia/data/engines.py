"""The engines by name; each is loaded when it is first used."""

import importlib
from typing import Any

from .interface import AbstractEngine

_CLASSES = {
    "memory": "Memory",
    "stream": "Stream",
    "processes": "Processes",
    "dask": "Dask",
    "mesh": "Mesh",
}
ENGINES = tuple(_CLASSES)


def engine_of(engine: Any) -> AbstractEngine:
    """The engine of a name, with its default options; an engine is returned as it is.

    Raises:
        ValueError: if there is no engine of this name.
        TypeError: if it is neither a name nor an engine.
        ImportError: if the engine needs a package that is not installed.
    """
    if isinstance(engine, AbstractEngine):
        return engine
    if not isinstance(engine, str):
        raise TypeError(
            f"engine should be one of {', '.join(map(repr, ENGINES))}, or an engine such as "
            f"latentia.data.Stream(), but is {engine!r}."
        )
    if engine not in _CLASSES:
        raise ValueError(
            f"engine should be one of {', '.join(map(repr, ENGINES))}, but is {engine!r}."
        )
    return getattr(importlib.import_module("latentia.data"), _CLASSES[engine])()
