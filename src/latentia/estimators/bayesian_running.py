"""Running a Bayesian Gaussian mixture: priors, starts, and what becomes of the result."""

import sys
import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from latentia.learning.normal_wishart import KINDS as LAWS
from latentia.learning.normal_wishart import NormalWishart
from latentia.learning.partitions import (
    kmeans_plus_plus,
    lloyd,
    random_responsibilities,
    random_rows,
    standardise,
)
from latentia.learning.variational_mixture import (
    MixtureBound,
    MixturePrior,
    ascend,
    mean_weights,
    stick_counts,
)
from latentia.verdict import Verdict

from .covariance_kinds import KINDS
from .parameters import seed_of
from .summary import Report, report_lines
from .validation import column_names, require_rows

_STARTS = 4
# Starts whose bounds differ by less than this, in nats, have found the same.
_SAME = 1e-2


def fit(estimator: Any, values: np.ndarray, weight: np.ndarray) -> None:
    """Fit from all starts, and give the estimator its fitted attributes."""
    reason = f"n_components = {estimator.n_components}"
    require_rows(values, weight, max(2, estimator.n_components), reason)
    wide = values.astype(np.float64)
    # Far from zero, products of rows would lose what they differ by.
    centre = weight @ wide / weight.sum()
    rows = wide - centre
    prior = prior_of(estimator, wide, weight, centre)
    found = []
    seed = seed_of(estimator.random_state)
    for start in _starts(estimator, rows, weight, seed):
        args = prior, rows, weight, start, int(estimator.max_iter), float(estimator.tol)
        found.append(ascend(*args))
        if estimator.verbose:
            sys.stdout.write(f"start {len(found)}: lower bound {found[-1][0].value:.8g}\n")
    best = max(found, key=lambda one: one[0].value)
    reached = sum(one[0].value > best[0].value - _SAME for one in found)
    verdict = _verdict(best[2], reached, len(found))
    publish(estimator, prior, centre, values.dtype, best, verdict)
    if not estimator.converged_ and estimator.max_iter > 0:
        warnings.warn(
            f"The bound still gained more than tol = {estimator.tol:g} per row after "
            f"{estimator.max_iter} steps: raise max_iter.",
            ConvergenceWarning,
            stacklevel=3,
        )


def prior_of(
    estimator: Any, values: np.ndarray, weight: np.ndarray, centre: np.ndarray
) -> MixturePrior:
    """The prior that the parameters describe, about ``centre``; sets the ``..._prior_``."""
    dim = values.shape[1]
    kind = KINDS[estimator.covariance_type]
    gap = values - centre
    covariance = (gap * weight[:, None]).T @ gap / max(weight.sum() - 1, 1e-300)
    shape = kind.shape(1, dim)[1:] if kind.shape(1, dim)[:1] == (1,) else (dim, dim)
    if estimator.covariance_type == "diag":
        default = np.diagonal(covariance)
    else:
        spherical = estimator.covariance_type == "spherical"
        default = np.mean(np.diagonal(covariance)) if spherical else covariance
    given = estimator.covariance_prior
    scale = np.array(default if given is None else given, float)
    _require(scale.shape == shape, "covariance_prior", f"of shape {shape}", given)
    ridge = float(estimator.reg_covar)
    scale = scale + (ridge * np.eye(dim) if scale.ndim == 2 else ridge)
    mean = np.array(centre if estimator.mean_prior is None else estimator.mean_prior, float)
    _require(mean.shape == (dim,), "mean_prior", f"of shape {(dim,)}", estimator.mean_prior)
    degrees = _above(estimator.degrees_of_freedom_prior, dim, dim - 1, "degrees_of_freedom_prior")
    precision = _above(estimator.mean_precision_prior, 1.0, 0.0, "mean_precision_prior")
    concentration = _above(
        estimator.weight_concentration_prior, 1 / estimator.n_components, 0.0,
        "weight_concentration_prior",
    )  # fmt: skip
    least = np.linalg.eigvalsh(scale).min() if scale.ndim == 2 else scale.min()
    if not least > 0:
        raise ValueError(
            "covariance_prior should be positive definite, but the data leave a direction without "
            "variance: give a covariance_prior, or set reg_covar above 0."
        )
    estimator.mean_prior_, estimator.covariance_prior_ = mean, scale
    estimator.degrees_of_freedom_prior_ = degrees
    estimator.mean_precision_prior_ = precision
    estimator.weight_concentration_prior_ = concentration
    return priors_about(estimator, centre)


def priors_about(estimator: Any, centre: np.ndarray) -> MixturePrior:
    """The prior that the ``..._prior_`` attributes describe, for rows less ``centre``."""
    law = NormalWishart(
        np.asarray(estimator.mean_precision_prior_),
        np.asarray(estimator.mean_prior_) - centre,
        np.asarray(estimator.degrees_of_freedom_prior_),
        np.asarray(estimator.covariance_prior_),
    )
    process = estimator.weight_concentration_prior_type == "dirichlet_process"
    concentration = float(estimator.weight_concentration_prior_)
    return MixturePrior(LAWS[estimator.covariance_type], law, concentration, process)


def _above(value: Any, default: float, least: float, name: str) -> float:
    number = float(default if value is None else value)
    _require(number > least, name, f"above {least:g}", value)
    return number


def _require(fits: bool, name: str, expected: str, value: Any) -> None:
    if not fits:
        raise ValueError(
            f"{name} of BayesianGaussianMixture should be {expected}, but is {value!r}."
        )


def _starts(estimator: Any, rows: np.ndarray, weight: np.ndarray, seed: int) -> list[np.ndarray]:
    """First responsibilities ``[N, K]`` of each start."""
    if estimator.warm_start and hasattr(estimator, "state_"):
        previous = estimator.predict_proba(rows + estimator.centre_)
        if previous.shape[1] == estimator.n_components:
            return [previous]
    count = _STARTS if estimator.n_init == "auto" else int(estimator.n_init)
    if estimator.n_components == 1:
        count = 1
    points = standardise(rows, weight)
    return [_start(estimator, points, weight, seed + 1000 * place) for place in range(count)]


def _start(estimator: Any, points: np.ndarray, weight: np.ndarray, seed: int) -> np.ndarray:
    states, kind = int(estimator.n_components), estimator.init_params
    rng = np.random.default_rng(seed)
    if kind == "random":
        return random_responsibilities(len(points), states, rng)
    # Rows of weight zero are no centres, but belong to one as all others do.
    heavy = np.flatnonzero(weight > 0)
    if kind == "random_from_data":
        chosen = random_rows(weight[heavy], states, rng)
    else:
        chosen = kmeans_plus_plus(points[heavy], weight[heavy], states, [rng])[0]
    steps = 0 if kind in ("k-means++", "random_from_data") else 20
    return np.eye(states)[lloyd(points, weight, points[heavy[chosen]], steps)]


def publish(
    estimator: Any,
    prior: MixturePrior,
    centre: np.ndarray,
    dtype: Any,
    found: tuple[MixtureBound, Any, bool],
    verdict: tuple[str, str],
) -> None:
    """Give the estimator the attributes that follow from a state, its bounds and its verdict."""
    state, bounds, converged = found
    law, kind = state.law, KINDS[estimator.covariance_type]
    estimator.prior_, estimator.state_, estimator.centre_ = prior, state, centre
    estimator.dtype_ = np.dtype(dtype)
    counts = state.counts
    if prior.process:
        estimator.weight_concentration_ = stick_counts(prior.concentration, counts)
    else:
        estimator.weight_concentration_ = prior.concentration + counts
    estimator.mean_precision_ = law.mean_precision
    estimator.degrees_of_freedom_ = law.degrees
    estimator.weights_ = mean_weights(prior, counts).astype(dtype)
    estimator.means_ = (law.mean + centre).astype(dtype)
    degrees = np.reshape(law.degrees, np.shape(law.degrees) + (1,) * (law.scale.ndim - 1))
    covariances = law.scale / (law.degrees if estimator.covariance_type == "tied" else degrees)
    factors = kind.precisions_cholesky(covariances)
    estimator.covariances_ = covariances.astype(dtype)
    estimator.precisions_cholesky_ = factors.astype(dtype)
    estimator.precisions_ = kind.precisions(factors).astype(dtype)
    estimator.converged_, estimator.n_iter_ = converged, len(bounds) - 1
    estimator.lower_bound_, estimator.lower_bounds_ = state.value, bounds
    estimator.verdict_ = Verdict(*verdict)


def _verdict(converged: bool, reached: int, starts: int) -> Verdict:
    if not converged:
        return Verdict("fail", "the bound was still rising when the steps were used up")
    if starts > 1 and reached < 2:
        return Verdict("suspect", f"only 1 of {starts} starts reached the best bound; raise n_init")
    return Verdict("pass", f"the bound is at a maximum that {reached} of {starts} starts reached")


def draw(estimator: Any, n_samples: int, random_state: Any) -> tuple[np.ndarray, np.ndarray]:
    """Rows ``[n_samples, D]`` and the component of each, at the expected parameters."""
    if not isinstance(n_samples, int | np.integer) or n_samples < 1:
        raise ValueError(f"n_samples should be a whole number of at least 1, but is {n_samples!r}.")
    seed = seed_of(estimator.random_state if random_state is None else random_state, None)
    rng = np.random.default_rng(seed)
    weights, means = estimator.weights_.astype(float), estimator.means_
    chosen = rng.choice(len(weights), n_samples, p=weights / weights.sum())
    kind = KINDS[estimator.covariance_type]
    roots = np.linalg.cholesky(kind.expand(estimator.covariances_, *means.shape))
    noise = rng.normal(size=(n_samples, means.shape[1]))
    rows = means[chosen] + np.einsum("nij,nj->ni", roots[chosen], noise)
    return rows.astype(estimator.dtype_, copy=False), chosen


def summary(estimator: Any) -> str:
    """The components in use, as plain text."""
    used = np.flatnonzero(estimator.state_.counts > 0.5)
    weights, means = estimator.weights_, estimator.means_
    rows = [(int(k), float(weights[k]), *map(float, means[k])) for k in used]
    title = f"{len(used)} of {len(weights)} components, {estimator.covariance_type} covariances"
    head = [
        f"{type(estimator).__name__}: {title}",
        f"  evidence lower bound {estimator.lower_bound_:.6g}",
        f"  {estimator.verdict_}",
        "",
    ]
    heading = ["component", "weight", *column_names(estimator)]
    return "\n".join([*head, *report_lines(Report(title, heading, rows))])
