"""Standard errors of the parameters of items, from the observed information."""

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.data.blocks import into_blocks
from latentia.inference import choose
from latentia.likelihoods import GradedResponse
from latentia.likelihoods.responses.levels import has_level
from latentia.model import LatentVariableModel
from latentia.precision import precision_of


class Layout(NamedTuple):
    """The place in one vector of every slope ``[D, L]``, intercept and chance of guessing.

    -1 is what does not move. What is the same parameter has the same place.
    """

    slopes: np.ndarray
    bias: np.ndarray
    guessing: np.ndarray | None


def standard_errors(model: Any, codes: np.ndarray, weight: np.ndarray) -> dict[str, np.ndarray]:
    """Of slopes, intercepts and guessing; NaN for what was not estimated or is not identified.

    The log-likelihood of the data ``codes [N, D]``, integrated by quadrature, is differentiated
    twice, so nothing is approximated but the quadrature and the theory of large samples.
    """
    like = model.likelihood
    layout = _layout(like)
    unique, place = np.unique(codes, axis=0, return_inverse=True)
    data = into_blocks(unique, np.bincount(place.ravel(), weight, len(unique)))
    with precision_of(codes, like.loadings):
        bend = np.asarray(_bend(model, data, layout, count=1 + max(map(_last, layout))))
    errors = np.append(_root_of_inverse(-bend), np.nan)
    slopes, bias = errors[layout.slopes], errors[layout.bias]
    if bias.ndim == 2:
        bias = np.where(has_level(like.response.levels)[:, 1:], bias, np.nan)
        bias = bias[:, 0] if bias.shape[1] == 1 else bias
    return {
        "discrimination": slopes[:, 0] if slopes.shape[1] == 1 else slopes,
        "intercept": bias,
        "guessing": errors[np.full(like.dim, -1) if layout.guessing is None else layout.guessing],
    }


def _last(places: np.ndarray | None) -> int:
    return -1 if places is None else int(places.max())


def _layout(like: Any) -> Layout:
    shape = like.loadings.shape
    free = np.ones(shape, bool) if like.pattern is None else np.array(like.pattern)
    if like.slopes == "fixed":
        free = np.zeros(shape, bool)
    slopes = np.where(free, np.cumsum(free).reshape(shape) - 1, -1)
    if like.slopes == "common":
        slopes = np.broadcast_to(np.arange(shape[1]), shape).copy()
    start = int(slopes.max()) + 1
    bias = start + np.arange(like.response.bias.size).reshape(like.response.bias.shape)
    if bias.ndim == 2:
        own = has_level(like.response.levels)[:, 1:]
        last = np.take_along_axis(bias, own.sum(axis=1)[:, None] - 1, axis=1)
        # Beyond its levels a graded column repeats its last intercept; another has none.
        repeated = isinstance(like.response, GradedResponse)
        bias = np.where(own, bias, last if repeated else -1)
    guessing = getattr(like.response, "guessing", None)
    if guessing is not None:
        guessing = start + bias.size + np.arange(like.dim)
        # At the edge of its range a chance of guessing has no curvature to speak of.
        guessing = np.where(like.response.guessing > 1e-6, guessing, -1)
    return Layout(slopes, bias, guessing)


@partial(jax.jit, static_argnames="count")
def _bend(model: Any, data: Any, layout: Layout, *, count: int) -> Any:
    """The Hessian of the log-likelihood in the vector of the layout."""
    like = model.likelihood

    def put(places: Any, old: Any, change: Any) -> Any:
        return old + jnp.append(change, 0.0)[places]

    def total(change: Any) -> Any:
        moved = eqx.tree_at(
            lambda part: (part.loadings, part.response.bias), like,
            (put(layout.slopes, like.loadings, change),
             put(layout.bias, like.response.bias, change)),
        )  # fmt: skip
        if layout.guessing is not None:
            guessing = put(layout.guessing, like.response.guessing, change)
            moved = eqx.tree_at(lambda part: part.response.guessing, moved, guessing)
        other = LatentVariableModel(model.prior, moved)
        one = jax.vmap(lambda x: choose(model).expect(other.prior, moved.potential(x))[1])
        return jnp.sum(data.weight * jax.lax.map(one, data.x))

    return jax.hessian(total)(jnp.zeros(count, like.loadings.dtype))


def _root_of_inverse(information: np.ndarray) -> np.ndarray:
    """The roots of the diagonal of the inverse; NaN where nothing is known."""
    scale = np.sqrt(np.maximum(information.diagonal(), 0.0))
    known = scale > 1e-6 * scale.max(initial=0.0)
    out = np.full(len(scale), np.nan)
    unit = information[np.ix_(known, known)] / np.outer(scale[known], scale[known])
    values, axes = np.linalg.eigh(unit)
    if len(values) and values[0] > 1e-10:
        out[known] = np.sqrt((axes**2 / values).sum(axis=1)) / scale[known]
    return out
