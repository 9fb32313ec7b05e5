"""Parts of one kind with a leading axis: one for each of K states."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def take(stacked: Any, index: Any) -> Any:
    """Entry ``index`` of the leading axis of every array."""
    return jax.tree.map(lambda leaf: leaf[index], stacked)


def stack(parts: Sequence[Any], owner: str) -> Any:
    """Parts of one kind and size as one part whose arrays have a leading axis.

    Raises:
        ValueError: if they differ in kind or size, naming their ``owner``.
    """
    shapes = {str(jax.tree.map(np.shape, part)) for part in parts}
    structures = {jax.tree.structure(part) for part in parts}
    if len(shapes) != 1 or len(structures) != 1:
        raise ValueError(
            f"parts of {owner} should be one or more of the same kind and size, but "
            f"{len(parts)} were given of {len(shapes)} kinds: use Product for columns of different "
            "kinds."
        )
    return jax.tree.map(lambda *leaves: _stacked(leaves), *parts)


def _stacked(leaves: Sequence[Any]) -> Any:
    if any(isinstance(leaf, jax.Array) for leaf in leaves):
        return jnp.stack(leaves)
    return np.stack(leaves)
