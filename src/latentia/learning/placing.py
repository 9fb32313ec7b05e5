"""On which devices a training computes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def mesh_of(devices: int, batch: int) -> Mesh | None:
    """The mesh of so many devices, 0 for all that JAX sees; None for a single one.

    Args:
        batch: how many data a step sees, of which each device takes an equal share.

    Raises:
        ValueError: if there are fewer devices, or the batch cannot be shared.
    """
    found = jax.devices()
    if devices > len(found):
        raise ValueError(
            f"devices should be at most {len(found)}, as many as JAX sees, but is {devices}: lower "
            "it, or pass 0 for all."
        )
    found = found[: devices or None]
    if batch % len(found):
        raise ValueError(
            f"batch should be a multiple of {len(found)}, the number of devices, but is {batch}."
        )
    return None if len(found) == 1 else Mesh(np.array(found), ("data",))


def placing(mesh: Mesh | None) -> Callable[[Any], Any]:
    """What puts arrays where the computation is: as they are, or a copy on each device."""
    if mesh is None:
        return lambda tree: tree
    return partial(jax.device_put, device=NamedSharding(mesh, PartitionSpec()))
