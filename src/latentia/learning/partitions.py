"""Starting assignments for the EM of mixtures: the rows shared out among the states.

``standardise`` puts the columns of a short list of points on one scale, and ``partitions`` shares
the points out in several ways.
"""

from collections.abc import Sequence

import numpy as np
from numpy import ndarray
from numpy.random import Generator, default_rng

from .condensing import by_weight
from .condensing import condense as condense

_SEEDED = ("kmeans", "noisy", "k-means++")
KINDS = (*_SEEDED, "hierarchical", "rows", "directions", "random", "random_from_data")

MERGED = 500  # the most points for Ward's merging, which takes the square of them in memory
NOISE = 0.4  # what it takes of each row: the majority stays where k-means put it
# Standardised values are rounded to multiples of this. Sums of them are then mostly exact, and what
# units and order of the rows leave in the last bits cannot decide between two equally near centres.
_GRID = 2.0**-30


def standardise(points: ndarray, weights: ndarray) -> ndarray:
    """Bring every column to weighted mean 0 and variance 1, with 0 for what is missing.

    Rows of weight zero are transformed but not counted. NaN and the infinities are missing. A
    column that is constant or missing altogether becomes 0.
    """
    present = np.isfinite(points)
    counted = present & (weights > 0)[:, None]
    low = np.min(points, axis=0, where=counted, initial=np.inf)
    high = np.max(points, axis=0, where=counted, initial=-np.inf)
    low, high = np.where(low <= high, (low, high), 0.0)
    # A power of two, so that values far from zero keep all the digits in which they differ.
    power = -np.frexp(np.maximum(abs(low), abs(high)))[1]
    base = np.ldexp(low, power)
    span = np.ldexp(high, power) - base
    varies = span > 0
    # Only rows of weight zero overflow, or lie outside [0, 1] afterwards.
    with np.errstate(over="ignore"):
        offsets = np.ldexp(np.where(present, points, low), power) - base
    offsets = np.clip(offsets / np.where(varies, span, 1.0), -1e6, 1e6)
    share = counted * (weights / np.max(weights, initial=1e-300))[:, None]
    share /= np.maximum(share.sum(axis=0), 1e-300)
    centred = np.where(present & varies, offsets - (share * offsets).sum(axis=0), 0.0)
    deviation = np.sqrt((share * centred**2).sum(axis=0))
    scores = np.clip(centred / np.where(deviation > 0, deviation, 1.0), -1e9, 1e9)
    return np.rint(scores / _GRID) * _GRID + 0.0


def partitions(
    points: ndarray, weights: ndarray, states: int, seed: int, kinds: Sequence[str]
) -> ndarray:
    """Share the points out among the states, once for each kind of start.

    Args:
        points: ``[U, E]``, condensed and standardised.
        weights: ``[U]``, not negative.
        states: how many, K. Those beyond the number of points stay empty in most kinds.
        seed: start i depends on the seed, its kind and i alone, to the last bit.
        kinds: the S starts. "kmeans": the clusters of k-means; "noisy": the same, blurred;
            "hierarchical": those of Ward's method, without chance; "rows": the nearest of K random
            points; "directions": K equally heavy slices across a random direction. And as in
            scikit-learn, "random": random numbers; "random_from_data" and "k-means++": each state
            has one point to itself, and all other points belong to no state.

    Returns:
        ``[S, U, K]``. Each row sums to one, or to zero if the point belongs to no state.
    """
    for kind in set(kinds).difference(KINDS):
        raise ValueError(f"{kind!r} is no kind of start: use one of {', '.join(KINDS)}.")
    shares = np.zeros((len(kinds), len(points), states))
    if not shares.size:
        return shares
    weights = _comparable(weights)
    rngs = [default_rng([seed, i]) for i in range(len(kinds))]
    eye = np.eye(states)
    seeded = [i for i, kind in enumerate(kinds) if kind in _SEEDED]
    seeds = kmeans_plus_plus(points, weights, states, [rngs[i] for i in seeded])
    shares[seeded] = eye[lloyd(points, weights, points[seeds])]
    for i, rows in zip(seeded, seeds, strict=True):
        if kinds[i] == "noisy":
            shares[i] *= 1 - NOISE
            shares[i] += NOISE * random_responsibilities(len(points), states, rngs[i])
        elif kinds[i] == "k-means++":
            shares[i] = _alone(len(points), states, rows)
    merged = np.array(kinds) == "hierarchical"
    if merged.any():
        shares[merged] = eye[hierarchical(points, weights, states)]
    for i in set(range(len(kinds))).difference(seeded, np.flatnonzero(merged)):
        shares[i] = _drawn(points, weights, states, rngs[i], kinds[i])
    return shares


def kmeans_plus_plus(
    points: ndarray, weights: ndarray, states: int, rngs: Sequence[Generator], trials: int = 0
) -> ndarray:
    """Choose K points far from each other, by greedy k-means++, for several starts at once.

    Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007. Each point
    after the first is the best of some ``trials``, 2 + log K by default.

    Returns:
        Rows ``[S, K]``, one set for each generator. They repeat if K exceeds the distinct points.
    """
    trials = trials or 2 + int(np.log(states))
    draws = np.array([rng.random((states, trials)) for rng in rngs]).reshape(-1, states, trials)
    starts = np.arange(len(rngs))
    lengths = (points**2).sum(axis=1)
    rows = np.zeros((len(rngs), states), int)
    mass = np.broadcast_to(weights, (len(rngs), len(points)))
    closest = np.full(mass.shape, np.inf)
    for k in range(states):
        # The first draw of all is not a choice of the best, which would be the middle of the data.
        candidates = _draw(mass, draws[:, k, : trials if k else 1])
        # One product per start, and not one for all: how BLAS rounds depends on the shape.
        products = points[candidates] @ points.T
        gaps = lengths[candidates][..., None] - 2 * products + lengths
        gaps = np.minimum(np.maximum(gaps, 0.0), closest[:, None])
        best = np.argmin(gaps @ weights, axis=1)
        rows[:, k], closest = candidates[starts, best], gaps[starts, best]
        mass = weights * closest
    return rows


def lloyd(points: ndarray, weights: ndarray, centres: ndarray, steps: int = 20) -> ndarray:
    """Improve ``centres [..., K, E]`` by Lloyd's k-means, for several starts at once.

    A state that loses all its points moves to the point farthest from its centre.

    Returns:
        The labels ``[..., U]``, once they no longer change or after so many steps.
    """
    labels = _nearest(points, centres)
    for _ in range(steps):
        centres = _centroids(points, weights, labels, centres)
        moved = _nearest(points, centres)
        # A start that has settled is not changed by the steps that others still need.
        if np.array_equal(moved, labels):
            break
        labels = moved
    return labels


def hierarchical(points: ndarray, weights: ndarray, states: int) -> ndarray:
    """Labels of Ward's method; of many points, a sample is merged and the rest join the nearest."""
    # The merging counts every point once; the weights guide the sample and the centroids.
    if len(points) <= MERGED:
        return _ward(points, states)
    rows = np.unique(by_weight(weights, np.full(MERGED, 0.5)))
    labels = _ward(points[rows], states)
    start = np.zeros((int(labels.max()) + 1, points.shape[1]))
    return _nearest(points, _centroids(points[rows], weights[rows], labels, start))


def random_rows(weights: ndarray, states: int, rng: Generator) -> ndarray:
    """Draw up to K different rows by weight."""
    # The first arrivals of clocks that run at the speed of their weights.
    return np.argsort(rng.exponential(size=len(weights)) / weights, kind="stable")[:states]


def random_responsibilities(count: int, states: int, rng: Generator) -> ndarray:
    """Uniform random numbers ``[count, K]``, divided by their sum in each row."""
    # Never zero, as a row of zeros could not be divided by its sum.
    draws = 1 - rng.random((count, states))
    return draws / draws.sum(axis=1, keepdims=True)


def random_slices(points: ndarray, weights: ndarray, states: int, rng: Generator) -> ndarray:
    """Labels of K equally heavy slices across a random direction."""
    order = np.argsort(points @ rng.normal(size=points.shape[1]), kind="stable")
    middle = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    labels = np.empty(len(points), int)
    labels[order] = np.clip(states * middle, 0, states - 1).astype(int)
    return labels


def _drawn(points: ndarray, weights: ndarray, states: int, rng: Generator, kind: str) -> ndarray:
    if kind == "random":
        return random_responsibilities(len(points), states, rng)
    if kind == "directions":
        return np.eye(states)[random_slices(points, weights, states, rng)]
    rows = random_rows(weights, states, rng)
    if kind == "rows":
        return np.eye(states)[_nearest(points, points[rows])]
    return _alone(len(points), states, rows)


def _alone(count: int, states: int, rows: ndarray) -> ndarray:
    shares = np.zeros((count, states))
    # A row that was chosen twice belongs to the first state that chose it.
    chosen, state = np.unique(rows, return_index=True)
    shares[chosen, state] = 1.0
    return shares


def _comparable(weights: ndarray) -> ndarray:
    """Weights of about one at most, and none zero, so that nothing is divided by zero."""
    # By a power of two, since sums of integers are exact and should stay so.
    return np.maximum(np.ldexp(weights, -np.frexp(weights.max())[1]), 1e-100)


def _draw(mass: ndarray, draws: ndarray) -> ndarray:
    cumulative = np.cumsum(mass, axis=1)
    at = draws * cumulative[:, -1:]
    passed = np.count_nonzero(cumulative[:, None] <= at[..., None], axis=-1)
    return np.minimum(passed, mass.shape[1] - 1)


def _nearest(points: ndarray, centres: ndarray) -> ndarray:
    lengths = (centres**2).sum(axis=-1)[..., None, :]
    return np.argmin(lengths - 2 * (points @ np.swapaxes(centres, -1, -2)), axis=-1)


def _centroids(points: ndarray, weights: ndarray, labels: ndarray, centres: ndarray) -> ndarray:
    held = np.eye(centres.shape[-2])[labels] * weights[:, None]
    mass = held.sum(axis=-2)
    sums = np.swapaxes(held, -1, -2) @ points
    some = mass > 0
    centres = np.divide(sums, mass[..., None], out=centres.copy(), where=some[..., None])
    return centres if some.all() else _refill(points, labels, centres, ~some)


def _refill(points: ndarray, labels: ndarray, centres: ndarray, empty: ndarray) -> ndarray:
    """Move the first empty state to the farthest point, the second to the next, and so on."""
    own = np.take_along_axis(centres, labels[..., None], axis=-2)
    gaps = ((points - own) ** 2).sum(axis=-1)
    order = np.argsort(-gaps, axis=-1, kind="stable")
    rank = np.clip(np.cumsum(empty, axis=-1) - 1, 0, len(points) - 1)
    chosen = np.take_along_axis(order, rank, axis=-1)
    # Nothing is left to gain once every point is a centre: the state then stays empty.
    far = np.take_along_axis(gaps, chosen, axis=-1) > 0
    return np.where((empty & far)[..., None], points[chosen], centres)


def _ward(points: ndarray, states: int) -> ndarray:
    count = len(points)
    if count <= states:
        return np.arange(count)
    from scipy.cluster.hierarchy import linkage  # a fifth of a second, and few starts need it

    merges = linkage(points, "ward")[: count - states, :2].astype(int)
    # Every merge is the parent of two nodes; doubling the strides up the tree finds the roots.
    parent = np.arange(count + len(merges))
    parent[merges] = np.arange(count, count + len(merges))[:, None]
    while not np.array_equal(parent, parent[parent]):
        parent = parent[parent]
    return np.unique(parent[:count], return_inverse=True)[1]
