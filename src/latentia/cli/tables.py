"""Tables in and out: CSV and Parquet files, and CSV through standard input and output."""

import io
import os
import sys
from collections.abc import Sequence
from typing import Any

_MISSING = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?"]
_PARQUET = (".parquet", ".parq", ".pq")


def read(path: str) -> Any:
    """A pyarrow table from a .csv or .parquet file; - is CSV from standard input."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    name = "standard input" if path == "-" else repr(path)
    if path != "-" and os.path.isdir(path):
        raise IsADirectoryError(f"{name} is a folder: name a .csv or .parquet file.")
    source: Any = io.BytesIO(sys.stdin.buffer.read()) if path == "-" else path
    if path != "-":
        # Python's own error names the path and says why.
        open(path, "rb").close()
    try:
        if path.lower().endswith(_PARQUET):
            table = parquet.read_table(source)
        else:
            options = csv.ConvertOptions(null_values=_MISSING, strings_can_be_null=True)
            table = csv.read_csv(source, convert_options=options)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{name} cannot be read as a table: {reason}") from error
    if table.num_rows == 0:
        raise ValueError(f"{name} should hold rows below the line of names, but has none.")
    return table


def choose(table: Any, columns: Sequence[str], ignore: Sequence[str], weights: str | None) -> Any:
    """The table with the columns to use, and the weights of the rows or None."""
    names = list(table.column_names)
    wanted = [*columns, *ignore, *([] if weights is None else [weights])]
    for name in wanted:
        if name not in names:
            raise ValueError(f"The data have no column {name!r}: choose from {', '.join(names)}.")
    used = [n for n in (columns or names) if n not in ignore and n != weights]
    if not used:
        raise ValueError("No column is left to use: name fewer in --ignore.")
    return table.select(used), None if weights is None else table.column(weights)


def write(columns: dict[str, Any], path: str) -> None:
    """Write columns as a table, whole or not at all; - is CSV on standard output."""
    import pyarrow as pa

    if path == "-":
        sys.stdout.write(_csv(pa.table(columns)).decode())
        sys.stdout.flush()
        return
    from .staging import Staging

    folder, name = os.path.split(os.path.abspath(path))
    with Staging(folder) as staging:
        write_plain(columns, staging.path(name))


def write_plain(columns: dict[str, Any], path: str) -> None:
    """Write columns to a file in the format that its name says."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table(columns)
    if path.lower().endswith(_PARQUET):
        parquet.write_table(table, path)
        return
    with open(path, "wb") as file:
        file.write(_csv(table))


def _csv(table: Any) -> bytes:
    from csv import writer

    import pyarrow.types as kinds
    from pyarrow import csv

    # pyarrow puts quotes around all texts; here they stand only where they are needed.
    text = io.StringIO()
    rows = writer(text, lineterminator="\n")
    rows.writerow(table.column_names)
    if not all(kinds.is_primitive(field.type) for field in table.schema):
        rows.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
        return text.getvalue().encode()
    sink = io.BytesIO()
    sink.write(text.getvalue().encode())
    csv.write_csv(table, sink, csv.WriteOptions(include_header=False))
    return sink.getvalue()
