"""Label switching: components whose order says nothing, and draws put in one order.

Any order of exchangeable components is as probable as any other, so that means over draws are the
same for all of them. Here every draw is put in the order nearest to a reference, which is the mean
of the draws so ordered: relabelling by assignment (Stephens 2000; Papastamoulis 2016).
"""

from dataclasses import replace
from itertools import product
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import linear_sum_assignment

from latentia.verdict import Verdict

from .importance import Weighted, judge
from .modes import find_modes, starting_points
from .target import Target
from .weighted_posterior import WeightedPosterior

_PROBES, _ROUNDS, _MOST = 6, 20, 1024
# Two modes are one if no entry differs by more than this, in units of how its part varies.
_ALIKE = 1e-3

# Of each part of z that moves, the axes that the components lie along.
Axes = dict[str, tuple[int, ...]]


def exchangeable(posterior: WeightedPosterior) -> tuple[Axes, ...]:
    """Which parts of z hold components whose order does not change the density.

    Returns:
        For each set of components the parts that describe them, with the axes that they lie along:
        ``{"means": (0,), "transitions": (0, 1)}`` for means ``[K, D]`` and transitions ``[K, K]``.

    Raises:
        TypeError: if the posterior is of another kind.
    """
    if not isinstance(posterior, WeightedPosterior):
        raise TypeError(
            "posterior should be one that a ladder found, as from latentia.infer with a model of "
            f"Continuous numbers, but is a {type(posterior).__name__}."
        )
    draws, order = posterior.draws, posterior.order
    if not order:
        return ()
    groups: list[Axes] = []
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(posterior.weights), _PROBES, p=np.asarray(posterior.weights))
    probes = {name: draws[name][chosen] for name in order}
    for count in sorted({side for each in probes.values() for side in each.shape[1:]} - {0, 1}):
        choices = [_choices(each.shape[1:], count) for each in probes.values()]
        if np.prod([len(each) for each in choices], dtype=float) > _MOST:
            continue
        tried = [
            {name: axes for name, axes in zip(order, some, strict=True) if axes}
            for some in product(*choices)
        ]
        # The fewest parts that have to move together.
        for axes in sorted(tried, key=lambda each: sum(map(len, each.values()))):
            new = axes and not any(axes.keys() & group.keys() for group in groups)
            if new and _unchanged(posterior, probes, axes, count):
                groups.append(axes)
    return tuple(groups)


def _choices(shape: tuple[int, ...], count: int) -> list[tuple[int, ...]]:
    """No axis, one of this length, or a pair of them."""
    sides = [axis for axis, side in enumerate(shape) if side == count]
    pairs = [(a, b) for a in sides for b in sides if a < b]
    return [(), *((axis,) for axis in sides), *pairs]


def _unchanged(posterior: Any, probes: Any, axes: Axes, count: int) -> bool:
    """Whether two permutations that generate all others leave the density as it is."""
    swap, turn = np.arange(count), np.roll(np.arange(count), 1)
    swap[:2] = 1, 0
    before = _log_joint(posterior, probes)
    for order in (swap, turn):
        moved = {name: _reordered(leaf, order, axes.get(name, ())) for name, leaf in probes.items()}
        for name, _, support, _ in posterior.surface.target.prior.parts:
            if name in axes and not all(support.contains(each) for each in moved[name]):
                return False
        after = _log_joint(posterior, moved)
        if not np.allclose(after, before, rtol=1e-9, atol=1e-8):
            return False
    return True


def _log_joint(posterior: Any, z: Any) -> np.ndarray:
    with jax.enable_x64(True):
        return np.asarray(_compiled(posterior.surface.target, z))


@eqx.filter_jit
def _compiled(target: Target, z: Any) -> jax.Array:
    return jax.vmap(lambda one: target.prior.log_prob(one) + target.potential(one))(
        jax.tree.map(jnp.asarray, z)
    )


def _reordered(draws: np.ndarray, order: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Draws ``[S, ...]`` with components in another order along some axes after the first."""
    for axis in axes:
        draws = np.take(draws, order, axis=axis + 1)
    return draws


def align_labels(
    posterior: WeightedPosterior, reference: WeightedPosterior | None = None
) -> WeightedPosterior:
    """The posterior with exchangeable components in one order in all draws.

    Where all that separate starts disagreed about is the order of components, the verdict is that
    of the weights alone.

    Args:
        posterior: of named parts; what is exchangeable in it is found by trying.
        reference: another posterior with the same parts, whose order is taken over.

    Raises:
        ValueError: if no components are exchangeable, or the reference has other parts.
    """
    groups = exchangeable(posterior)
    if not groups:
        raise ValueError(
            "posterior should have exchangeable components, but the density of no named part stays "
            "the same when its entries change places: its summaries need no alignment."
        )
    values, pivots = posterior.draws, []
    scales = {name: max(float(np.std(leaf)), 1e-300) for name, leaf in values.items()}
    for axes in groups:
        values, pivot = _aligned(values, posterior.weights, axes, scales, reference)
        pivots.append(pivot)
    with jax.enable_x64(True):
        points = np.asarray(jax.vmap(posterior.surface.target.prior.free)(values))
    verdict = _verdict(posterior, list(zip(groups, pivots, strict=True)), scales)
    return replace(posterior, values=values, points=points, verdict=verdict)


def _aligned(
    draws: Any, weights: Any, axes: Axes, scales: Any, reference: WeightedPosterior | None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The draws with one set of components in order, and the pivot that decides it."""
    if reference is not None:
        pivot = _pivot(reference, axes, draws)
        return _all_reordered(draws, _orders(draws, pivot, axes, scales), axes), pivot
    best = int(np.argmax(weights))
    pivot = {name: draws[name][best] for name in axes}
    orders = _orders(draws, pivot, axes, scales)
    for _ in range(_ROUNDS):
        moved = _all_reordered(draws, orders, axes)
        pivot = {name: np.tensordot(weights, moved[name], axes=1) for name in axes}
        again = _orders(draws, pivot, axes, scales)
        if np.array_equal(again, orders):
            break
        orders = again
    return _all_reordered(draws, orders, axes), pivot


def _pivot(reference: WeightedPosterior, axes: Axes, draws: Any) -> dict[str, np.ndarray]:
    means = reference.mean
    for name in axes:
        shape = draws[name].shape[1:]
        if not reference.order or np.shape(means.get(name)) != shape:
            raise ValueError(
                f"reference should have the parts of posterior, but lacks {name!r} of shape "
                f"{shape}: take a posterior of the same model."
            )
    return {name: means[name] for name in axes}


def _features(draws: dict[str, np.ndarray], axes: Axes, scales: Any) -> np.ndarray:
    """What tells components apart, ``[S, K, F]``; of matrices of components the diagonal."""
    features = []
    for name, (first, *rest) in axes.items():
        each = draws[name] / scales[name]
        if rest:
            along = np.diagonal(each, axis1=first + 1, axis2=rest[0] + 1)
            each = np.moveaxis(along, -1, 1)
        else:
            each = np.moveaxis(each, first + 1, 1)
        features.append(each.reshape(*each.shape[:2], -1))
    return np.concatenate(features, axis=2)


def _orders(draws: Any, pivot: Any, axes: Axes, scales: Any) -> np.ndarray:
    """The order of each draw's components that is nearest to the pivot: ``[S, K]``."""
    here = _features(draws, axes, scales)
    there = _features({name: pivot[name][None] for name in axes}, axes, scales)[0]
    costs = np.sum((here[:, None] - there[None, :, None]) ** 2, axis=3)
    return np.stack([linear_sum_assignment(cost)[1] for cost in costs])


def _all_reordered(draws: Any, orders: np.ndarray, axes: Axes) -> dict[str, np.ndarray]:
    """All parts, those with components in the order of each draw."""
    out = {}
    for name, leaf in draws.items():
        for axis in axes.get(name, ()):
            shape = [len(leaf)] + [1] * (leaf.ndim - 1)
            shape[axis + 1] = orders.shape[1]
            leaf = np.take_along_axis(leaf, orders.reshape(shape), axis=axis + 1)
        out[name] = leaf
    return out


def _verdict(posterior: WeightedPosterior, sets: list[tuple[Axes, Any]], scales: Any) -> Verdict:
    """That of the weights, if the modes are one but for the order of components."""
    surface = posterior.surface
    if posterior.verdict.level != "suspect" or not surface.curved:
        return posterior.verdict
    weighted = Weighted(
        np.asarray(posterior.points), posterior.values, np.asarray(posterior.weights),
        posterior.k_hat, posterior.effective_size, float(posterior.log_evidence),
        posterior.evidence_error, 0.0,
    )  # fmt: skip
    verdict = judge(weighted)
    with jax.enable_x64(True):
        modes = find_modes(surface, starting_points(surface, 0)).modes
        if len(modes) < 2 or verdict.level != "pass":
            return posterior.verdict
        places = np.stack([mode.point for mode in modes])
        found = jax.vmap(lambda free: surface.target.prior.bind(free)[0])(places)
    moved = jax.tree.map(np.asarray, found)
    for axes, pivot in sets:
        moved = _all_reordered(moved, _orders(moved, pivot, axes, scales), axes)
    same = all(np.ptp(moved[name], axis=0).max() <= _ALIKE * scales[name] for name in moved)
    if not same:
        return posterior.verdict
    named = ", ".join(name for axes, _ in sets for name in axes)
    return verdict._replace(
        reason=f"separate starts agree but for the order of {named}; {verdict.reason}"
    )


def match_components(assignments: Any, reference: Any) -> np.ndarray:
    """The order in which the components of one fit are those of another.

    Args:
        assignments: probabilities of components for the same rows, ``[N, K]``, such as from
            ``predict_proba``.
        reference: those of the other fit, ``[N, K]``.

    Returns:
        ``order [K]``: ``assignments[:, order]`` agrees best with the reference, and component
        ``order[k]`` of the one fit is component k of the other.

    Raises:
        ValueError: if the shapes differ or entries are not finite.
        TypeError: if they are no numbers.
    """
    try:
        ours, theirs = np.asarray(assignments, float), np.asarray(reference, float)
    except (TypeError, ValueError) as error:
        raise TypeError(
            "assignments and reference should be tables of numbers, as from predict_proba, but "
            f"are a {type(assignments).__name__} and a {type(reference).__name__}."
        ) from error
    if ours.ndim != 2 or ours.shape != theirs.shape:
        raise ValueError(
            "assignments and reference should be tables of the same shape, but have "
            f"{list(ours.shape)} and {list(theirs.shape)}: give both fits the same rows and as "
            "many components."
        )
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise ValueError(
            "assignments and reference should be finite, but hold NaN: drop such rows."
        )
    return linear_sum_assignment(-(theirs.T @ ours))[1]
