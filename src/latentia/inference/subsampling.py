"""Likelihoods of many independent data, of which a step sees a few."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.likelihoods import CustomPotential
from latentia.potentials import AbstractPotential
from latentia.typing import Scalar

from .target import Target


class SomeRows(AbstractPotential):
    """The evidence of some rows of the data, as if there were ``scale`` times as many."""

    whole: CustomPotential
    rows: jax.Array
    scale: jax.Array

    def __call__(self, z: Any) -> Scalar:
        data = taken(self.whole.data[0], self.rows)
        return self.scale * self.whole.likelihood.log_prob(data, z)

    def __add__(self, other: Any) -> "SomeRows":
        raise TypeError("Evidence of some rows should stand alone, since it was scaled already.")


def taken(data: Any, rows: Any) -> Any:
    """These rows of all arrays; numbers and texts stay what they are."""
    return jax.tree.map(lambda leaf: leaf[rows] if np.ndim(leaf) else leaf, data)


def count_rows(
    potential: Any, purpose: str = "the Stochastic rung", remedy: str = "use other rungs"
) -> int:
    """How many data a custom likelihood has, one in each row of its arrays.

    Raises:
        ValueError: if there are none, or arrays differ in their number of rows.
    """
    single = isinstance(potential, CustomPotential) and len(potential.data) == 1
    if not single:
        raise ValueError(
            f"The likelihood of a model for {purpose} should be Custom, of one x with a row for "
            f"each datum, but its evidence is {type(potential).__name__}: {remedy}."
        )
    named = [
        ("x" + jax.tree_util.keystr(path), len(leaf))
        for path, leaf in jax.tree_util.tree_leaves_with_path(potential.data[0])
        if np.ndim(leaf)
    ]
    if not named:
        raise ValueError(
            f"x should hold an array with a row for each datum for {purpose}, but holds none: "
            f"{remedy}."
        )
    (first, count), *others = named
    for name, length in others:
        if length != count:
            raise ValueError(
                f"Arrays of x should have a row for each datum for {purpose}, but {first} has "
                f"{count} rows and {name} {length}: put what is not data into parameters of Custom."
            )
    return count


def require_sum(target: Target, points: np.ndarray) -> None:
    """Raise ``ValueError`` unless the likelihood is a sum over rows, at points ``[G, n]``."""
    whole, halves, size = (np.asarray(leaf) for leaf in _halves(target, points))
    with np.errstate(invalid="ignore"):
        wrong = np.isfinite(whole) & ~(np.abs(whole - halves) <= 1e-6 * (1 + size))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(
            "The likelihood should be a sum over the rows of x for the Stochastic rung, but is "
            f"{whole[at]:.6g} of all rows and {halves[at]:.6g} of both halves together: sum over "
            "rows and do not average, or use other rungs."
        )


@eqx.filter_jit
def _halves(target: Target, points: Any) -> Any:
    potential: Any = target.potential
    data = potential.data[0]
    count = count_rows(potential)

    def one(free: jax.Array) -> Any:
        z, _ = target.prior.bind(free)
        parts = [
            potential.likelihood.log_prob(taken(data, rows), z)
            for rows in (slice(0, count // 2), slice(count // 2, count))
        ]
        return potential(z), sum(parts), sum(jnp.abs(part) for part in parts)

    return jax.lax.map(one, jnp.asarray(points))
