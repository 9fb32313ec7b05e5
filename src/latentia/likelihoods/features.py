"""Evidence and totals of data whose log probability is ``features · terms(loadings z)``."""

from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from latentia.numerics import normal_grid
from latentia.potentials import AbstractAdditivePotential
from latentia.typing import LatentVector, Scalar

# Imaginary data are spread over so many nodes on either side of 0, for L = 1, 2, 3.
_IMAGINED = {1: (10, 5.0), 2: (5, 4.0), 3: (3, 3.5)}


class FeaturePotential(AbstractAdditivePotential):
    """Evidence about z from data whose log probability is ``features · terms(loadings z)``.

    Potentials of one likelihood add.
    """

    likelihood: Any
    features: jax.Array
    base: Scalar

    @property
    def latent_dim(self) -> int:
        return self.likelihood.loadings.shape[-1]

    @property
    def projections(self) -> jax.Array:
        return self.likelihood.loadings

    def each(self, eta: jax.Array) -> jax.Array:
        return jnp.sum(self.likelihood.response.terms(eta) * self.features, axis=-1)

    def at(self, points: jax.Array) -> jax.Array:
        terms = self.likelihood.response.terms(points @ self.likelihood.loadings.T)
        return terms.reshape(points.shape[0], -1) @ self.features.ravel() + self.base

    def __call__(self, z: LatentVector) -> Scalar:
        return self.at(z[None])[0]

    def __add__(self, other: Self) -> Self:
        return type(self)(self.likelihood, self.features + other.features, self.base + other.base)


class GridTotals(NamedTuple):
    """How often each feature is expected at each node of a grid of z.

    ``mass [G]``, of the data at each node; ``first [G, L]``, that times the node, from which the
    node follows (so that totals add); ``counts [D, C, G]``; and ``imagined [D, C, Q]``, the counts
    of imaginary data on nodes of their own. Zero stands for a table of zeros.
    """

    mass: Any
    first: Any
    counts: Any
    imagined: Any


def table_of(totals: GridTotals, latent: int) -> tuple[jax.Array, jax.Array]:
    """Nodes ``[G, L]`` and counts ``[D, C, G]``, of data and imaginary data together."""
    pieces = []
    if jnp.ndim(totals.counts):
        some = totals.mass > 0
        nodes = totals.first / jnp.where(some, totals.mass, 1.0)[:, None]
        pieces.append((nodes, totals.counts))
    if jnp.ndim(totals.imagined):
        pieces.append((imagined_nodes(latent, totals.imagined.dtype)[0], totals.imagined))
    nodes, counts = zip(*pieces, strict=True)
    return jnp.concatenate(nodes), jnp.concatenate(counts, axis=-1)


def imagined_nodes(latent: int, dtype: Any) -> tuple[jax.Array, jax.Array]:
    """Nodes ``[Q, L]`` and weights ``[Q]`` of a standard normal z."""
    if latent in _IMAGINED:
        grid = normal_grid(latent, *_IMAGINED[latent])
        shares = np.exp(grid.log_weights)
        return jnp.asarray(grid.points, dtype), jnp.asarray(shares / shares.sum(), dtype)
    points = np.random.default_rng(0).normal(size=(512, latent))
    return jnp.asarray(points, dtype), jnp.full(512, 1 / 512, dtype)
