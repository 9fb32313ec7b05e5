import matplotlib
import numpy as np
import pandas as pd
import pytest

from latentia.datasets import load_faithful

# Before pyplot loads, since the machines that run the tests have no screen.
matplotlib.use("Agg")
import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def ax():
    _, axes = plt.subplots()
    yield axes
    plt.close("all")


@pytest.fixture(scope="module")
def faithful():
    table = load_faithful()
    return pd.DataFrame(table.data, columns=list(table.columns))


@pytest.fixture(scope="module")
def wide():
    """Two groups in four columns, whose largest spread is along the third."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=(80, 4)) * [1, 2, 1, 0.5]
    data[:40, 2] += 12
    return data
