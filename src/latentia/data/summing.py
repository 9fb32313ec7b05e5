"""The work on one partition, in whatever process it is done, and the sum over partitions."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from latentia.precision import precision_of

from .blocks import Blocks
from .interface import Source, Units
from .keeping import kept_blocks
from .reading import blocks_of


class Call(NamedTuple):
    """A function of parameters and data, ready to be sent to where the data are.

    ``static`` has the names and values of what the function is compiled for; ``room`` is how many
    bytes of data a worker may keep for the next call.
    """

    function: Callable[..., Any]
    static: tuple[tuple[str, Any], ...]
    parameters: Any
    units: Units
    room: int = 0


def call_of(
    function: Callable[..., Any],
    parameters: Any,
    units: Units,
    static: dict[str, Any],
    room: int = 0,
) -> Call:
    """The call, with NumPy arrays in place of those of a device."""
    parameters, units = jax.device_get((parameters, units))
    return Call(function, tuple(sorted(static.items())), parameters, Units(*units), room)


@lru_cache(maxsize=64)
def compiled(function: Callable[..., Any], static: tuple[tuple[str, Any], ...]) -> Any:
    """The function under ``jit``, the same one in every pass of this process."""
    return jax.jit(partial(function, **dict(static)))


def sum_partition(partition: Source, call: Call) -> Any:
    """The sum over one partition, batch by batch in order, as NumPy arrays."""
    program = compiled(call.function, call.static)
    total = None
    # The setting belongs to the thread, so it is made where the work is done.
    with precision_of(np.empty(0)), closing(_blocks(partition, call)) as batches:
        for data in batches:
            part = program(call.parameters, data)
            total = part if total is None else jax.tree.map(jnp.add, total, part)
            # Batches that wait for the device would fill the memory.
            jax.block_until_ready(total)
        return jax.device_get(total)


def _blocks(partition: Source, call: Call) -> Generator[Blocks]:
    if call.room > 0:
        return kept_blocks(partition, call.units, call.room)
    return blocks_of(partition, call.units)


def added(parts: Sequence[Any]) -> Any:
    """The sum of trees of arrays, always in this order."""
    total = parts[0]
    for part in parts[1:]:
        total = jax.tree.map(np.add, total, part)
    # NumPy makes plain numbers of sums of single ones.
    return jax.tree.map(np.asarray, total)
