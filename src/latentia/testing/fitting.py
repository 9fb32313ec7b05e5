"""Laws of a whole fit: it ends at a maximum, wherever the data lie and however it got there."""

from typing import Any

import jax
import numpy as np

from latentia import verbs
from latentia.constraints import bind_vector, free_vector
from latentia.inference import choose
from latentia.latents import AbstractLabelledPrior
from latentia.learning import EM, Fit
from latentia.model import LatentVariableModel
from latentia.verdict import Exactness

from .covariates import apart, described
from .iteration import ROWS, elsewhere, rows_of, tangents
from .support import cast, close, dtype_of, finite, law, rounding

TIGHT = EM(start="given", tol=1e-13, max_iter=5000)
TIGHT_NARROW = EM(start="given", tol=1e-6, max_iter=5000)


def _learner(model: Any, **options: Any) -> EM:
    base = TIGHT if dtype_of(model) == np.float64 else TIGHT_NARROW
    return EM(start=base.start, tol=base.tol, max_iter=base.max_iter, **options)


def _data(model: Any, seed: int) -> dict[str, Any]:
    """Data with gaps, weights, and a few labels if the model has states."""
    rng = np.random.default_rng(seed)
    x = rows_of(model, seed, missing=True)
    weights = rng.integers(1, 3, ROWS).astype(float)
    if not isinstance(model.prior, AbstractLabelledPrior):
        return {"data": x, "weights": weights, "labels": None}
    # The state is the first part of z, whatever follows it.
    own, given = apart(model, x)
    truth = jax.tree.leaves(verbs.map_estimate(model, own, given=given))[0]
    return {
        "data": x,
        "weights": weights,
        "labels": np.where(rng.random(truth.shape) < 0.2, truth, -1),
    }


def _fit(model: Any, seed: int, learner: EM | None = None, **changes: Any) -> Fit:
    data = {**_data(model, seed), **changes}
    x, given = apart(model, data.pop("data"))
    start = elsewhere(model, seed, 0.1)
    learner = _learner(model) if learner is None else learner
    return verbs.fit(start, x, given=given, learner=learner, **data)


@jax.jit
def _slopes(model: Any, x: Any, weight: Any, label: Any) -> Any:
    """The gradient of each row's log evidence in the free coordinates, ``[N, P]``."""

    def one(vector: Any, row: Any, code: Any) -> Any:
        other: Any = bind_vector(vector, model)
        potential = other.likelihood.potential(row)
        if isinstance(other.prior, AbstractLabelledPrior):
            potential = other.prior.label(potential, code)
        return choose(model).condition(other.prior, potential).log_evidence

    # Coordinate ascent stops when it will, so its steps are not kept to go back through.
    bounded = choose(model).exactness is Exactness.LOWER_BOUND
    slope = jax.jacfwd(one) if bounded else jax.grad(one)
    each = jax.vmap(slope, (None, 0, 0))(free_vector(model), x, label)
    return weight[:, None] * each


@law
def fits_end_at_a_maximum(model: Any, seed: int = 0) -> None:
    """The trace rises to a point without slope, and the reported number is the number."""
    data = _data(model, seed)
    fit = _fit(model, seed)
    narrow = dtype_of(model) == np.float32
    assert fit.converged, f"fit: expected to converge, but: {fit.status}"
    fall = -np.diff(fit.trace) / np.maximum(np.abs(fit.trace[:-1]), 1)
    assert fall.max(initial=0) <= (1e-6 if narrow else 1e-9), (
        f"fit: the objective fell by {fall.max()}."
    )
    x, weight = data["data"], data["weights"]
    own, given = apart(model, x)
    score = verbs.score(fit.model, own, labels=data["labels"], given=given)
    close(
        fit.log_likelihood, weight @ np.asarray(score, float), rounding(model), "Fit.log_likelihood"
    )
    seen = weight @ (~np.isnan(own).all(axis=-1)).reshape(ROWS, -1).sum(axis=1)
    close(fit.weight, seen, 1e-6, "Fit.weight, against the weight of the rows with an entry")
    label = np.full(x.shape[:-1], -1) if data["labels"] is None else data["labels"]
    slopes = np.asarray(_slopes(fit.model, x, weight.astype(x.dtype), label), float)
    slopes = slopes @ tangents(fit.model).T
    sizes = np.maximum(np.abs(slopes).sum(axis=0), 1e-3 * fit.weight)
    worst = np.max(np.abs(slopes.sum(axis=0)) / sizes)
    assert worst <= (3e-2 if narrow else 2e-5), (
        f"fit: the log-likelihood should have no slope at the end, but its relative "
        f"size is {worst:.3g}."
    )


@law
def acceleration_changes_the_way_only(model: Any, seed: int = 0) -> None:
    """Plain and accelerated EM reach the same optimum."""
    quick, plain = _fit(model, seed), _fit(model, seed, _learner(model, memory=0))
    if dtype_of(model) == np.float64:
        close(quick.objective, plain.objective, 1e-8, "the objective")
    else:
        # The last steps of plain EM drown in rounding, so that it may stop a little short; the
        # accelerated one, whose steps are long, may not.
        short = (quick.objective - plain.objective) / max(1.0, abs(plain.objective))
        assert -1e-5 <= short <= 1e-4, (
            f"the objective: {quick.objective} accelerated, and {plain.objective} plain."
        )
    # Where plain EM is quick there is little to gain, and near the limit rounding costs steps.
    assert quick.iterations <= 2 * plain.iterations + 50, (
        f"acceleration: {quick.iterations} passes where plain EM needs {plain.iterations}."
    )


@law
def units_do_not_matter(model: Any, seed: int = 0) -> None:
    """Columns in other units, and shifted, change the log-likelihood by the Jacobian alone."""
    dtype = dtype_of(model)
    size, shift = (1e6, 1e8) if dtype == np.float64 else (1e3, 0.0)
    ones = np.ones(model.likelihood.dim, dtype)
    centre, scale = (np.asarray(u) for u in model.likelihood.units(shift * ones, size * ones))
    here = _fit(model, seed)
    data = _data(model, seed)
    start = elsewhere(model, seed, 0.1)
    x, given = apart(model, (centre + scale * data["data"]).astype(dtype))
    there = verbs.fit(
        LatentVariableModel(start.prior, jax.device_get(start.likelihood.affine(centre, scale))),
        x,
        given=given,
        weights=data["weights"],
        labels=data["labels"],
        learner=_learner(model),
    )
    each = (~np.isnan(data["data"]) @ np.log(scale)).reshape(ROWS, -1)
    jacobian = data["weights"] @ each.sum(axis=1)
    close(
        (there.log_likelihood + jacobian) / here.weight,
        here.log_likelihood / here.weight,
        rounding(model, 1e-4, 1e-8),
        "the log-likelihood per row in other units",
    )


@law
def empty_rows_change_nothing(model: Any, seed: int = 0) -> None:
    """Rows without any observed entry, and rows of weight 0, leave the fit as it is."""
    data = _data(model, seed)
    keep = np.arange(ROWS) < ROWS - 6
    short = {k: None if v is None else v[keep] for k, v in data.items()}
    x, weights = data["data"].copy(), data["weights"].copy()
    labels = None
    if data["labels"] is not None:
        labels = data["labels"].copy()
        labels[~keep] = -1
    described(model, x)[-6:-3] = np.nan
    weights[-3:] = 0
    one = _fit(model, seed, **short)
    two = _fit(model, seed, data=x, weights=weights, labels=labels)
    close(two.weight, one.weight, 1e-6, "Fit.weight with empty rows")
    close(two.log_likelihood, one.log_likelihood, rounding(model, 1e-4, 1e-9), "log-likelihood")
    if dtype_of(model) == np.float64:
        close(two.model, one.model, 1e-4, "the model fitted with empty rows")


@law
def a_prior_is_part_of_the_objective(model: Any, seed: int = 0) -> None:
    """Imaginary data change the fit, and the trace of the penalised objective rises."""
    plain = _fit(model, seed)
    fit = _fit(model, seed, _learner(model, pseudo_count=2.0))
    finite(fit.trace, "the trace")
    fall = -np.diff(fit.trace) / np.maximum(np.abs(fit.trace[:-1]), 1)
    assert fall.max(initial=0) <= (1e-6 if dtype_of(model) == np.float32 else 1e-9)
    assert fit.log_likelihood < plain.log_likelihood + rounding(model) * abs(plain.log_likelihood)
    assert abs(fit.objective - plain.objective) > 1e-4, "pseudo_count should have an effect."


@law
def precisions_fit_alike(model: Any, seed: int = 0) -> None:
    """A fit in float32 reaches the log-likelihood of that in float64."""
    data = _data(model, seed)
    fits = []
    for dtype in (np.float32, np.float64):
        start = cast(elsewhere(model, seed, 0.1), dtype)
        x, given = apart(model, data["data"].astype(dtype))
        fits.append(verbs.fit(start, x, given=given, weights=data["weights"],
                              labels=data["labels"], learner=_learner(start)))  # fmt: skip
        finite(fits[-1].model, f"the model fitted in {np.dtype(dtype)}")
    close(fits[0].objective, fits[1].objective, 1e-4, "the objective in float32")
