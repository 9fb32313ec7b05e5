"""Where EM starts: a portfolio of assignments, and first models from them."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from latentia.distributions import Limits
from latentia.model import LatentVariableModel
from latentia.typing import Form

from .partitions import partitions, standardise

# Starts of different kinds miss different optima. The order matters: n_init takes the first ones.
PORTFOLIO = (
    "kmeans",
    "hierarchical",
    "rows",
    "noisy",
    "rows",
    "random",
    "rows",
    "directions",
    "rows",
    "noisy",
    "rows",
    "random",
    "kmeans",
    "rows",
    "noisy",
    "rows",
)


def start_kinds(states: int, n_init: int | None, start: str | tuple[str, ...]) -> tuple[str, ...]:
    """The kinds of the starts, one for each."""
    if start in ("auto", "given"):
        kinds = PORTFOLIO
    else:
        kinds = (start,) if isinstance(start, str) else start
    if n_init is None:
        # Without states there is nothing to assign; chance still tilts the first axes.
        n_init = len(kinds) if states > 1 else 4
    if start == "given":
        n_init = 1
    return tuple(kinds[i % len(kinds)] for i in range(n_init))


def first_models(
    model: Any,
    values: np.ndarray,
    views: Sequence[np.ndarray],
    mass: np.ndarray,
    labels: np.ndarray | None,
    limits: Limits,
    kinds: tuple[str, ...],
    seed: int,
) -> Any:
    """First models, stacked along a leading axis of S, one for each of ``kinds``.

    Args:
        model: its given parameters are kept; those that are NaN are filled in.
        values: ``[U, D]``, distinct rows in the units of the fit.
        views: their embedding, ``[U, E]``; if there are several, the starts take turns.
        mass: ``[U]``, their weights.
        labels: ``[U]``, known states or -1.
        limits: as for ``maximize``.
        kinds: of the starts.
        seed: start i depends on ``(seed, i)`` only.
    """
    states = model.likelihood.states
    if states == 1:
        assignments = np.ones((len(kinds), len(values), 1))
    else:
        looks = [partitions(standardise(view, mass), mass, states, seed, kinds) for view in views]
        assignments = np.stack([looks[i % len(looks)][i] for i in range(len(kinds))])
    if labels is not None:
        assignments = _respecting(labels, assignments)
    keys = np.stack(
        [
            np.random.default_rng([seed, i, 2]).integers(0, 2**32, 2, np.uint32)
            for i in range(len(kinds))
        ]
    )
    size = _round_up(len(values))
    form = Form.MISSING if np.isnan(values).any() else Form.COMPLETE
    return _begin(
        model,
        _pad(values, size, 0),
        _pad(assignments.astype(values.dtype), size, 1),
        _pad(mass.astype(values.dtype), size, 0),
        limits,
        keys,
        form=form,
    )


def _respecting(labels: np.ndarray, assignments: np.ndarray) -> np.ndarray:
    """Assignments whose states are renumbered to agree with the labels, and that keep those."""
    from scipy.optimize import linear_sum_assignment

    known = labels >= 0
    sure = np.eye(assignments.shape[2])[labels[known]]
    out = np.empty_like(assignments)
    for i, assignment in enumerate(assignments):
        _, columns = linear_sum_assignment(-(sure.T @ assignment[known]))
        out[i] = assignment[:, columns]
        out[i, known] = sure
    return out


@partial(jax.jit, static_argnames="form")
def _begin(
    model: Any, x: Any, assignments: Any, mass: Any, limits: Limits, keys: Any, *, form: Form
) -> Any:
    def one(assignment: Any, key: Any) -> Any:
        chance = jax.random.wrap_key_data(key)
        begun = LatentVariableModel(
            model.prior.begin(assignment, mass),
            model.likelihood.begin(x, assignment, mass, limits, chance, form),
        )
        return jax.tree.map(lambda old, new: jnp.where(jnp.isnan(old), new, old), model, begun)

    return jax.vmap(one)(assignments, keys)


def _round_up(count: int) -> int:
    step = 64 if count <= 512 else 512
    return -(-count // step) * step


def _pad(array: np.ndarray, size: int, axis: int) -> np.ndarray:
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, size - array.shape[axis])
    return np.pad(array, widths)
