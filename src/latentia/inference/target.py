"""The log density of free real numbers behind z, compiled once for all methods."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.latents import AbstractSmoothPrior
from latentia.likelihoods import CustomPotential
from latentia.potentials import AbstractPotential
from latentia.typing import Scalar

from .forensics import first_broken

# Points are expanded in pieces of this size, and evaluated in larger ones.
PIECE = 8
# Above so many free numbers the draws that averages need cost more than a chain.
MOST_AVERAGED = 128
# Above so many a matrix of curvatures is too large.
MOST_CURVED = 1500
_MANY = 256
# Slopes are found at so many points at once, in calls of at most so many.
_SLOPES, _SLOPE_SLAB = 8, 512
# At so many points at once at least, and no more numbers in memory than this if the data are many.
_FEWEST, _NUMBERS = 4, 2**25
# One size for all calls, so that one program serves them.
_SLAB = 4096


class Target(eqx.Module):
    """A prior and the evidence of x: log p(x, z) as a function of the free numbers of z."""

    prior: AbstractSmoothPrior
    potential: AbstractPotential

    def log_joint(self, free: jax.Array, stretch: Any = 1.0) -> Scalar:
        """Log p(x, z), and ``stretch`` times the log volume: 1 for the density of the free numbers
        themselves, 0 for that of z."""
        z, log_volume = self.prior.bind(free)
        return self.prior.log_prob(z) + self.potential(z) + stretch * log_volume


class Expansion(NamedTuple):
    """A function at G points: ``values [G]``, ``slopes [G, n]``, ``bends [G, n, n]``."""

    values: np.ndarray
    slopes: np.ndarray
    bends: np.ndarray


class Surface:
    """A target as host code sees it: points ``[G, n]`` in NumPy, and the answers too.

    Three programs serve all methods: values with slopes and curvatures, values with slopes, and
    values with z.
    """

    def __init__(self, target: Target) -> None:
        self.target = jax.tree.map(_on_device, target)
        self.names = target.prior.free_names
        self.parts = target.prior.part_names
        self.dim = target.prior.free_dim
        # What a deterministic average over draws needs, in whole pieces; one size for all calls.
        self.curved = self.dim <= MOST_CURVED
        # Where there is no such average, curvatures at the starts take memory enough.
        averages = self.dim <= MOST_AVERAGED
        self.rows = max(64, 2 ** math.ceil(math.log2(4 * self.dim))) if averages else PIECE
        largest = max((np.size(leaf) for leaf in jax.tree.leaves(self.target)), default=1)
        self.many = min(_MANY, max(_FEWEST, _NUMBERS // max(largest, 1)))

    def trace(self) -> None:
        """Call the density with shapes alone, which raises what is wrong with it; what has been
        traced before is not traced again."""
        point = jax.ShapeDtypeStruct((self.dim,), np.float64)
        eqx.filter_eval_shape(_height, self.target, point)

    def expand(self, points: np.ndarray, stretch: float = 1.0) -> Expansion:
        """Values, slopes and curvatures at up to ``rows`` points."""
        count = len(points)
        padded = np.zeros((self.rows, self.dim))
        padded[:count] = points
        pieces = -(-count // PIECE)
        answer = _expand(self.target, padded, np.int64(pieces), np.float64(stretch))
        return Expansion(*(np.asarray(leaf)[:count] for leaf in answer))

    def slope(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log densities ``[G]`` and their slopes ``[G, n]``."""
        answers = []
        for first in range(0, len(points), _SLOPE_SLAB):
            slab = points[first : first + _SLOPE_SLAB]
            padded = np.zeros((_SLOPE_SLAB, self.dim))
            padded[: len(slab)] = slab
            pieces = -(-len(slab) // _SLOPES)
            answer = _slope(self.target, padded, np.int64(pieces))
            answers.append([np.asarray(leaf)[: len(slab)] for leaf in answer])
        values, slopes = (np.concatenate(leaves) for leaves in zip(*answers, strict=True))
        return values, slopes

    def evaluate(self, points: np.ndarray) -> tuple[np.ndarray, Any]:
        """Log densities ``[G]`` and every z, with a leading axis of G."""
        answers = []
        for first in range(0, len(points), _SLAB):
            slab = points[first : first + _SLAB]
            padded = np.concatenate([slab, np.repeat(slab[:1], _SLAB - len(slab), axis=0)])
            answer = jax.device_get(_evaluate(self.target, padded, self.many))
            answers.append(jax.tree.map(lambda leaf, n=len(slab): leaf[:n], answer))
        values, z = jax.tree.map(lambda *leaves: np.concatenate(leaves), *answers)
        return np.asarray(values), z

    def blame(self, point: np.ndarray) -> str:
        """Which part of the model is not finite at a point, in words."""
        prior, evidence, z = jax.device_get(_parts(self.target, point))
        finite = np.isfinite(prior)
        part, value = ("likelihood", evidence) if finite else ("prior", prior)
        missing = _first_missing(self.target.potential) if finite else ""
        function = self.target.potential if finite else self.target.prior.log_prob
        cause = "" if missing else first_broken(function, z)
        cause = f"; first, {cause}" if cause else ""
        return f"the log {part} is {value} (z is {_shown(z)}{missing}{cause})"

    def blame_slope(self, point: np.ndarray) -> str:
        """Which operation makes a slope that is not finite at a point, in words."""
        cause = first_broken(jax.grad(self.target.log_joint), jnp.asarray(point))
        return f" (first, {cause})" if cause else ""


def data_of(potential: AbstractPotential) -> Any:
    """The data behind a potential that a user wrote, for messages; nothing for others."""
    return potential.data if isinstance(potential, CustomPotential) else ()


def _first_missing(potential: AbstractPotential) -> str:
    """Where the data hold the first number that is not finite, in words."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(data_of(potential)):
        array = np.asarray(leaf)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            place = np.argwhere(~np.isfinite(array))[0].tolist()
            name = "x" + jax.tree_util.keystr(path[1:])
            return f"; {name} holds {array[tuple(place)]} at {place}"
    return ""


def _shown(z: Any) -> str:
    if not isinstance(z, dict):
        return np.array2string(np.asarray(z), precision=3, threshold=6)
    pieces = [f"{k}: {np.array2string(np.asarray(v), precision=3)}" for k, v in z.items()]
    return ", ".join(pieces[:6])


def _on_device(leaf: Any) -> Any:
    """Arrays in double precision; Python numbers and texts stay what they are."""
    if not isinstance(leaf, np.ndarray | jax.Array | np.generic):
        return leaf
    array = np.asarray(leaf)
    return jnp.asarray(array.astype(np.float64) if array.dtype.kind == "f" else array)


@eqx.filter_jit
def _height(target: Target, point: jax.Array) -> Scalar:
    return target.log_joint(point)


@eqx.filter_jit
def _expand(target: Target, points: Any, pieces: Any, stretch: Any) -> Any:
    dim = points.shape[-1]
    eye = jnp.eye(dim)

    def one(point: jax.Array) -> Any:
        answer, push = jax.linearize(
            jax.value_and_grad(lambda free: target.log_joint(free, stretch)), point
        )
        return (*answer, jax.vmap(push)(eye)[1])

    rows = len(points)
    begin = jnp.zeros(rows), jnp.zeros((rows, dim)), jnp.zeros((rows, dim, dim))
    return in_pieces(one, points, pieces, PIECE, begin)


@eqx.filter_jit
def _slope(target: Target, points: Any, pieces: Any) -> Any:
    begin = jnp.zeros(len(points)), jnp.zeros(points.shape)
    return in_pieces(jax.value_and_grad(target.log_joint), points, pieces, _SLOPES, begin)


def in_pieces(one: Any, points: Any, pieces: Any, size: int, begin: Any) -> Any:
    """The answers of ``one`` for the points of the first pieces, so many points each."""

    def step(piece: Any, held: Any) -> Any:
        first = piece * size
        found = jax.vmap(one)(jax.lax.dynamic_slice_in_dim(points, first, size))
        return jax.tree.map(
            lambda all_, new: jax.lax.dynamic_update_slice_in_dim(all_, new, first, 0), held, found
        )

    return jax.lax.fori_loop(0, pieces, step, begin)


@eqx.filter_jit
def _evaluate(target: Target, points: Any, many: int) -> Any:
    def one(free: jax.Array) -> Any:
        return target.log_joint(free), target.prior.bind(free)[0]

    return jax.lax.map(one, points, batch_size=many)


@eqx.filter_jit
def _parts(target: Target, point: Any) -> Any:
    z, log_volume = target.prior.bind(point)
    return target.prior.log_prob(z) + log_volume, target.potential(z), z
