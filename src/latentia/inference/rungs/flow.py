"""A normalising flow: a Gaussian approximation bent by couplings until its bound is highest.

The draws are fixed while a quasi-Newton method climbs; then the climb goes on with twice as many,
until fresh draws gain nothing any more (the sample average approximation of Burroni, Domke and
Sheldon 2023). So there is no step size to choose.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from latentia.inference.proposals import whitened_normals
from latentia.inference.quasi_newton import Climbed, ascend
from latentia.inference.target import MOST_AVERAGED, Surface, in_pieces
from latentia.inference.transport import Transport, TransportProposal
from latentia.verdict import Verdict

from .full_rank import climb_bound
from .interface import AbstractRung, Attempt, Climb, too_many

# Draws in the first round, and in a piece of the computation; every round has twice as many.
_ROUNDS, _STEPS, _DRAWS, _PIECE = 4, 100, 1024, 256
# Every so many steps the climb is checked.
_EACH = 5
# Nats of the bound, on fresh draws, for which another round is worth its while.
_WORTH = 0.01
_ENOUGH = 1e-5


class Flow(AbstractRung):
    """A flow of affine couplings behind the best Gaussian (Dinh et al. 2017; Rezende et al. 2015).

    Args:
        blocks: pairs of couplings.
        width: of the hidden layer of each network.
    """

    blocks: int = eqx.field(static=True, default=4)
    width: int = eqx.field(static=True, default=16)

    def __check_init__(self) -> None:
        if not (self.blocks >= 1 and self.width >= 1):
            raise ValueError(
                "blocks and width of Flow should be whole numbers of at least 1, but are "
                f"{self.blocks!r} and {self.width!r}."
            )

    @property
    def name(self) -> str:
        return "normalising flow"

    def attempt(self, climb: Climb) -> Attempt:
        surface = climb.surface
        if surface.dim > MOST_AVERAGED:
            return Attempt(self.name, too_many(surface, MOST_AVERAGED))
        if surface.dim < 2:
            reason = "not tried with 1 free number, since couplings need two"
            return Attempt(self.name, Verdict("fail", reason))
        if failed := climb.improper(self.name):
            return failed
        found = climb_flow(climb, *_begin(climb), self.blocks, self.width)
        if found is None:
            reason = "the density is not finite at most draws of the Gaussian it would start from"
            return Attempt(self.name, Verdict("fail", reason))
        return climb.corrected(self.name, found)


def _begin(climb: Climb) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the best Gaussian, of this climb or its own."""
    mean, covariance = climb.so_far()
    if not climb.attempts:
        found = climb_bound(climb.surface, mean, covariance, climb.seed)
        if found is not None:
            return found.moments()
    return mean, covariance


def climb_flow(
    climb: Climb, mean: np.ndarray, covariance: np.ndarray, blocks: int, width: int
) -> TransportProposal | None:
    """The flow of highest bound that starts at a Gaussian, or None if that is nowhere finite."""
    bend = _Bend(climb.surface, mean, np.linalg.cholesky(covariance), climb.seed, blocks, width)
    best, at = -np.inf, bend.start
    # Too wide for the region of finite density.
    for _ in range(8):
        if np.isfinite(best := bend.check(at)):
            break
        bend.root = bend.root / 2
    if not np.isfinite(best):
        return None
    for turn in range(_ROUNDS):
        path = ascend(bend.bound(bend.noise(turn)), at, _STEPS, enough=_ENOUGH)
        # What is best for fresh draws may lie on the way: the last points fit their own draws.
        passed = path.points[_EACH::_EACH]
        values = [bend.check(point) for point in passed] or [-np.inf]
        gained = max(values) - best
        if gained > 0:
            best, at = max(values), passed[int(np.argmax(values))]
        if gained < _WORTH or climb.seconds_left() <= 0:
            break
    transport = _rebuilt(bend.template, at)
    return TransportProposal(np.ones(1), mean[None], bend.root, transport)


class _Bend:
    """The bound of a flow behind an affine map as a function of the flow's numbers."""

    def __init__(
        self,
        surface: Surface,
        mean: np.ndarray,
        root: np.ndarray,
        seed: int,
        blocks: int,
        width: int,
    ) -> None:
        self.surface, self.mean, self.root, self.seed = surface, mean, root, seed
        self.template = Transport.start(surface.dim, blocks, width, seed)
        self.start = np.asarray(ravel_pytree(self.template)[0])
        self._fresh = self.bound(self.noise(-1))

    def noise(self, turn: int) -> np.ndarray:
        """Twice as many draws in each turn; as many as in the first to check with."""
        return whitened_normals(
            self.surface.dim, _DRAWS * 2 ** max(turn, 0), self.seed + 17 * turn + 23
        )

    def check(self, at: np.ndarray) -> float:
        """The bound over draws that no climb has seen."""
        value = self._fresh(at)[0]
        return value if np.isfinite(value) else -np.inf

    def bound(self, noise: np.ndarray) -> Climbed:
        """The bound over fixed draws, up to a constant, and its slope."""
        # One size for all turns, so that one program serves them.
        padded = np.zeros((_DRAWS * 2 ** (_ROUNDS - 1), self.surface.dim))
        padded[: len(noise)] = noise
        pieces, count = np.int64(len(noise) // _PIECE), len(noise)

        def bound(free: np.ndarray) -> tuple[float, np.ndarray]:
            answer = _placed(self.template, free, padded, pieces)
            placed, volumes = (np.asarray(leaf)[:count] for leaf in answer)
            if not np.isfinite(placed).all():
                return -np.inf, free
            values, slopes = self.surface.slope(self.mean + placed @ self.root.T)
            if not (np.isfinite(values).all() and np.isfinite(slopes).all()):
                return -np.inf, free
            uphill = np.zeros_like(padded)
            uphill[:count] = slopes @ self.root
            slope = np.asarray(_slope(self.template, free, padded, uphill, pieces)) / count
            return float(np.mean(values + volumes)), slope

        return bound


def _rebuilt(template: Transport, free: Any) -> Transport:
    """The flow with these numbers."""
    leaves, structure = jax.tree.flatten(template)
    ends = np.cumsum([leaf.size for leaf in leaves])
    pieces = jnp.split(jnp.asarray(free), ends[:-1])
    return jax.tree.unflatten(
        structure, [piece.reshape(leaf.shape) for piece, leaf in zip(pieces, leaves, strict=True)]
    )


@eqx.filter_jit
def _placed(template: Transport, free: Any, noise: Any, pieces: Any) -> Any:
    """Images ``[S, n]`` of noise and the log volumes ``[S]`` there, for the first pieces of it."""
    transport = _rebuilt(template, free)
    begin = jnp.zeros(noise.shape), jnp.zeros(len(noise))
    return in_pieces(transport.push, noise, pieces, _PIECE, begin)


@eqx.filter_jit
def _slope(template: Transport, free: Any, noise: Any, uphill: Any, pieces: Any) -> Any:
    """The slope of the sum over draws, given the slopes ``[S, n]`` of the density at the images."""

    def total(free: jax.Array, piece: Any) -> jax.Array:
        first = piece * _PIECE
        some, ways = (jax.lax.dynamic_slice_in_dim(each, first, _PIECE) for each in (noise, uphill))
        placed, volumes = jax.vmap(_rebuilt(template, free).push)(some)
        return jnp.sum(placed * ways) + jnp.sum(volumes)

    def step(piece: Any, held: Any) -> Any:
        return held + jax.grad(total)(free, piece)

    free = jnp.asarray(free)
    return jax.lax.fori_loop(0, pieces, step, jnp.zeros(free.shape))
