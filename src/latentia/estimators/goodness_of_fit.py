"""How well a latent class model fits the table of all patterns of answers."""

from typing import Any, NamedTuple

import numpy as np

from latentia.inference.batches import for_rows, log_evidence
from latentia.precision import precision_of


class GoodnessOfFit(NamedTuple):
    """``likelihood_ratio`` is G², ``pearson`` X², and ``dof`` the degrees of freedom of both."""

    likelihood_ratio: float
    pearson: float
    dof: int


def goodness_of_fit(
    model: Any, codes: np.ndarray, weight: np.ndarray, parameters: int, cells: int
) -> GoodnessOfFit:
    """Compare the counts of complete patterns with those that a model expects.

    Args:
        model: of codes.
        codes: ``[N, D]``.
        weight: ``[N]``.
        parameters: how many free parameters the model has.
        cells: how many patterns are possible.
    """
    complete = ~np.isnan(codes).any(axis=1) & (weight > 0)
    total = float(weight[complete].sum())
    dof = int(min(total, cells - 1)) - parameters
    if total == 0:
        return GoodnessOfFit(np.nan, np.nan, dof)
    kinds, which = np.unique(codes[complete], axis=0, return_inverse=True)
    observed = np.bincount(which.ravel(), weight[complete])
    with precision_of(kinds):
        expected = total * np.exp(for_rows(model, kinds, log_evidence))
    # What was never observed is expected to have what is left of the total.
    unseen = max(total - float(expected.sum()), 0.0)
    ratio = 2 * float(observed @ np.log(observed / expected))
    return GoodnessOfFit(ratio, float(((observed - expected) ** 2 / expected).sum()) + unseen, dof)
