"""Fitting a model with an encoder: what the arguments of ``fit`` mean for it."""

from typing import Any

from latentia.data.table import read_weights

from .em import EM
from .row_streams import gives_any_rows, opened
from .stochastic_gradient import StochasticGradient, Watch


def fit_deep(
    model: Any,
    data: Any,
    learner: Any,
    weights: Any,
    others: dict[str, Any],
    seed: int,
    watch: Watch | None = None,
    given: Any = None,
) -> Any:
    """Learn a model with an encoder by stochastic gradient; see ``latentia.fit``.

    Returns:
        A ``BoundFit``.

    Raises:
        ValueError: if an argument is given that such a model has no use for.
        TypeError: if the learner is for other models.
    """
    for name, value in others.items():
        if value is not None:
            raise ValueError(f"{name} should be None for a model with an encoder.")
    # EM with its own defaults is what `fit` passes if no learner was asked for.
    if isinstance(learner, EM) and learner == EM():
        learner = StochasticGradient()
    if not isinstance(learner, StochasticGradient):
        raise TypeError(
            "learner should be a StochasticGradient for a model with an encoder, but is a "
            f"{type(learner).__name__}: write StochasticGradient(), or leave it out."
        )
    data, weights = opened(data, weights)
    if gives_any_rows(data):
        for name, value in (("weights", weights), ("given", given)):
            if value is not None:
                raise ValueError(f"{name} should be None for data that are streamed.")
        return learner.fit(model, data, None, seed, watch)
    weight = None if weights is None else read_weights(weights, len(data))
    return learner.fit(model, data, weight, seed, watch, given)
