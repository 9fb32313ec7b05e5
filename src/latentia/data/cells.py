"""The columns of a table of any make as NumPy arrays, before any coding."""

import decimal
import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Any, Literal, NamedTuple, SupportsFloat

import narwhals as nw
import numpy as np

# What has a float of its own all the same, though it is no number of ours.
_NO_NUMBERS = (str, bytes, complex, np.complexfloating, np.datetime64, np.timedelta64, np.ndarray)


class Cells(NamedTuple):
    """One column as it came: a cell that is not ``present`` holds anything.

    ``order`` has the levels in the order that the column itself declares, if it does.
    """

    type: Literal["boolean", "integer", "number", "text"]
    values: np.ndarray
    present: np.ndarray
    order: tuple[Any, ...] | None = None

    def numbers(self, place: str) -> np.ndarray:
        """The column as floats, NaN where missing; text is an error that names ``place``."""
        if self.type == "text":
            row = int(np.argmax(self.present))
            raise _no_number(place, row, self.values[row])
        narrow = self.values.dtype in (np.float16, np.float32)
        values = self.values.astype(np.float32 if narrow else np.float64)
        values[~self.present] = np.nan
        return values


def open_table(data: Any, argument: str) -> nw.DataFrame[Any] | np.ndarray:
    """The data as an eager frame or a 2-D array, neither of them empty; its cells are unchecked."""
    source = _frame(data, argument)
    if source is None:
        source = plain_array(data, argument)
    shape = tuple(source.shape)
    if len(shape) != 2:
        raise ValueError(
            f"{argument} should have 2 dimensions, rows and columns, but has the shape {shape}: "
            "Reshape your data, by (-1, 1) if it is one column or (1, -1) if it is one row."
        )
    if 0 in shape:
        raise ValueError(
            f"{argument} should not be empty, but has 0 {'feature' if shape[0] else 'sample'}(s) "
            f"(shape={shape}) while a minimum of 1 is required: check how it was made."
        )
    return source


def read_columns(
    source: nw.DataFrame[Any] | np.ndarray, argument: str, only: Sequence[str] | None = None
) -> Iterator[Cells]:
    """The columns of what ``open_table`` returned one by one; of a frame, those named in order."""
    if isinstance(source, nw.DataFrame):
        columns = {str(series.name): series for series in source.iter_columns()}
        for name in columns if only is None else only:
            yield series_cells(columns[name], f"column {name!r} of {argument}")
    else:
        for index, column in enumerate(source.T):
            yield array_cells(column, f"column {index} of {argument}")


def column_name(names: Sequence[str] | None, index: int) -> str:
    """What messages call a column: its name, else its number."""
    return f"column {index if names is None else repr(names[index])}"


def _frame(data: Any, argument: str) -> nw.DataFrame[Any] | None:
    """The data as a frame with different names for its columns, or None if it is something else."""
    try:
        frame = nw.from_native(data, pass_through=True)
    except nw.exceptions.DuplicateError:
        # Only pyarrow calls the names something else.
        frame, names = None, list(map(str, getattr(data, "column_names", None) or data.columns))
    else:
        names = [str(n) for n in frame.columns] if isinstance(frame, nw.DataFrame) else []
    if isinstance(frame, nw.LazyFrame):
        raise TypeError(
            f"{argument} should be in memory, but is a lazy {type(data).__name__}: call "
            ".collect(), or pass a path to latentia.data.parquet."
        )
    if len(set(names)) < len(names):
        name, count = Counter(names).most_common(1)[0]
        raise ValueError(
            f"{argument} should have a different name for every column, but {count} columns are "
            f"called {name!r}: rename them."
        )
    return frame if isinstance(frame, nw.DataFrame) else None


def refuse_sparse(data: Any, argument: str) -> None:
    """Raise ``TypeError`` for a sparse matrix."""
    # SciPy has been imported by whoever made one, and need not be by all others.
    sparse = sys.modules.get("scipy.sparse")
    if sparse is not None and sparse.issparse(data):
        raise TypeError(f"{argument} should be dense, but is a sparse matrix: call .toarray().")


def plain_array(data: Any, argument: str) -> np.ndarray:
    """Anything else as a plain array of booleans, integers, floats or Python objects."""
    refuse_sparse(data, argument)
    if data is None or isinstance(data, (str, bytes, dict, set, Iterator, PathLike)):
        raise TypeError(
            f"{argument} should hold rows of numbers, but is a {type(data).__name__}: pass an "
            "array, nested lists or a data frame."
        )
    try:
        array = data if isinstance(data, np.ma.MaskedArray) else np.asarray(data)
        # NumPy has turned the numbers beside a text into texts: once more without.
        if array.dtype.kind in "SU" and not isinstance(data, np.ndarray):
            array = np.asarray(data, dtype=object)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"{argument} should have rows of equal length, but NumPy makes no array of this "
            f"{type(data).__name__}: pass an array, equal lists or a data frame."
        ) from error
    kind = "f" if array.dtype.name == "bfloat16" else array.dtype.kind
    if kind == "c":
        raise ValueError(
            f"Complex data not supported: {argument} has the dtype {array.dtype}, so pass the real "
            "and the imaginary parts as columns of their own."
        )
    if kind not in "biufOSU":
        raise ValueError(
            f"{argument} should hold numbers, but has the dtype {array.dtype}: convert dates and "
            "times to numbers, and records to a data frame."
        )
    return _plain(array, kind)


def _plain(array: np.ndarray, kind: str) -> np.ndarray:
    if kind == "f" and array.dtype not in (np.float16, np.float32, np.float64):
        # What overflows here becomes infinite, and is refused as such.
        with np.errstate(over="ignore"):
            array = array.astype(np.float64 if array.dtype.itemsize > 4 else np.float32)
    if isinstance(array, np.ma.MaskedArray):
        if kind in "OSU":
            # By hand, since None stands for NumPy's own filler.
            plain = np.array(array.data, dtype=object)
            plain[np.ma.getmaskarray(array)] = None
            return plain
        return np.ma.filled(array if kind == "f" else array.astype(np.float64), np.nan)
    return np.asarray(array, dtype=object if kind in "OSU" else array.dtype.newbyteorder("="))


def series_cells(series: nw.Series[Any], place: str) -> Cells:
    """A column of a frame."""
    dtype = series.dtype
    if dtype.is_float():
        values = series.cast(dtype).to_numpy()
        return Cells("number", values, ~np.isnan(values))
    if dtype == nw.Boolean or (dtype.is_integer() and dtype not in (nw.Int128, nw.UInt128)):
        kind, filler = ("boolean", False) if dtype == nw.Boolean else ("integer", 0)
        # Filled, since with a null some libraries would return rounded floats.
        present = ~series.is_null().to_numpy()
        return Cells(kind, series.fill_null(filler).to_numpy(), present)
    cells = _object_cells(series.to_list(), place)
    if isinstance(dtype, nw.Enum):
        return cells._replace(order=tuple(dtype.categories))
    if dtype == nw.Categorical:
        seen = set(cells.values[cells.present].tolist())
        # Elsewhere the order is no choice but the accident of which value came first.
        chosen = series.implementation.is_pandas_like()
        order = series.to_native().cat.categories.tolist() if chosen else sorted(seen)
        return cells._replace(order=tuple(level for level in order if level in seen))
    return cells


def array_cells(column: np.ndarray, place: str) -> Cells:
    """A column of what ``plain_array`` returned."""
    kind = column.dtype.kind
    if kind == "O":
        return _object_cells(column.tolist(), place)
    if kind == "f":
        return Cells("number", column, ~np.isnan(column))
    return Cells("boolean" if kind == "b" else "integer", column, np.ones(len(column), dtype=bool))


def _object_cells(values: list[Any], place: str) -> Cells:
    kinds = [_kind(value) for value in values]
    present = np.array([kind != "missing" for kind in kinds])
    found = set(kinds) - {"missing"}
    if "other" in found:
        row = kinds.index("other")
        raise _no_number(place, row, values[row])
    if "text" in found and len(found) > 1:
        text = kinds.index("text")
        number = next(i for i, kind in enumerate(kinds) if kind not in ("text", "missing"))
        raise ValueError(
            f"{place} should hold either numbers or texts, but row {number} has {values[number]!r} "
            f"and row {text} has {str(values[text])!r}: convert one of them."
        )
    if found == {"text"}:
        texts = [str(value) if here else None for value, here in zip(values, present, strict=True)]
        return Cells("text", np.array(texts, dtype=object), present)
    if found == {"integer"}:
        integers = np.array(
            [int(v) if here else 0 for v, here in zip(values, present, strict=True)]
        )
        if integers.dtype == np.int64:
            return Cells("integer", integers, present)
    numbers = np.array([_float(v) if here else 0 for v, here in zip(values, present, strict=True)])
    if found == {"boolean"}:
        return Cells("boolean", numbers == 1, present)
    return Cells("number", numbers.astype(np.float64), present)


def _kind(value: Any) -> str:
    """What one Python object is: missing, text, boolean, integer, number or other."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, (bool, np.bool_)):
        return "boolean"
    if isinstance(value, (int, np.integer)):
        return "integer"
    if isinstance(value, (float, np.floating, decimal.Decimal)):
        return "missing" if value != value else "number"
    # Pandas' own signs for a missing value, and NumPy's, by name: neither equals itself.
    if value is None or type(value).__name__ in ("NAType", "NaTType", "MaskedConstant"):
        return "missing"
    if isinstance(value, _NO_NUMBERS) or not isinstance(value, SupportsFloat):
        return "other"
    return "number"


def _float(value: SupportsFloat) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _no_number(place: str, row: int, value: Any) -> ValueError | TypeError:
    kind = ValueError if isinstance(value, (str, bytes)) else TypeError
    return kind(
        f"{place} should hold numbers, but row {row} has {value!r} ({type(value).__name__}): the "
        "argument must be free of strings and of all else but numbers, so convert it or leave the "
        "column out."
    )
