"""What may stand beside a table: weights and labels."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from latentia.data import (
    read_labels,
    read_weights,
)

NAN = np.nan


@pytest.mark.parametrize(
    "weights",
    [
        [0, 1, 2.5],
        np.array([0, 1, 2.5], ">f4"),
        np.array([0, 1, 2.5], object),
        pd.Series([0, 1, 2.5]),
        pd.Series([0, 1, 2.5], dtype="Float64"),
        pl.Series([0.0, 1, 2.5]),
        pa.array([0, 1, 2.5]),
        pa.chunked_array([[0.0, 1], [2.5]]),
        jnp.array([0, 1, 2.5]),
    ],
)
def test_weights_of_every_make_are_float64(weights):
    got = read_weights(weights, 3)
    assert got is not None and got.dtype == np.float64
    np.testing.assert_array_equal(got, [0, 1, 2.5])
    got[:] = -1
    np.testing.assert_array_equal(read_weights(weights, 3), [0, 1, 2.5])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2], r"one entry for each of the 3 rows, but has the shape \(2,\)"),
        (np.ones((3, 1)), r"shape \(3, 1\)"),
        (1.0, r"shape \(\)"),
        ([1, -1, -2], "row 1 has -1"),
        ([1, NAN, 1], "row 1 has nan"),
        (pl.Series([1, 1, None]), "row 2 has nan"),
        ([1, 1, np.inf], "row 2 has inf"),
        ([1e200, 1, 1], r"row 0 has 1e\+200"),
        ([0, 0, 0], "weight above zero, but all are 0"),
        (["a", "b", "c"], "w should hold numbers, but row 0 has 'a'"),
        ([1, 1, 1j], "Complex data not supported: w"),
    ],
)
def test_weights_that_cannot_be_are_one_sentence(weights, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_weights(weights, 3, argument="w")
    assert str(caught.value).startswith(("w ", "Complex"))


@pytest.mark.parametrize(
    "labels",
    [
        [2, -1, 0, -1],
        [2, None, 0, -1],
        np.array([2, NAN, 0, NAN]),
        pd.Series([2, None, 0, None], dtype="Int8"),
        pl.Series([2, None, 0, -1]),
        pa.array([2, None, 0, -1]),
        np.ma.array([2, 9, 0, 9], mask=[0, 1, 0, 1]),
    ],
)
def test_labels_of_every_make_are_int64(labels):
    got = read_labels(labels, 4, 3)
    assert got is not None and got.dtype == np.int64
    np.testing.assert_array_equal(got, [2, -1, 0, -1])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 3], "from 0 to 2, or -1 where unknown, but row 1 has 3"),
        ([-2, 0], "row 0 has -2"),
        ([0, 0.5], "row 1 has 0.5"),
        ([0, np.inf], "row 1 has inf"),
        ([0], r"each of the 2 rows, but has the shape \(1,\)"),
        (["a", "b"], "y should hold numbers"),
    ],
)
def test_labels_that_cannot_be_are_one_sentence(labels, message):
    with pytest.raises(ValueError, match=message):
        read_labels(labels, 2, 3, argument="y")


def test_no_weights_and_no_labels_are_none():
    assert read_weights(None, 3) is None and read_labels(None, 3, 2) is None
