"""Sources of every kind give the same rows and the same totals, however they are cut."""

import os
import pickle
import sys
import types
from contextlib import closing

import jax
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from latentia.data import Dask, Memory, Processes, Stream, arrow, csv, npy, parquet, zarr
from latentia.data.dask_rows import dask_rows
from latentia.data.sources import source_of
from latentia.learning.expectation import expectations
from latentia.typing import Form
from laws.engines import MODEL, UNITS, rows

VALUES, WEIGHT = rows()
VALUES = VALUES[:1500].copy()
WEIGHT = WEIGHT[:1500]
HOLES = VALUES.copy()
HOLES[::7, 1] = np.nan
CODES = np.where(np.arange(1500) % 5 == 0, np.arange(1500) % 2, -1)
KINDS = ["parquet", "csv", "arrow", "npy", "zarr", "dask array", "dask frame"]


def columns(values):
    found = {f"x{j}": pa.array(c, from_pandas=True) for j, c in enumerate(values.T)}
    return {**found, "x3": CODES, "x4": WEIGHT}


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """A source of a kind with labels and weights; files are cut into small groups."""

    def make(kind, values=HOLES):
        table, path = pa.table(columns(values)), tmp_path / "rows"
        wide = np.column_stack([values, CODES, WEIGHT])
        options = {"labels": "x3", "weights": "x4"}
        if kind == "parquet":
            pq.write_table(table, path, row_group_size=100)
            return parquet(path, batch_rows=400, **options)
        if kind == "csv":
            monkeypatch.setattr(sys.modules["latentia.data.csv"], "STRETCH", 4000)
            pyarrow.csv.write_csv(table, path)
            return csv(path, batch_rows=400, **options)
        if kind == "arrow":
            pyarrow.feather.write_feather(table, str(path), chunksize=100)
            return arrow(path, batch_rows=400, **options)
        if kind in ("npy", "zarr"):
            monkeypatch.setattr("latentia.data.arrays._ROWS", 100)
            np.save(f"{path}.npy", wide)
        if kind == "npy":
            return npy(f"{path}.npy", batch_rows=400, **options)
        if kind == "zarr":
            # In the place of a package that need not be installed, with the one call of it.
            stand_in = types.ModuleType("zarr")
            stand_in.open_array = lambda name, mode: np.load(f"{name}/array.npy", mmap_mode=mode)
            monkeypatch.setitem(sys.modules, "zarr", stand_in)
            path.mkdir()
            os.rename(f"{path}.npy", path / "array.npy")
            return zarr(path, batch_rows=400, **options)
        if kind == "dask array":
            import dask.array

            array = dask.array.from_array(wide, chunks=(170, 2))
            return dask_rows(array, batch_rows=400, **options)
        import dask.dataframe

        frame = dask.dataframe.from_pandas(table.to_pandas(), npartitions=9, sort=False)
        return dask_rows(frame, batch_rows=400, **options)

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_gives_its_rows_in_order_however_it_is_cut(opened, kind):
    source = opened(kind)
    assert (source.rows, source.width, source.labelled) == (1500, 3, True)
    for parts in ([source], source.partitions(4)):
        got = [batch for part in parts for batch in part.batches()]
        values, weight, label = (np.concatenate(each) for each in zip(*got, strict=True))
        np.testing.assert_array_equal(values, HOLES)
        np.testing.assert_array_equal(weight, WEIGHT)
        np.testing.assert_array_equal(label, CODES)
        assert all(len(batch[0]) <= 400 for batch in got)
    assert len(parts) == 4
    assert pickle.loads(pickle.dumps(source)).rows == 1500


def total(engine, source):
    with closing(engine.open(source)) as data:
        return data.total(expectations, MODEL, UNITS, form=Form.COMPLETE, labelled=True)


# The kinds that are left differ in how rows are read alone, which the test above covers.
OTHERS = [pytest.param(kind, marks=pytest.mark.exhaustive) for kind in KINDS if kind != "parquet"]


@pytest.mark.parametrize("kind", [pytest.param("parquet", marks=pytest.mark.slow), *OTHERS])
def test_the_total_of_a_source_is_additive_and_partition_free(opened, kind, client):
    source, table = opened(kind, VALUES), source_of(VALUES, WEIGHT, CODES)
    expected = total(Memory(), table)
    sums = [total(Stream(4), source), total(Memory(3), source)]
    if kind not in ("csv", "npy", "zarr"):
        sums.append(total(Dask(client, partitions=4), source))
    parts = [total(Stream(), part) for part in source.partitions(3)]
    sums.append(jax.tree.map(lambda *each: sum(each), *parts))
    for found in sums:
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * np.abs(b).max())


@pytest.mark.parametrize("kind", ["parquet", "csv", "arrow", "npy", "zarr"])
def test_a_file_that_changes_is_noticed(opened, kind, tmp_path):
    source = opened(kind)
    path = source._groups[0].path if kind != "parquet" else source._files[0].path
    changed = os.path.join(path, "array.npy") if kind == "zarr" else path
    os.utime(changed, ns=(1, 1))
    for ask in (lambda: list(source.batches()), source.require_unchanged):
        with pytest.raises(ValueError, match="was changed after it was opened"):
            ask()


def mass(_, data):
    return jax.numpy.sum(data.weight)


def test_a_file_that_changes_is_noticed_where_workers_keep_data(opened, client):
    source = opened("parquet", VALUES)
    with closing(Dask(client, partitions=2).open(source)) as data:
        np.testing.assert_allclose(data.total(mass, (), UNITS), WEIGHT.sum())
        os.utime(source._files[0].path, ns=(1, 1))
        with pytest.raises(ValueError, match="was changed after it was opened"):
            data.total(mass, (), UNITS)


def test_the_kind_of_a_file_is_read_from_its_name(tmp_path):
    table = pa.table(columns(VALUES))
    pyarrow.csv.write_csv(table, tmp_path / "a.csv")
    pyarrow.feather.write_feather(table, str(tmp_path / "a.feather"))
    np.save(tmp_path / "a.npy", VALUES)
    for name in ("a.csv", "a.feather", "a.npy"):
        assert source_of(tmp_path / name, None).rows == 1500


def write(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda f: csv(write(f, "a,b\n1,x\n")), None, "should hold numbers in the columns"),
        (lambda f: csv(write(f, "a,b\n1,2\n3\n")), ValueError, "is damaged or is no CSV file"),
        (lambda f: csv(write(f, "a,b\n")), ValueError, "lead to CSV files with rows"),
        (lambda f: csv(write(f, "a,b\n1,2\n"), weights="w"), ValueError, "one column 'w'"),
        (lambda f: csv(write(f, "a,b\n1,-2\n"), labels="b"), None, "states from 0 up, or -1"),
        (lambda f: csv(write(f, "a,b\n1,inf\n")), None, "should be finite or missing"),
        (lambda f: csv(f), FileNotFoundError, "rows"),
        (lambda f: arrow(write(f, "text")), ValueError, "is damaged or is no Arrow file"),
        (lambda f: npy(write(f, "text")), ValueError, "is damaged or is no npy file"),
        (
            lambda f: csv(write(f, "a,b\n1,2\n"), given=["b"], columns=["b"]),
            ValueError,
            "each once",
        ),
        (lambda f: csv(write(f, "a,b\n1,\n"), given=["b"]), None, "given should have no missing"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path, make, error, message):
    with pytest.raises(error or ValueError, match=message):
        found = make(tmp_path / "rows")
        list(found.batches())


def test_zarr_is_named_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(ImportError, match="pip install zarr"):
        source_of(tmp_path / "a.zarr", None)


def test_a_dask_collection_that_gives_other_rows_is_refused():
    import dask.dataframe

    calls = []

    def shrinking(part):
        calls.append(1)
        return part if len(calls) < 8 else part[1:]

    frame = dask.dataframe.from_pandas(pd.DataFrame({"a": np.arange(30.0)}), npartitions=3)
    source = dask_rows(frame.map_partitions(shrinking, meta=frame._meta))
    with pytest.raises(ValueError, match="as it had"):
        for _ in range(3):
            list(source.batches())


def test_partitions_that_a_filter_has_emptied_are_left_out():
    import dask.dataframe

    frame = dask.dataframe.from_pandas(pd.DataFrame({"a": np.arange(40.0)}), npartitions=4)
    source = dask_rows(frame[(frame.a < 5) | (frame.a >= 30)])
    assert [chunk.rows for chunk in source.chunks] == [5, 10]
    kept = np.r_[0:5, 30:40]
    for parts in (1, 2):
        rows = [batch[0] for part in source.partitions(parts) for batch in part.batches()]
        np.testing.assert_array_equal(np.concatenate(rows)[:, 0], kept)


def test_dask_collections_are_not_for_other_processes():
    import dask.array

    source = dask_rows(dask.array.zeros((10, 2), chunks=5))
    with pytest.raises(ValueError, match="are a Dask collection: use the engine 'dask'"):
        Processes().open(source)


def test_an_index_of_pandas_is_no_column(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0]})[1:]
    pyarrow.feather.write_feather(pa.Table.from_pandas(frame, preserve_index=True),
                                  str(tmp_path / "a.arrow"))  # fmt: skip
    assert arrow(tmp_path / "a.arrow").columns == ("a",)


def test_a_file_is_looked_at_once_in_a_pass(opened, monkeypatch):
    source, calls = opened("arrow"), []
    grouped = sys.modules["latentia.data.grouped"]
    state = grouped._state
    monkeypatch.setattr(grouped, "_state", lambda path: calls.append(path) or state(path))
    assert sum(1 for _ in source.pieces()) == 15 and len(calls) == 1


def test_a_damaged_body_is_one_sentence(tmp_path):
    path = tmp_path / "a.arrow"
    pyarrow.feather.write_feather(pa.table({"a": np.arange(1000.0)}), str(path), chunksize=100)
    content = bytearray(path.read_bytes())
    content[800:864] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged or is no Arrow file"):
        arrow(path)
