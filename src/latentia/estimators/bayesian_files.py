"""A fitted Bayesian Gaussian mixture as a tree of plain values: no data, and no code."""

from typing import Any

import numpy as np

from latentia.learning.normal_wishart import Moments, NormalWishart
from latentia.learning.variational_mixture import MixtureBound

from .bayesian_gaussian_mixture import BayesianGaussianMixture
from .bayesian_running import priors_about, publish
from .parameters import check_parameters

_PRIORS = ("mean_prior_", "covariance_prior_", "degrees_of_freedom_prior_",
           "mean_precision_prior_", "weight_concentration_prior_")  # fmt: skip
_LAW = ("mean_precision", "mean", "degrees", "scale")


def tree_of(estimator: Any) -> dict[str, Any]:
    """What ``estimator_of`` needs beside the parameters."""
    state = estimator.state_
    names = getattr(estimator, "feature_names_in_", None)
    return {
        "priors": {name: getattr(estimator, name) for name in _PRIORS},
        "posterior": {name: np.asarray(getattr(state.law, name)) for name in _LAW},
        "counts": state.counts,
        "centre": estimator.centre_,
        "bounds": np.asarray(estimator.lower_bounds_),
        "converged": bool(estimator.converged_),
        "verdict": list(estimator.verdict_),
        "columns": int(estimator.n_features_in_),
        "names": names,
        "dtype": estimator.dtype_.name,
    }


def estimator_of(parameters: dict[str, Any], tree: dict[str, Any]) -> BayesianGaussianMixture:
    """The estimator again, without the responsibilities of the rows that it was fitted to.

    Raises:
        ValueError: if the parts do not fit each other.
    """
    estimator: Any = BayesianGaussianMixture(**parameters)
    check_parameters(estimator, estimator._rules)
    counts, centre = np.asarray(tree["counts"]), np.asarray(tree["centre"])
    states, dim = counts.size, int(tree["columns"])
    law = NormalWishart(*(np.asarray(tree["posterior"][name]) for name in _LAW))
    if law.mean.shape != (states, dim) or centre.shape != (dim,):
        raise ValueError("its components are not those of its columns")
    if tree["dtype"] not in ("float64", "float32"):
        raise ValueError("its dtype is unknown")
    for name in _PRIORS:
        setattr(estimator, name, tree["priors"][name])
    bounds = np.asarray(tree["bounds"])
    moments = Moments(counts, np.full((states, dim), np.nan), np.full((states, dim), np.nan))
    state = MixtureBound(np.empty((0, states)), moments, law, float(bounds[-1]))
    prior = priors_about(estimator, centre)
    level, reason = (str(part) for part in tree["verdict"])
    estimator.n_features_in_ = dim
    if tree["names"] is not None:
        estimator.feature_names_in_ = np.asarray(tree["names"], dtype=object)
    found = state, bounds, bool(tree["converged"])
    publish(estimator, prior, centre, tree["dtype"], found, (level, reason))
    return estimator
