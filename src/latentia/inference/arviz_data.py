"""Posteriors in ArviZ's form, for its plots and its cross-validation."""

from importlib.util import find_spec
from typing import Any

import numpy as np

from .pointwise import log_likelihoods

_CHAINS = 4


def inference_data(posterior: Any, n: int, key: Any, pointwise: Any) -> Any:
    """ArviZ's InferenceData with n draws of a ``WeightedPosterior``; see its ``to_arviz``."""
    if find_spec("arviz") is None:
        raise ImportError(
            "to_arviz needs ArviZ, which is not installed: pip install 'latentia[arviz]'."
        )
    import arviz  # pyright: ignore[reportMissingImports]

    draws = posterior.sample(key, _CHAINS * (n // _CHAINS))
    named = draws if posterior.order else {"z": draws}
    groups: dict[str, Any] = {
        "posterior": {name: _in_chains(values) for name, values in named.items()}
    }
    if pointwise is not None:
        rows = log_likelihoods(posterior.surface, draws, pointwise)
        groups["log_likelihood"] = {"x": _in_chains(rows)}
    return arviz.from_dict(**groups)


def leave_one_out(data: Any) -> Any:
    """ArviZ's PSIS-LOO, with a k-hat for each datum."""
    import arviz  # pyright: ignore[reportMissingImports]

    return arviz.loo(data, pointwise=True)


def _in_chains(values: Any) -> np.ndarray:
    """Draws ``[S, ...]`` as chains ``[4, S / 4, ...]``."""
    return np.reshape(values, (_CHAINS, -1, *np.shape(values)[1:]))
