import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentia.data import ParquetRows, parquet

NAN = np.nan
ROWS = 23
A = np.arange(ROWS) / 4
B = np.where(np.arange(ROWS) % 5 == 0, NAN, np.arange(ROWS))
W = np.arange(ROWS) % 3
VALUES = np.column_stack([A, B])


def table():
    return pa.table({"a": A, "w": W, "b": pa.array(B, from_pandas=True)})


@pytest.fixture
def path(tmp_path):
    pq.write_table(table(), tmp_path / "one.parquet", row_group_size=5)
    return tmp_path / "one.parquet"


def gathered(stream):
    values, weights = zip(*stream.batches(), strict=True)
    sizes = [len(part) for part in values]
    assert sizes[:-1] == [stream.batch_rows] * (len(sizes) - 1) and sum(sizes) == stream.rows
    for part in values:
        assert part.dtype == np.float64 and part.flags.c_contiguous and part.flags.writeable
    if weights[0] is None:
        return np.concatenate(values), None
    return np.concatenate(values), np.concatenate(weights)


@pytest.mark.parametrize("batch_rows", [1, 2, 5, 7, 22, 23, 1000])
def test_a_pass_gives_all_rows_in_batches_and_so_does_the_next(path, batch_rows):
    stream = parquet(path, weights="w", batch_rows=batch_rows)
    assert (stream.rows, stream.columns, stream.weights) == (ROWS, ("a", "b"), "w")
    for _ in range(2):
        values, weights = gathered(stream)
        np.testing.assert_array_equal(values, VALUES)
        np.testing.assert_array_equal(weights, W)


def test_columns_are_chosen_and_ordered(path):
    stream = parquet(str(path), columns=["b", "a"])
    values, weights = gathered(stream)
    assert stream.columns == ("b", "a") and weights is None
    np.testing.assert_array_equal(values, VALUES[:, ::-1])
    assert parquet(path).columns == ("a", "w", "b")


@given(
    cuts=st.lists(st.integers(0, ROWS), max_size=4).map(sorted),
    groups=st.integers(1, ROWS),
    batch_rows=st.integers(1, ROWS + 1),
    indices=st.lists(st.integers(0, ROWS - 1), max_size=9).map(sorted),
)
@settings(max_examples=40, deadline=None)
def test_files_and_row_groups_do_not_matter(tmp_path_factory, cuts, groups, batch_rows, indices):
    folder = tmp_path_factory.mktemp("rows")
    for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, ROWS], strict=True)):
        part = table().slice(start, end - start)
        pq.write_table(part, folder / f"{number}.parquet", row_group_size=groups)
    stream = parquet(folder, columns=["a", "b"], weights="w", batch_rows=batch_rows)
    values, weights = gathered(stream)
    np.testing.assert_array_equal(values, VALUES)
    np.testing.assert_array_equal(weights, W)
    values, weights = stream.take(np.array(indices, dtype=np.int64))
    assert values.shape == (len(indices), 2)
    np.testing.assert_array_equal(values, VALUES[indices])
    np.testing.assert_array_equal(weights, W[indices])


def test_a_batch_belongs_to_the_caller(path):
    stream = parquet(path, columns=["a"], weights="w", batch_rows=4)
    kept = []
    for values, weights in stream.batches():
        assert weights is not None
        kept.append(values.copy())
        values[:], weights[:] = -1, -1
    np.testing.assert_array_equal(np.concatenate(kept)[:, 0], A)


def test_only_the_row_groups_asked_for_are_read(path, monkeypatch):
    read = []
    whole = pq.ParquetFile.iter_batches

    def watched(self, batch_size, row_groups, columns):
        read.extend(row_groups)
        return whole(self, batch_size, row_groups, columns)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", watched)
    values, weights = parquet(path, columns=["a"]).take(np.array([5, 9, 22]))
    assert read == [1, 4] and weights is None
    np.testing.assert_array_equal(values[:, 0], A[[5, 9, 22]])


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([3, 1], "indices should be a sorted"),
        ([[1, 2]], "1-dimensional"),
        ([1.0, 2.0], "integers"),
        ([-1, 2], "from 0 to 22, but one is -1"),
        ([1, 23], "from 0 to 22, but one is 23"),
    ],
)
def test_indices_that_cannot_be_are_one_sentence(path, indices, message):
    with pytest.raises(ValueError, match=message):
        parquet(path).take(np.array(indices))


def test_a_folder_is_read_in_the_order_of_its_paths_and_a_list_in_its_own(tmp_path):
    for name, value in [("b.parquet", 2), ("a.parquet", 1), ("c/d.pq", 3), ("_x.parquet", 9)]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"n": [value]}), tmp_path / name)
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / ".cache").mkdir()
    pq.write_table(pa.table({"n": [9]}), tmp_path / ".cache" / "x.parquet")
    assert gathered(parquet(tmp_path))[0].ravel().tolist() == [1, 2, 3]
    paths = [tmp_path / "b.parquet", str(tmp_path / "a.parquet")]
    assert gathered(parquet(paths))[0].ravel().tolist() == [2, 1]


def test_files_of_every_writer_and_type(tmp_path):
    data = {"i": [1, None], "f": [True, None], "x": [0.5, None]}
    pd.DataFrame(data, index=[7, 9]).astype({"i": "Int8", "f": "boolean"}).to_parquet(
        tmp_path / "1"
    )
    pl.DataFrame(data).write_parquet(tmp_path / "2")
    wide = {"i": pa.array([1, None], pa.decimal128(5, 2)), "f": [1.0, NAN]}
    pq.write_table(pa.table(wide | {"x": pa.array([0.5, None], pa.float16())}), tmp_path / "3")
    pq.write_table(pa.table({"f": pa.nulls(1), "x": [NAN], "i": [2]}), tmp_path / "4")
    stream = parquet([tmp_path / name for name in "1234"])
    assert stream.columns == ("i", "f", "x")
    expected = [[1, 1, 0.5], [NAN, NAN, NAN]] * 3 + [[2, NAN, NAN]]
    np.testing.assert_array_equal(gathered(stream)[0], expected)


def test_the_index_of_pandas_is_no_column_unless_asked_for(tmp_path):
    pd.DataFrame({"x": [1.5, 2]}, index=[7, 9]).to_parquet(tmp_path / "p.parquet")
    names = pq.read_schema(tmp_path / "p.parquet").names
    assert names == ["x", "__index_level_0__"]
    assert parquet(tmp_path / "p.parquet").columns == ("x",)
    assert parquet(tmp_path / "p.parquet", columns=names).columns == tuple(names)


def test_a_stream_may_be_pickled_and_outlives_a_change_of_folder(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    stream = pickle.loads(pickle.dumps(parquet(path.name)))
    monkeypatch.chdir("/")
    assert isinstance(stream, ParquetRows) and len(gathered(stream)[0]) == ROWS
    assert repr(stream) == "ParquetRows(rows=23, columns=('a', 'w', 'b'), files=1)"


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        (
            {"columns": ["a", "z"]},
            ValueError,
            "should have one column 'z', but has 0.*'a', 'w', 'b'",
        ),
        ({"columns": []}, ValueError, "at least one column"),
        ({"columns": ["a", "a"]}, ValueError, "each once"),
        ({"columns": ["a", "w"], "weights": "w"}, ValueError, "none of them the weights"),
        ({"columns": "a"}, TypeError, r"pass \['a'\]"),
        ({"weights": "z"}, ValueError, "one column 'z'"),
        ({"batch_rows": 0}, ValueError, "batch_rows should be an integer from 1 up, but is 0"),
        ({"batch_rows": 2.0}, ValueError, "batch_rows"),
        ({"batch_rows": True}, ValueError, "batch_rows"),
    ],
)
def test_options_that_cannot_be_are_one_sentence(path, options, kind, message):
    with pytest.raises(kind, match=message):
        parquet(path, **options)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array(["u"] * ROWS), "string"),
        (pa.array(["u"] * ROWS).dictionary_encode(), "dictionary"),
        (pa.array([0] * ROWS, pa.date32()), "date32"),
        (pa.array([[1]] * ROWS), "list"),
    ],
)
def test_columns_without_numbers_are_named_before_anything_is_read(tmp_path, column, kind):
    pq.write_table(table().append_column("s", column), tmp_path / "x.parquet")
    with pytest.raises(
        ValueError, match=rf"x\.parquet' should hold numbers, but column 's' .*{kind}"
    ):
        parquet(tmp_path / "x.parquet")
    assert parquet(tmp_path / "x.parquet", columns=["b"]).columns == ("b",)


def test_every_file_has_to_have_the_columns(path, tmp_path):
    pq.write_table(table().drop_columns("b"), tmp_path / "two.parquet")
    with pytest.raises(ValueError, match=r"two\.parquet' should have one column 'b', but has 0"):
        parquet([path, tmp_path / "two.parquet"])


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e200])
def test_extreme_numbers_name_file_row_and_column(path, tmp_path, value):
    bad = B.copy()
    bad[17] = value
    pq.write_table(table().set_column(2, "b", [bad]), tmp_path / "two.parquet", row_group_size=4)
    stream = parquet([path, tmp_path / "two.parquet"], batch_rows=3)
    with pytest.raises(ValueError, match=rf"two\.parquet' .* row {ROWS + 17}, column 'b' is"):
        list(stream.batches())
    with pytest.raises(ValueError, match=rf"row {ROWS + 17}, column 'b'"):
        stream.take(np.array([ROWS + 17]))
    assert parquet(tmp_path, columns=["a"]).take(np.array([1]))[0].tolist() == [[0.25]]


@pytest.mark.parametrize(("value", "shown"), [(-1.0, "-1"), (NAN, "nan"), (np.inf, "inf")])
def test_weights_that_cannot_be_name_file_and_row(path, tmp_path, value, shown):
    bad = W.astype(np.float64)
    bad[17] = value
    pq.write_table(table().set_column(1, "w", [bad]), tmp_path / "two.parquet")
    stream = parquet([path, tmp_path / "two.parquet"], weights="w")
    with pytest.raises(ValueError, match=rf"'w' of .*two\.parquet.* row {ROWS + 17} has {shown}"):
        list(stream.batches())


def test_weights_of_zero_are_fine_unless_all_are(tmp_path):
    for name, weights in [("a", [0.0, 0, 1]), ("b", [0.0, 0, 0])]:
        pq.write_table(pa.table({"x": [1, 2, 3], "w": weights}), tmp_path / name)
    assert len(list(parquet(tmp_path / "a", weights="w", batch_rows=1).batches())) == 3
    with pytest.raises(ValueError, match="'w' should have a weight above zero, but all are 0"):
        list(parquet(tmp_path / "b", weights="w", batch_rows=1).batches())


def test_a_batch_may_lack_the_spread_that_the_column_has(tmp_path):
    pq.write_table(pa.table({"x": [0, 1e-160, 1.0]}), tmp_path / "x")
    values, _ = gathered(parquet(tmp_path / "x", batch_rows=2))
    assert values.ravel().tolist() == [0, 1e-160, 1]


def test_paths_without_rows_are_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        parquet(tmp_path / "nowhere.parquet")
    with pytest.raises(ValueError, match="path should lead to Parquet files with rows"):
        parquet(tmp_path)
    with pytest.raises(ValueError, match="path should lead"):
        parquet([])
    pq.write_table(table().slice(0, 0), tmp_path / "empty.parquet")
    with pytest.raises(ValueError, match="path should lead"):
        parquet(tmp_path)
    (tmp_path / "text.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"text\.parquet' is damaged or is no Parquet file"):
        parquet(tmp_path)


def test_a_changed_or_missing_file_is_noticed(path):
    stream = parquet(path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(ValueError, match=r"one\.parquet' was changed after it was opened"):
        list(stream.batches())
    with pytest.raises(ValueError, match="was changed"):
        stream.take(np.array([1]))
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"one\.parquet"):
        list(stream.batches())


def test_every_damage_is_noticed_or_harmless(path):
    pq.write_table(table(), path, row_group_size=9, write_page_checksum=True, compression="none")
    whole = path.read_bytes()
    unnoticed = 0
    for place in range(0, len(whole), 3):
        changed = bytearray(whole)
        changed[place] ^= 0x40
        path.write_bytes(changed)
        try:
            values, _ = gathered(parquet(path, columns=["a", "b"]))
        except (ValueError, OSError) as error:
            assert str(error).endswith(".") and "\n" not in str(error), error
        else:
            unnoticed += not np.array_equal(values, VALUES, equal_nan=True)
    # The metadata has no checksum: a changed place of a page there cannot always be told.
    assert unnoticed < len(whole) / 100


@pytest.mark.parametrize("keep", [0, 3, 100, -1, -9])
def test_a_file_cut_short_is_noticed(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"one\.parquet' is damaged"):
        parquet(path)


def test_memory_stays_bounded_however_large_the_row_groups(tmp_path):
    rows = 600_000
    columns = {f"x{j}": np.random.default_rng(j).normal(size=rows) for j in range(8)}
    pq.write_table(pa.table(columns), tmp_path / "big.parquet", row_group_size=rows)
    assert (tmp_path / "big.parquet").stat().st_size > 30e6
    code = """
        import sys, pyarrow
        from latentia.data import parquet
        stream = parquet(sys.argv[1], batch_rows=8192)
        most = max(pyarrow.total_allocated_bytes() for _ in stream.batches())
        print(most)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(Path(tmp_path) / "big.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # Pages of a megabyte a column, twice, and a batch; all at once it would be 38 MB.
    assert int(done.stdout) < 25e6


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9, 50])
def test_partitions_are_the_rows_in_order_cut_between_row_groups(tmp_path, count):
    for i, (rows, group) in enumerate([(23, 5), (0, 5), (40, 40), (7, 2)]):
        part = np.arange(rows) + 100.0 * i
        pq.write_table(pa.table({"a": part}), tmp_path / f"{i}.parquet", row_group_size=group)
    whole = parquet(tmp_path, batch_rows=6)
    parts = whole.partitions(count)
    # 5 groups, none, 1 and 4.
    assert len(parts) <= min(count, 10) and (count < 4 or len(parts) > 2)
    assert sum(part.rows for part in parts) == whole.rows
    everything = gathered(whole)[0]
    np.testing.assert_array_equal(np.concatenate([gathered(p)[0] for p in parts]), everything)
    for part in parts:
        values = gathered(pickle.loads(pickle.dumps(part)))[0]
        some = np.unique([0, part.rows // 2, part.rows - 1])
        np.testing.assert_array_equal(part.take(some)[0], values[some])
    if count == 50:
        assert [part.rows for part in parts] == [5, 5, 5, 5, 3, 40, 2, 2, 2, 1]


def test_a_part_without_weight_is_no_error_and_rows_keep_their_numbers(tmp_path):
    weight = np.repeat([0.0, 1.0], 5)
    values = np.arange(10.0)
    values[8] = np.inf
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": values, "w": weight}), path, row_group_size=5)
    first, second = parquet(path, weights="w").partitions(2)
    np.testing.assert_array_equal(gathered(first)[1], 0)
    with pytest.raises(ValueError, match="row 8"):
        gathered(second)


def test_a_pattern_names_the_files_that_match(tmp_path, path):
    pq.write_table(table(), tmp_path / "two.parquet")
    (tmp_path / "notes.txt").write_text("no")
    assert parquet(f"{tmp_path}/*.parquet").rows == 2 * ROWS
    assert parquet(f"{tmp_path}/t*.parquet").rows == ROWS
    with pytest.raises(ValueError, match="path should lead to Parquet files with rows"):
        parquet(f"{tmp_path}/z*.parquet")
