"""The engines by name; each is loaded when it is first used."""

import importlib
from typing import Any

from .interface import AbstractEngine

_WHERE = {
    "memory": ("in_memory", "Memory"),
    "stream": ("stream", "Stream"),
    "processes": ("processes", "Processes"),
    "dask": ("dask_cluster", "Dask"),
    "mesh": ("mesh", "Mesh"),
}
ENGINES = tuple(_WHERE)


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
    if engine not in _WHERE:
        raise ValueError(
            f"engine should be one of {', '.join(map(repr, ENGINES))}, but is {engine!r}."
        )
    module, name = _WHERE[engine]
    return getattr(importlib.import_module(f".{module}", __package__), name)()
