"""Tables of counts, sparse or not, as estimators take them."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_array, validate_data

from latentia.data.table import read_table

from .validation import read_sample_weight


def read_counts(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Counts ``[N, V]`` as a CSR matrix of float64, or of float32 if they came in it.

    Args:
        estimator: learns the number and the names of the columns with ``reset``; without, ``X``
            must have the same.
        X: an array, a data frame, or a sparse matrix of any format.
        reset: see above.

    Raises:
        ValueError: if a count is missing, negative or infinite, or the columns are others.
    """
    if sp.issparse(X):
        kinds: Any = [np.float64, np.float32]
        form: Any = "csr"
        table: Any = check_array(X, accept_sparse=form, dtype=kinds, ensure_all_finite=False)
        values = table.data
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    else:
        table = read_table(X, argument="X").values
        values = table
        source: Any = X if hasattr(X, "columns") else table
        validate_data(estimator, source, reset=reset, skip_check_array=True)
    _check(values)
    return sp.csr_array(table)


def read_weight(sample_weight: Any, counts: Any) -> np.ndarray:
    """A weight for each document, ones by default."""
    return read_sample_weight(sample_weight, np.empty(counts.shape[0]))


def _check(values: np.ndarray) -> None:
    if np.isnan(values).any():
        raise ValueError(
            "X should hold counts, but has NaN: write 0 for a word that did not come, and leave "
            "out columns that were not counted."
        )
    if np.isinf(values).any():
        raise ValueError("X should hold finite counts, but has inf: correct or leave out the row.")
    if (values < 0).any():
        raise ValueError(
            "Negative values in data passed to X: counts are 0 or more, but the least is "
            f"{values.min():.6g}."
        )
