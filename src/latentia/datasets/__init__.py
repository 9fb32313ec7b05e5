"""Small published tables and drawn pictures for examples and tests, which need NumPy only."""

from importlib.resources import files
from typing import NamedTuple

import numpy as np

from .doges import Doges as Doges
from .doges import doges as doges

FAITHFUL_ROWS = 272
CARCINOMA_PATTERNS = 20
CARCINOMA_SLIDES = 118
EARTHQUAKE_YEARS = 107
NILE_YEARS = 100


class Table(NamedTuple):
    """A data table with its column names and the publication it comes from."""

    data: np.ndarray
    columns: tuple[str, ...]
    source: str


def load_faithful() -> Table:
    """Eruption lengths and waiting times of the Old Faithful geyser, both in minutes.

    Returns:
        A ``Table`` whose ``data`` is a float64 array of shape (272, 2) with the columns
        ``eruptions`` and ``waiting``.

    Raises:
        ValueError: if the installed data file is damaged.
    """
    data, columns = _read("faithful.csv", rows=FAITHFUL_ROWS, columns=2)
    return Table(
        data,
        columns,
        "Azzalini & Bowman (1990), A look at some data on the Old Faithful geyser, "
        "Applied Statistics 39, 357-365; these 272 rows via Härdle (1991), Smoothing Techniques.",
    )


def load_carcinoma() -> Table:
    """Seven pathologists judge 118 slides of the uterine cervix: 1 is carcinoma, 0 is none.

    Returns:
        A ``Table`` whose ``data`` is an int64 array of shape (118, 7), one row per slide and one
        column per pathologist, ``A`` to ``G``. Equal rows stand together.

    Raises:
        ValueError: if the installed data file is damaged.
    """
    # The publication tabulates response patterns with counts, so the file does too.
    table, columns = _read("carcinoma.csv", rows=CARCINOMA_PATTERNS, columns=8)
    table = table.astype(np.int64)
    data = np.repeat(table[:, :-1], table[:, -1], axis=0)
    if len(data) != CARCINOMA_SLIDES or not np.isin(data, (0, 1)).all():
        raise _damaged("carcinoma.csv", f"{CARCINOMA_SLIDES} slides rated 0 or 1", len(data))
    return Table(
        data,
        columns[:-1],
        "Landis & Koch (1977), An application of hierarchical kappa-type statistics in the "
        "assessment of majority agreement among multiple observers, Biometrics 33, 363-374; "
        "as two categories in Agresti (2002), Categorical Data Analysis, Table 13.1.",
    )


def load_earthquakes() -> Table:
    """How many earthquakes of magnitude 7 or more there were in the world, each year 1900 to 2006.

    Returns:
        A ``Table`` whose ``data`` is a float64 array of shape (107, 2) with the columns ``year``
        and ``n``.

    Raises:
        ValueError: if the installed data file is damaged.
    """
    data, columns = _read("earthquakes.csv", rows=EARTHQUAKE_YEARS, columns=2)
    return Table(
        data,
        columns,
        "United States Geological Survey, as tabulated in Zucchini & MacDonald (2009), Hidden "
        "Markov Models for Time Series, Table 1.1.",
    )


def load_nile() -> Table:
    """Annual flow of the Nile at Aswan from 1871 to 1970, in 10^8 cubic metres.

    Returns:
        A ``Table`` whose ``data`` is a float64 array of shape (100, 2) with the columns ``year``
        and ``flow``.

    Raises:
        ValueError: if the installed data file is damaged.
    """
    data, columns = _read("nile.csv", rows=NILE_YEARS, columns=2)
    return Table(
        data,
        columns,
        "Cobb (1978), The problem of the Nile: conditional solution to a change-point problem, "
        "Biometrika 65, 243-251; as in Durbin & Koopman (2012), Time Series Analysis by State "
        "Space Methods.",
    )


def _read(name: str, *, rows: int, columns: int) -> tuple[np.ndarray, tuple[str, ...]]:
    header, *lines = files(__name__).joinpath(name).read_text(encoding="utf-8").splitlines()
    names = tuple(header.split(","))
    # Checked before the conversion, which would name neither the file nor what it should hold.
    cells = [line.split(",") for line in lines]
    if len(cells) != rows or any(len(row) != columns for row in [names, *cells]):
        raise _damaged(name, f"{rows} rows of {columns} numbers", f"{len(cells)} rows")
    return np.array(cells, dtype=np.float64), names


def _damaged(name: str, expected: str, found: object) -> ValueError:
    return ValueError(
        f"The data file {name} of latentia should hold {expected} but holds {found}: "
        "install latentia again."
    )
