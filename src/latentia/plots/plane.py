"""The plane of a picture: two of the columns, or the two principal axes of the model."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .components import Components


class Plane(NamedTuple):
    """Two directions in the space of the data.

    ``origin`` has shape (D,) and ``axes`` shape (D, 2); ``labels`` name the two directions.
    """

    origin: np.ndarray
    axes: np.ndarray
    labels: tuple[str, str]

    def points(self, values: np.ndarray) -> np.ndarray:
        """The coordinates (N, 2) of the rows (N, D); NaN only if a needed value is missing."""
        used = np.any(self.axes != 0, axis=1)
        return (values[:, used] - self.origin[used]) @ self.axes[used]

    def covariances(self, matrices: np.ndarray) -> np.ndarray:
        """The covariances (K, 2, 2) of what has the covariances (K, D, D) in the data."""
        return self.axes.T @ matrices @ self.axes


def choose_plane(
    components: Components, names: Sequence[str], columns: Sequence[int | str] | None
) -> Plane:
    """Choose what to show of D columns.

    Args:
        components: the model's components, from which the principal axes are taken: so they exist
            even where every row lacks a value.
        names: the D names of the columns.
        columns: two columns by name or number; with ``None``, both columns of two, and otherwise
            the principal axes.

    Returns:
        The plane.

    Raises:
        ValueError: if ``columns`` are not two different columns, or there are fewer than two.
    """
    count = components.means.shape[1]
    if len(names) != count:
        raise ValueError(
            f"X should have the {count} columns that the estimator was fitted with, but has "
            f"{len(names)}: pass all of them, and choose two with columns=."
        )
    if count < 2:
        raise ValueError("X should have at least 2 columns for this picture, but has 1: add one.")
    if columns is None and count > 2:
        return _principal(components, names)
    first, second = _two(columns, names) if columns is not None else (0, 1)
    axes = np.eye(count)[:, [first, second]]
    return Plane(np.zeros(count), axes, (names[first], names[second]))


def _two(columns: Sequence[int | str], names: Sequence[str]) -> tuple[int, int]:
    chosen = [columns] if isinstance(columns, str | int) else list(columns)
    indices = []
    for column in chosen:
        if isinstance(column, str) and column in names:
            indices.append(list(names).index(column))
        elif not isinstance(column, str) and 0 <= column < len(names):
            indices.append(int(column))
        else:
            raise ValueError(
                f"columns should be names or numbers of columns of X, but {column!r} is none: "
                f"choose from {list(names)}."
            )
    if len(indices) != 2 or indices[0] == indices[1]:
        raise ValueError(
            f"columns should be two different columns, but is {columns!r}: name two of "
            f"{list(names)}."
        )
    return indices[0], indices[1]


def _principal(components: Components, names: Sequence[str]) -> Plane:
    weights, means, covariances = components
    centre = weights @ means
    spread = np.einsum("k,kij->ij", weights, covariances)
    spread = spread + (weights * (means - centre).T) @ (means - centre)
    variances, directions = np.linalg.eigh(spread)
    axes = directions[:, [-1, -2]]
    # A fixed sign, so that the same model always gives the same picture.
    axes = axes * np.where(axes[np.argmax(abs(axes), axis=0), [0, 1]] < 0, -1.0, 1.0)
    shares = variances[[-1, -2]] / variances.sum()
    first, second = (_label(i, axes[:, i], shares[i], names) for i in (0, 1))
    return Plane(centre, axes, (first, second))


def _label(index: int, axis: np.ndarray, share: float, names: Sequence[str]) -> str:
    largest = np.argsort(-abs(axis))[:2]
    parts = [f"{axis[i]:.2f} {names[i]}" for i in largest]
    mixture = " + ".join(parts).replace("+ -", "− ")
    more = " + …" if len(names) > 2 else ""
    return f"principal axis {index + 1} ({share:.0%} of variance)\n{mixture}{more}"
