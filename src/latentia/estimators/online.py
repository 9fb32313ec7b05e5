"""``partial_fit``: a fitted estimator that learns from one more batch of rows."""

from typing import Any

import numpy as np

from latentia.learning.online_em import OnlineEM, online_update, state_after

from .parameters import seed_of
from .running import learner_of
from .validation import read_sample_weight


def follow(estimator: Any, model: Any, values: np.ndarray, sample_weight: Any) -> None:
    """Move an estimator's model towards a batch, and set its attributes.

    Args:
        estimator: fitted or not; after ``fit`` it goes on from there.
        model: where it begins if it is not fitted.
        values: ``[B, D]``, as the core model takes them.
        sample_weight: ``[B]`` or None.
    """
    weight = read_sample_weight(sample_weight, values)
    state = getattr(estimator, "online_", None)
    fitted = hasattr(estimator, "model_")
    if fitted and state is None:
        before = 0.0 if estimator.fit_ is None else estimator.fit_.weight
        state = state_after(before, values.shape[1])
    estimator.model_, estimator.online_ = online_update(
        estimator.model_ if fitted else model,
        state,
        values.astype(np.float64, copy=False),
        weight,
        learner=OnlineEM(first=learner_of(estimator, given=False)),
        seed=seed_of(estimator.random_state),
    )
    if not fitted:
        estimator.dtype_ = values.dtype
    estimator.fit_ = None
    estimator.converged_ = False
    continued = fitted and state is not None
    bounds = list(estimator.lower_bounds_) if continued else []
    # The first batch has no score of its own: it is what the model was fitted to.
    score = float(estimator.online_.score)
    estimator.lower_bounds_ = [*bounds, score] if np.isfinite(score) else bounds
    estimator.lower_bound_ = estimator.lower_bounds_[-1] if estimator.lower_bounds_ else -np.inf
    estimator.n_iter_ = estimator.n_iter_ + 1 if continued else 1
    estimator._publish()
