import datetime
import decimal
import subprocess
import sys

import hypothesis.extra.numpy as hnp
import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from latentia.data import (
    Table,
    read_table,
    require_observed,
)

NAN = np.nan
PLAIN = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, NAN]])


def assert_read(data, expected, columns=None, dtype=np.float64):
    table = read_table(data)
    assert table.values.dtype == dtype and table.values.dtype.isnative
    assert table.values.flags.c_contiguous
    np.testing.assert_array_equal(table.values, expected)
    assert table.columns == columns


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (PLAIN, np.float64),
        (PLAIN.tolist(), np.float64),
        (tuple(map(tuple, PLAIN)), np.float64),
        (np.asfortranarray(PLAIN), np.float64),
        (np.repeat(PLAIN, 2, axis=1)[:, ::2], np.float64),
        (PLAIN[:, ::-1][:, ::-1], np.float64),
        (PLAIN.astype(">f8"), np.float64),
        (PLAIN.astype(">f4"), np.float32),
        (PLAIN.astype(np.float16), np.float32),
        (PLAIN.astype(np.longdouble), np.float64),
        (PLAIN.astype(object), np.float64),
        (PLAIN.view(np.ndarray).copy().view(np.matrix), np.float64),
        (jnp.array(PLAIN, jnp.float32), np.float32),
        (jnp.array(PLAIN, jnp.bfloat16), np.float32),
        (np.ma.array(np.nan_to_num(PLAIN, nan=7), mask=np.isnan(PLAIN)), np.float64),
        (np.ma.array([[1, 2, 3], [4, 5, 6]], mask=np.isnan(PLAIN)), np.float64),
        (np.ma.array([[1, 2, 3], [4, 5, 6]], object, mask=np.isnan(PLAIN)), np.float64),
        ([[1, 2, 3], [4, 5, None]], np.float64),
        ([[True, decimal.Decimal(2), np.int8(3)], [4, 5, pd.NA]], np.float64),
    ],
)
def test_arrays_of_every_make_hold_the_same_numbers(data, dtype):
    assert_read(data, PLAIN, dtype=dtype)


@pytest.mark.parametrize("code", [*"bBhHiIlLqQ", "?", ">i4", ">u8"])
def test_integers_and_booleans_become_float64(code):
    assert_read(np.array([[0, 1], [1, 1]], dtype=code), [[0, 1], [1, 1]])


COLUMNS = {
    "real": [1.5, None, NAN],
    "count": [3, 2**60, None],
    "flag": [True, None, False],
    "none": [None, None, None],
    "price": [decimal.Decimal("0.25"), None, decimal.Decimal(1)],
}
EXPECTED = np.array([[1.5, 3, 1, NAN, 0.25], [NAN, 2**60, NAN, NAN, NAN], [NAN, NAN, 0, NAN, 1]])


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(COLUMNS),
        pd.DataFrame(COLUMNS).astype({"real": "Float64", "count": "Int64", "flag": "boolean"}),
        pd.DataFrame(COLUMNS).astype({"count": "Int64"}).astype({"count": "int64[pyarrow]"}),
        pd.DataFrame(COLUMNS, index=[7, 7, 9]),
        pl.DataFrame(COLUMNS, strict=False),
        pa.table(COLUMNS),
    ],
)
def test_frames_of_every_make_hold_the_same_numbers(frame):
    assert_read(frame, EXPECTED, tuple(COLUMNS))


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"x": np.array([1.5, NAN], np.float32)}),
        pd.DataFrame({"x": pd.array([1.5, None], "Float32")}),
        pl.DataFrame({"x": pl.Series([1.5, None], dtype=pl.Float32)}),
        pa.table({"x": pa.array(np.array([1.5, NAN], np.float16))}),
    ],
)
def test_frames_of_float32_stay_float32(frame):
    assert_read(frame, [[1.5], [NAN]], ("x",), np.float32)


def test_one_wide_column_makes_a_frame_float64():
    frame = pd.DataFrame({"x": np.array([0.1], np.float32), "y": [0.1]})
    assert_read(frame, [[np.float32(0.1), 0.1]], ("x", "y"))


def test_names_that_are_numbers_become_texts():
    assert read_table(pd.DataFrame(np.eye(2))).columns == ("0", "1")


def test_the_dtype_can_be_asked_for():
    assert read_table(PLAIN, dtype=np.float32).values.dtype == np.float32
    assert read_table(PLAIN.astype("f4"), dtype="float64").values.dtype == np.float64
    with pytest.raises(ValueError, match="dtype should be float32 or float64, but is int64"):
        read_table(PLAIN, dtype=np.int64)
    with pytest.raises(ValueError, match=r"at most 3.4\d*e\+38 in magnitude, but row 0, column 1"):
        read_table([[1.0, 1e39]], dtype=np.float32)


NUMBERS = st.floats(-1e6, 1e6, width=32).map(lambda x: x if abs(x) > 1e-3 else 0.0) | st.just(NAN)


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2), elements=NUMBERS))
def test_layout_order_and_flags_do_not_matter_and_the_input_stays(values):
    original = values.tobytes()
    values.flags.writeable = False
    names = [f"c{j}" for j in range(values.shape[1])]
    got = [
        values,
        np.asfortranarray(values),
        values[::-1].copy()[::-1],
        values.astype(">f8"),
        values.tolist(),
        values.astype(object),
        np.ma.masked_invalid(values),
        pd.DataFrame(values, columns=names),
        pl.DataFrame(values, schema=names),
        pa.table({name: values[:, j] for j, name in enumerate(names)}),
        pa.table({name: pa.array(values[:, j], from_pandas=True) for j, name in enumerate(names)}),
    ]
    for data in got:
        np.testing.assert_array_equal(read_table(data).values, values)
    assert values.tobytes() == original


def test_nothing_is_copied_without_need():
    assert np.shares_memory(read_table(PLAIN).values, PLAIN)


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (np.ones(3), ValueError, r"2 dimensions.*shape \(3,\).*Reshape your data.*\(-1, 1\)"),
        (np.ones((2, 2, 2)), ValueError, r"2 dimensions.*shape \(2, 2, 2\)"),
        (3.0, ValueError, r"shape \(\)"),
        (pl.Series([1.0]), ValueError, r"shape \(1,\)"),
        (pd.Series([1.0]), ValueError, r"shape \(1,\)"),
        (np.ones((0, 3)), ValueError, r"0 sample\(s\) \(shape=\(0, 3\)\)"),
        (np.ones((3, 0)), ValueError, r"0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1 is"),
        (pd.DataFrame(), ValueError, "empty"),
        (pl.DataFrame({"a": []}), ValueError, "empty"),
        ([], ValueError, "shape"),
        ([[]], ValueError, "0 feature"),
        ([[1, 2], [3]], ValueError, "rows of equal length.*list"),
        (
            [[0, 1], [0, np.inf], [np.inf, 0]],
            ValueError,
            "finite or missing.*row 1, column 1 is inf",
        ),
        (pl.DataFrame({"a": [1.0], "b": [-np.inf]}), ValueError, "row 0, column 'b' is -inf"),
        ([[1.0], [10**400]], ValueError, "row 1, column 0 is inf"),
        (
            np.array([[1, 2], [3, -2e150]]),
            ValueError,
            r"1e\+150.*row 1, column 1 is -2e\+150: resc",
        ),
        ([[0.0, 0], [1, 1e-151]], ValueError, "1e-150.*column 1 spreads over 1e-151: rescale"),
        (np.ones((2, 2), complex), ValueError, "Complex data not supported: X"),
        (pd.DataFrame({"c": [1j]}), TypeError, "column 'c' of X.*row 0 has 1j"),
        ([["1"], ["2"]], ValueError, "column 0 of X should hold numbers, but row 0 has '1'"),
        ([[1, 2], [1, "a"]], ValueError, "column 1 of X.*row 1 'a'|row 1 has 'a'"),
        (np.array([["a"]]), ValueError, "row 0 has 'a'"),
        (np.array([[b"a"]]), ValueError, "row 0 has b'a'"),
        ([[{}]], TypeError, "argument must be .* string.* number"),
        (pd.DataFrame({"s": [None, "u"]}), ValueError, "column 's' of X.*row 1 has 'u'"),
        (pl.DataFrame({"s": [None, "u"]}), ValueError, "column 's' of X.*row 1 has 'u'"),
        (pa.table({"s": [None, "u"]}), ValueError, "column 's' of X.*row 1 has 'u'"),
        (pd.DataFrame({"s": pd.Categorical(["u"])}), ValueError, "row 0 has 'u'"),
        (pd.DataFrame({"d": pd.to_datetime(["2020"])}), TypeError, "column 'd'.*Timestamp"),
        (pl.DataFrame({"d": [datetime.date(2020, 1, 1)]}), TypeError, "column 'd'.*date"),
        (pl.DataFrame({"l": [[1]]}), TypeError, r"column 'l' of X.*\[1\] \(list\)"),
        (np.array([["2020"]], "M8[ns]"), ValueError, r"datetime64\[ns\]: convert dates"),
        (np.zeros((1, 1), [("a", int)]), ValueError, "records to a data frame"),
        (scipy.sparse.eye_array(2), TypeError, r"sparse matrix: call \.toarray\(\)"),
        (pl.LazyFrame({"a": [1]}), TypeError, r"lazy.*\.collect\(\).*latentia\.data\.parquet"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, "2 columns are called 'a'"),
        (pa.table([[1], [2]], names=["a", "a"]), ValueError, "2 columns are called 'a'"),
        (pd.DataFrame([[1, 2]], columns=[0, "0"]), ValueError, "2 columns are called '0'"),
        ("x.csv", TypeError, "is a str"),
        (None, TypeError, "is a NoneType"),
        ({"a": [1]}, TypeError, "is a dict.*data frame"),
        ((row for row in [[1]]), TypeError, "is a generator"),
    ],
)
def test_what_is_no_table_is_one_sentence(data, kind, message):
    with pytest.raises(kind, match=message) as caught:
        read_table(data, argument="X")
    text = str(caught.value)
    assert "X" in text and text.endswith(".") and "\n" not in text


def test_a_constant_column_may_be_tiny_and_a_large_one_large():
    assert_read([[1e-200, 1e150], [1e-200, -1e150]], [[1e-200, 1e150], [1e-200, -1e150]])
    top = np.finfo(np.float32).max
    assert_read(np.float32([[top], [-top]]), [[top], [-top]], dtype=np.float32)


def test_a_column_without_values_is_an_error_only_where_something_is_learnt():
    table = read_table(pd.DataFrame({"a": [1.0, NAN], "b": [NAN, NAN]}))
    with pytest.raises(ValueError, match="X should .* but column 'b' is all missing: leave it out"):
        require_observed(table, "X")
    with pytest.raises(ValueError, match="column 1 is all missing"):
        require_observed(Table(table.values, None))
    require_observed(Table(PLAIN, None))


def test_the_package_needs_neither_jax_nor_sklearn_nor_pyarrow():
    code = """
import sys
from latentia.data import read_table
read_table([[1.0]])
print([name for name in ("jax", "sklearn", "pyarrow", "pandas", "polars") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
