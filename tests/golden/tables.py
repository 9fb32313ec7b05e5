"""The data tables of the golden tests: shipped ones, and those under LATENTIA_DATA."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from latentia import datasets

HERE = Path(__file__).parent
DATA = Path(os.environ.get("LATENTIA_DATA", HERE.parents[2] / "shared" / "data")) / "classic"


def golden(name):
    return json.loads((HERE / name).read_text())


def grid():
    with (HERE / "mclust_grid.csv").open() as file:
        return list(csv.DictReader(file))


def text(name, columns=None):
    path = DATA / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"{name}.csv is not in {DATA}; set LATENTIA_DATA to the folder above it")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    columns = list(rows[0]) if columns is None else columns
    return [[row[column] for column in columns] for row in rows]


def numbers(name, columns=None):
    return np.array(
        [[float(c) if c not in ("", "NA") else np.nan for c in row] for row in text(name, columns)]
    )


def codes(name, columns=None):
    table = np.array(text(name, columns))
    coded = [np.unique(column, return_inverse=True)[1] for column in table.T]
    return np.stack(coded, axis=1).astype(float)


def iris():
    return numbers("iris", ["Sepal.Length", "Sepal.Width", "Petal.Length", "Petal.Width"])


def table(name):
    if name == "iris":
        return iris()
    faithful = datasets.load_faithful().data
    return faithful[:, 1:] if name == "faithful_waiting" else faithful
