"""What latent coordinates mean, where the true factors behind the data are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .complete import read_complete

_BINS = 20


@dataclass(frozen=True, repr=False)
class Disentanglement:
    """What ``disentanglement`` found.

    Attributes:
        names: of the factors.
        r2: ``[F]``, the share of each factor's variance that a linear function of z predicts, on
            rows that it was not fitted to.
        information: ``[L, F]``, how much each coordinate alone says about each factor, in nats.
        gap: the mutual information gap, from 0 to 1: how much more the best coordinate says about a
            factor than the next best, in units of the factor's entropy, on average over factors.
    """

    names: tuple[str, ...]
    r2: np.ndarray
    information: np.ndarray
    gap: float

    def __repr__(self) -> str:
        width = max(map(len, self.names))
        lines = [
            f"  {name:{width}}  R² {share:5.2f}  most by coordinate {best}"
            for name, share, best in zip(
                self.names, self.r2, self.information.argmax(axis=0), strict=True
            )
        ]
        head = f"Disentanglement: mutual information gap {self.gap:.2f}; linear probe of z:"
        return "\n".join([head, *lines])


def disentanglement(
    codes: Any,
    factors: Any,
    names: Sequence[str] | None = None,
    *,
    periodic: Sequence[str] = (),
    key: int = 0,
) -> Disentanglement:
    """Compare latent coordinates with the factors that the data were made from.

    The linear probe is fitted to one half of the rows and measured on the other. The mutual
    information gap is that of Chen et al. (2018, equation 6), by counting in 20 bins of equal
    counts.

    Args:
        codes: ``[N, L]``, posterior means of z.
        factors: ``[N, F]``, the true factors.
        names: of the factors; by default their numbers.
        periodic: the names of those that are angles, in radians: the probe predicts their cosine
            and sine.
        key: a whole number that decides the halves.

    Raises:
        ValueError: if the tables do not fit each other, are not finite or have fewer than 40 rows.
    """
    least = 2 * _BINS
    z, truth = read_complete(codes, "codes", least), read_complete(factors, "factors", least)
    if len(z) != len(truth):
        raise ValueError(f"factors should have {len(z)} rows, as codes have, but has {len(truth)}.")
    known = tuple(map(str, range(truth.shape[1]) if names is None else names))
    if len(known) != truth.shape[1]:
        raise ValueError(
            f"names should hold {truth.shape[1]} names, one for each factor, but holds "
            f"{len(known)}."
        )
    if unknown := [name for name in periodic if name not in known]:
        raise ValueError(f"periodic should hold names of factors, but {unknown[0]!r} is none.")
    order = np.random.default_rng(int(key)).permutation(len(z))
    targets = [
        np.column_stack([np.cos(column), np.sin(column)]) if name in periodic else column[:, None]
        for name, column in zip(known, truth.T, strict=True)
    ]
    shares = np.array([_share(z[order], target[order]) for target in targets])
    information = np.array([[_information(a, b) for b in truth.T] for a in z.T])
    entropies = np.array([_information(b, b) for b in truth.T])
    return Disentanglement(known, shares, information, _gap(information, entropies))


def _share(codes: np.ndarray, target: np.ndarray) -> float:
    """R² on the second half of the rows of the least squares fit to the first."""
    half = len(codes) // 2
    design = np.column_stack([np.ones(len(codes)), codes])
    weights = np.linalg.lstsq(design[:half], target[:half], rcond=None)[0]
    true = target[half:]
    missed = np.sum((true - design[half:] @ weights) ** 2)
    total = np.sum((true - true.mean(axis=0)) ** 2)
    return float(1 - missed / total) if total > 0 else 0.0


def _binned(column: np.ndarray) -> np.ndarray:
    """The numbers of bins of about equal counts; equal values share a bin."""
    values, codes = np.unique(column, return_inverse=True)
    if len(values) <= _BINS:
        return codes
    edges = np.quantile(column, np.linspace(0, 1, _BINS + 1)[1:-1])
    return np.searchsorted(edges, column, side="right")


def _information(first: np.ndarray, second: np.ndarray) -> float:
    """The mutual information of two columns, in nats, by counting."""
    joint = np.zeros((_BINS, _BINS))
    np.add.at(joint, (_binned(first), _binned(second)), 1 / len(first))
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    seen = joint > 0
    return float(np.sum(joint[seen] * np.log(joint[seen] / apart[seen])))


def _gap(information: np.ndarray, entropies: np.ndarray) -> float:
    ranked = np.sort(information, axis=0)
    second = ranked[-2] if len(ranked) > 1 else np.zeros_like(entropies)
    varies = entropies > 0
    gaps = (ranked[-1] - second)[varies] / entropies[varies]
    return float(gaps.mean()) if varies.any() else 0.0
