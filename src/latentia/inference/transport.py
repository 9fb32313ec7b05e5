"""An invertible map from noise to a posterior: couplings of changing halves, then an affine map."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.latents import FlowLatent
from latentia.typing import Scalar

from .proposals import AbstractProposal, whitened_normals

# Draws that tell the moments of a map.
_MOMENTS = 4096
# Orders that are tried for each block.
_ORDERS = 32


class Transport(eqx.Module):
    """Blocks of two couplings each, before which the coordinates change their places.

    ``blocks`` are flows of dimension n, stacked into one, and ``orders`` their permutations
    ``[blocks, n]``. In its new place every other coordinate moves by what the rest says; since the
    halves change from block to block, any two coordinates come to depend on each other.
    """

    blocks: FlowLatent
    orders: tuple[tuple[int, ...], ...] = eqx.field(static=True)

    @classmethod
    def start(cls, dim: int, blocks: int, width: int, seed: int) -> "Transport":
        """The identity, with networks of double precision and of this width."""
        flows = [FlowLatent(dim, 2, width, key=seed + 101 * block) for block in range(blocks)]
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves).astype(jnp.float64), *flows)
        return cls(stacked, _orders(dim, blocks, seed))

    def push(self, u: jax.Array) -> tuple[jax.Array, Scalar]:
        """Where noise ``[n]`` goes, and the log volume that this stretches."""
        return self._scan(lambda block, at: block.push(at), u, reverse=False)

    def pull(self, z: jax.Array) -> tuple[jax.Array, Scalar]:
        """The noise behind z, and the log volume that ``push`` stretches there."""
        return self._scan(lambda block, at: block.pull(at), z, reverse=True)

    def _scan(self, move: Any, start: jax.Array, reverse: bool) -> tuple[jax.Array, Scalar]:
        """All blocks one after the other, as one program however many they are."""

        def step(held: Any, each: Any) -> Any:
            (block, order, back), (at, total) = each, held
            moved, volume = move(block, at[order])
            return (moved[back], total + volume), None

        orders = np.array(self.orders)
        each = self.blocks, orders, np.argsort(orders, axis=1)
        begin = start, jnp.zeros((), start.dtype)
        return jax.lax.scan(step, begin, each, reverse=reverse)[0]


def _orders(dim: int, blocks: int, seed: int) -> tuple[tuple[int, ...], ...]:
    """Permutations chosen so that as many pairs as possible are once in different halves."""
    rng, apart = np.random.default_rng([seed, 13, dim]), np.zeros((dim, dim), bool)
    chosen = []
    for block in range(blocks):
        tried = [rng.permutation(dim) if block else np.arange(dim) for _ in range(_ORDERS)]
        halves = [np.argsort(order) % 2 for order in tried]
        parted = [apart | (half[:, None] != half[None]) for half in halves]
        best = int(np.argmax([each.sum() for each in parted]))
        apart = parted[best]
        chosen.append(tuple(map(int, tried[best])))
    return tuple(chosen)


@dataclass(frozen=True)
class TransportProposal(AbstractProposal):
    """The image of one Student t under ``mean + root transport(noise)``."""

    shares: np.ndarray
    means: np.ndarray
    root: np.ndarray
    transport: Transport

    def spread(self, component: int, noise: np.ndarray) -> np.ndarray:
        with jax.enable_x64(True):
            return np.asarray(_push(self.transport, noise)[0]) @ self.root.T

    def whiten(self, component: int, gaps: np.ndarray) -> tuple[np.ndarray, Any]:
        with jax.enable_x64(True):
            found = _pull(self.transport, np.linalg.solve(self.root, gaps.T).T)
        white, volume = (np.asarray(leaf) for leaf in found)
        return white, volume + np.linalg.slogdet(self.root)[1]

    def moments_of(self, component: int) -> tuple[np.ndarray, np.ndarray]:
        dim = len(self.root)
        drawn = self.spread(component, whitened_normals(dim, max(_MOMENTS, 4 * dim), 0))
        return self.means[component] + drawn.mean(axis=0), np.cov(drawn.T, bias=True)


@eqx.filter_jit
def _push(transport: Transport, noise: Any) -> Any:
    return jax.vmap(transport.push)(jnp.asarray(noise))


@eqx.filter_jit
def _pull(transport: Transport, points: Any) -> Any:
    return jax.vmap(transport.pull)(jnp.asarray(points))
