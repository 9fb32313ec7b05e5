"""Tables of the kind that an estimator was given, made of the codes that its model draws."""

from typing import Any

import narwhals as nw
import numpy as np

from latentia.data import Schema, decode, read_weights
from latentia.data.cells import open_table


def library_of(X: Any) -> str | None:
    """The data frame library that a table comes from, or None if it is no data frame."""
    frame = nw.from_native(X, pass_through=True, eager_only=True)
    return frame.implementation.value if isinstance(frame, nw.DataFrame) else None


def counted_rows(X: Any, sample_weight: Any) -> Any:
    """The table without the rows of weight 0, which are as good as removed."""
    if sample_weight is None:
        return X
    source = open_table(X, "X")
    weight = read_weights(sample_weight, source.shape[0], argument="sample_weight")
    kept = weight > 0  # pyright: ignore[reportOptionalOperand]
    if isinstance(source, nw.DataFrame):
        return source.filter(kept.tolist()).to_native()
    return source[kept]


def from_codes(schema: Schema, codes: np.ndarray, library: str | None) -> Any:
    """The values behind the codes ``[N, D]``: a data frame, or an array ``[N, D]``."""
    columns = decode(schema, codes)
    if library is not None:
        return nw.from_dict(columns, backend=library).to_native()  # pyright: ignore[reportArgumentType]
    plain = all(column.dtype.kind in "iuf" for column in columns.values())
    return np.column_stack(
        [column if plain else column.astype(object) for column in columns.values()]
    )
