"""A mesh of accelerators: each device keeps a share of the data, and one sum goes round them.

On every device a local loop over blocks, and one ``psum`` of the totals in a pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, final

import jax
import numpy as np
from jax.sharding import Mesh as DeviceMesh
from jax.sharding import NamedSharding, PartitionSpec

from latentia.precision import precision_of

from .blocks import AnyBlocks, Blocks, parts_of
from .in_memory import same_units, whole_blocks
from .interface import AbstractEngine, AbstractPartitions, R, Source, Units
from .partitioning import one_by_one
from .summing import call_of

_AXIS = "data"
# Every device works on blocks in pairs.
_EVEN = 2


@final
@dataclass(frozen=True)
class Mesh(AbstractEngine):
    """The devices of this process that JAX sees: GPUs, TPUs, or the CPU.

    Args:
        devices: which ones, as from ``jax.devices()``; all by default.
    """

    devices: tuple[Any, ...] | None = None

    def open(self, source: Source) -> "PartitionsOnMesh":
        """The data of a source; they go to the devices once their units are known."""
        return PartitionsOnMesh(source, tuple(self.devices or jax.devices()))


@final
class PartitionsOnMesh(AbstractPartitions):
    """Data in the memory of some devices; what JAX does not do is done once, in this process."""

    def __init__(self, source: Source, devices: tuple[Any, ...]) -> None:
        self.source = source
        self.count = 1
        self._mesh = DeviceMesh(np.array(devices), (_AXIS,))
        self._kept: tuple[Units, AnyBlocks] | None = None

    def gather(self, task: Callable[[Source, Any], R], arguments: Sequence[Any]) -> list[R]:
        """See ``AbstractPartitions``."""
        return one_by_one(task, [self.source], arguments)

    def total(
        self, function: Callable[..., Any], parameters: Any, units: Units, **static: Any
    ) -> Any:
        """See ``AbstractPartitions``."""
        call = call_of(function, parameters, units, static)
        program = _compiled(call.function, call.static, self._mesh)
        with precision_of(np.empty(0)):
            return jax.device_get(program(call.parameters, self._blocks(call.units)))

    def close(self) -> None:
        """Let go of the memory of the devices."""
        self._kept = None

    def _blocks(self, units: Units) -> AnyBlocks:
        if self._kept is None or not same_units(self._kept[0], units):
            self._kept = None
            found = whole_blocks(self.source, units)
            size = self._mesh.size
            if isinstance(found, Blocks):
                shares: AnyBlocks = _shared(found, size)
            else:
                shares = tuple(_shared(part, size) for part in found)
            self._kept = units, jax.device_put(shares, NamedSharding(self._mesh, _ALONG))
        return self._kept[1]


_ALONG = PartitionSpec(_AXIS)


@lru_cache(maxsize=64)
def _compiled(
    function: Callable[..., Any], static: tuple[tuple[str, Any], ...], mesh: DeviceMesh
) -> Any:
    """The program for a mesh, the same one in every pass."""
    local = partial(function, **dict(static))

    def share(parameters: Any, data: AnyBlocks) -> Any:
        parts = [part._replace(used=part.used[0]) for part in parts_of(data)]
        own = parts[0] if isinstance(data, Blocks) else tuple(parts)
        return jax.lax.psum(local(parameters, own), _AXIS)

    # Unchecked, since loops in the function start from zeros that are the same on every device.
    return jax.jit(
        jax.shard_map(
            share,
            mesh=mesh,
            in_specs=(PartitionSpec(), _ALONG),
            out_specs=PartitionSpec(),
            check_vma=False,
        )
    )


def _shared(data: Blocks, devices: int) -> Blocks:
    """The blocks in equal shares, each filled up; ``used`` then has one number for each device."""
    count = int(data.used)
    share = -(-count // (_EVEN * devices)) * _EVEN

    def fill(array: np.ndarray, value: int) -> np.ndarray:
        widths = [(0, share * devices - count), *[(0, 0)] * (array.ndim - 1)]
        return np.pad(array[:count], widths, constant_values=value)

    used = np.clip(count - share * np.arange(devices), 0, share).astype(np.int32)
    return Blocks(fill(data.x, 0), fill(data.weight, 0), fill(data.label, -1), used)
