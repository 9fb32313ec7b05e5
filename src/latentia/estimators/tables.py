"""Tables of the kind that an estimator was given, made of the codes that its model draws."""

from typing import Any

import narwhals as nw
import numpy as np

from latentia.data import Schema, decode


def library_of(X: Any) -> str | None:
    """The data frame library that a table comes from, or None if it is no data frame."""
    frame = nw.from_native(X, pass_through=True, eager_only=True)
    return frame.implementation.value if isinstance(frame, nw.DataFrame) else None


def from_codes(schema: Schema, codes: np.ndarray, library: str | None) -> Any:
    """The values behind the codes ``[N, D]``: a data frame, or an array ``[N, D]``."""
    columns = decode(schema, codes)
    if library is not None:
        return nw.from_dict(columns, backend=library).to_native()  # pyright: ignore[reportArgumentType]
    plain = all(column.dtype.kind in "iuf" for column in columns.values())
    return np.column_stack(
        [column if plain else column.astype(object) for column in columns.values()]
    )
