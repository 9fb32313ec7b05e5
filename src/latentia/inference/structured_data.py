"""Data of models whose encoder serves a latent structure: rows, or sequences filled up."""

from typing import Any

import numpy as np

from latentia.data.pictures import read_pictures, require_support
from latentia.data.sequences import read_sequences
from latentia.likelihoods import Coded, Neural, PerStep


def read_structured(model: Any, x: Any, argument: str, complete: bool) -> tuple[np.ndarray, bool]:
    """Data as the model takes them, and whether it was one datum; of sequences ``[N, T, D]``.

    Shorter sequences are filled up with steps in which all is missing: they say nothing, and do not
    change what is known of the steps before.
    """
    likelihood = model.likelihood
    if not isinstance(likelihood, PerStep):
        values, single = read_pictures(x, likelihood.shape, argument)
        if isinstance(likelihood, Coded):
            decoder = likelihood.decoder
            require_support(values, decoder.family, np.asarray(decoder.unit), argument)
        _require_complete(values, argument, complete)
        return values, single
    values = filled_up(x, likelihood.dim, argument)
    emission = likelihood.emission
    if isinstance(emission, Neural):
        steps = values.reshape(-1, *emission.shape)
        require_support(steps, emission.family, np.asarray(emission.unit), argument)
    some = values[~np.isnan(values).all(axis=-1)]
    _require_complete(some, argument, complete)
    return values, not isinstance(x, list | tuple) and np.ndim(x) == 2


def filled_up(x: Any, columns: int, argument: str) -> np.ndarray:
    """Sequences of any make as one array ``[N, T, D]``, NaN behind the end of the shorter ones."""
    data = read_sequences(x, argument=argument)
    if data.values.shape[1] != columns:
        raise ValueError(
            f"{argument} should have {columns} columns, as the model has, but has "
            f"{data.values.shape[1]}: choose the same columns that the model describes."
        )
    values = np.full((len(data.lengths), data.lengths.max(), columns), np.nan, data.values.dtype)
    for row, start, length in zip(values, data.starts, data.lengths, strict=True):
        row[:length] = data.values[start : start + length]
    return values


def lengths_of(x: Any) -> list[int] | None:
    """The steps of each sequence of a list; None for anything else, where all have as many."""
    return [len(one) for one in x] if isinstance(x, list | tuple) else None


def _require_complete(values: np.ndarray, argument: str, complete: bool) -> None:
    if complete and np.isnan(values).any():
        raise ValueError(
            f"{argument} should have no missing entries (NaN), but for whole steps of a sequence, "
            "since the encoder cannot see which are missing: make the model with "
            "Amortized(encoder, masked=True)."
        )
