"""The Gaussian components of a fitted mixture, with covariances of every kind written out."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted


class Components(NamedTuple):
    """K Gaussians: ``weights`` (K,), ``means`` (K, D) and ``covariances`` (K, D, D)."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


def read_components(estimator: Any) -> Components:
    """Read the components of a fitted Gaussian mixture.

    Args:
        estimator: a fitted estimator with ``weights_``, ``means_``, ``covariances_`` and
            ``covariance_type`` as in scikit-learn's ``GaussianMixture``.

    Returns:
        The components, with one (D, D) covariance matrix each.

    Raises:
        NotFittedError: if the estimator is not fitted.
        TypeError: if the estimator is not a Gaussian mixture.
    """
    check_is_fitted(estimator)
    weights = np.asarray(attribute(estimator, "weights_"), dtype=np.float64)
    means = np.asarray(attribute(estimator, "means_"), dtype=np.float64)
    covariances = np.asarray(attribute(estimator, "covariances_"), dtype=np.float64)
    kind = attribute(estimator, "covariance_type")
    shape = (*means.shape, means.shape[1])
    if kind == "spherical":
        covariances = covariances[:, None, None] * np.eye(means.shape[1])
    elif kind == "diag":
        covariances = covariances[:, :, None] * np.eye(means.shape[1])
    return Components(weights, means, np.broadcast_to(covariances, shape))


def attribute(estimator: Any, name: str) -> Any:
    """The attribute ``name`` of a fitted estimator, or an error that says which one is missing."""
    try:
        return getattr(estimator, name)
    except AttributeError:
        raise TypeError(
            f"estimator should have the attribute {name}, but a {type(estimator).__name__} has "
            "none: pass a fitted estimator of the kind that this picture shows."
        ) from None
