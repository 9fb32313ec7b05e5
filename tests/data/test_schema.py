import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.mixed_columns import DATA
from latentia.data import (
    Column,
    Schema,
    decode,
    encode,
    from_json,
    infer_items,
    infer_schema,
    read_items,
    to_json,
)

NAN = np.nan
COLUMNS = (
    Column("flag", "bernoulli", (False, True)),
    Column("text", "categorical", ("no", "yes")),
    Column("two", "categorical", (5, 7)),
    Column("many", "poisson", None),
    Column("below", "gaussian", None),
    Column("real", "gaussian", None),
)
CODES = np.array(
    [
        [1, 0, 0, 3, -1, 0.5],
        [NAN, 1, 1, 0, 4, NAN],
        [0, NAN, 1, 12, 5, 2],
        [1, 1, 0, 3, 6, 1],
    ]
)
MAKES = [pd.DataFrame, pl.DataFrame, pa.table]
FRAMES = [
    *(make(DATA) for make in MAKES),
    pd.DataFrame(DATA).convert_dtypes(dtype_backend="pyarrow"),
    pd.DataFrame(DATA).astype({"flag": "boolean", "text": "category", "two": "Int8"}),
    pd.DataFrame(DATA).astype(object),
]


@pytest.mark.parametrize("frame", FRAMES)
def test_frames_of_every_make_have_the_same_schema_and_codes(frame):
    schema = infer_schema(frame)
    assert schema.columns == COLUMNS
    np.testing.assert_array_equal(encode(schema, frame), CODES)


@pytest.mark.parametrize("kind", [*FRAMES])
def test_the_way_back_gives_the_values(kind):
    back = decode(infer_schema(kind), CODES)
    assert list(back) == list(DATA)
    assert back["flag"].tolist() == DATA["flag"] and back["text"].tolist() == DATA["text"]
    assert back["two"].dtype == np.int64 and back["two"].tolist() == DATA["two"]
    assert back["many"].dtype == np.int64 and back["many"].tolist() == DATA["many"]
    np.testing.assert_array_equal(back["real"], [0.5, NAN, 2, 1])


def test_whole_values_keep_their_type_on_the_way_back_and_missing_ones_are_nan():
    schema = Schema((*COLUMNS[:4],))
    back = decode(schema, [[1, 1, 1, 2]])
    assert back["flag"].dtype == bool and back["text"].dtype == object
    back = decode(schema, [[NAN] * 4])
    assert back["flag"].tolist() == [None] and back["text"].tolist() == [None]
    assert np.isnan(back["two"]).all() and np.isnan(back["many"]).all()


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[2, 0, 0, 0]], "below 2 for the bernoulli column 'flag', but row 0 has 2"),
        ([[0, 0.5, 0, 0]], "column 'text', but row 0 has 0.5"),
        ([[0, 0, -1, 0]], "column 'two', but row 0 has -1"),
        ([[0, 0, 0, -1]], "poisson column 'many', but row 0 has -1"),
        ([[0, 0, 0]], r"shape \(N, 4\).*has \(1, 3\)"),
        ([0, 0, 0, 0], r"has \(4,\)"),
    ],
)
def test_codes_that_cannot_be_are_one_sentence(codes, message):
    with pytest.raises(ValueError, match=message):
        decode(Schema(COLUMNS[:4]), codes)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(
            {"e": pd.Categorical(["mid", "low", None], ["low", "mid", "top"], ordered=True)}
        ),
        pl.DataFrame({"e": pl.Series(["mid", "low", None], dtype=pl.Enum(["low", "mid", "top"]))}),
    ],
)
def test_an_enumeration_keeps_its_order_and_its_levels(frame):
    schema = infer_schema(frame)
    assert schema.columns == (Column("e", "categorical", ("low", "mid", "top")),)
    np.testing.assert_array_equal(encode(schema, frame), [[1], [0], [NAN]])


def test_categories_are_sorted_unless_pandas_orders_them():
    assert levels(pl.DataFrame({"c": pl.Series(["b", "a"], dtype=pl.Categorical)})) == ("a", "b")
    assert levels(pa.table({"c": pa.array(["b", "a", None]).dictionary_encode()})) == ("a", "b")
    assert levels(pa.table({"c": pa.array([30, 7, 8]).dictionary_encode()})) == (7, 8, 30)
    assert levels(pd.DataFrame({"c": pd.Categorical(["a", "b"], ["b", "z", "a"])})) == ("b", "a")
    assert levels(pd.DataFrame({"c": pd.Categorical([3, 1, 2])})) == (1, 2, 3)


def levels(frame, **overrides):
    (column,) = infer_schema(frame, overrides).columns
    assert column.kind == "categorical"
    return column.levels


def test_whole_floats_are_counts_and_said_to_be():
    for values in ([0.0, 3.0, NAN], [0.0, 1.0, 1.0], [4.0, NAN, NAN]):
        schema = infer_schema(pd.DataFrame({"n": values}))
        assert schema.columns == (Column("n", "poisson", None),)
        assert "n: " in schema.notes[0] and "stored as floats" in schema.notes[0]
    for values in ([0.0, -1.0], [0.5, 1.0], [0.0, 1e300]):
        assert infer_schema(pd.DataFrame({"n": values})).columns[0].kind == "gaussian"


def test_ambiguous_columns_are_noted_and_others_not():
    notes = infer_schema(pl.DataFrame(DATA)).notes
    assert [note.split(":")[0] for note in notes] == ["two", "many", "below"]
    many = pl.DataFrame({"n": range(30), "s": ["a"] * 30, "b": [True] * 30})
    assert infer_schema(many).notes == ()
    assert (
        infer_schema(pl.DataFrame(DATA), {"two": "poisson", 3: "categorical", 4: "gaussian"}).notes
        == ()
    )


def test_an_override_replaces_the_kind():
    frame = pl.DataFrame(DATA)
    schema = infer_schema(
        frame, {"flag": "categorical", 1: "bernoulli", "two": "bernoulli", "many": "categorical"}
    )
    assert schema.columns[:4] == (
        Column("flag", "categorical", (False, True)),
        Column("text", "bernoulli", ("no", "yes")),
        Column("two", "bernoulli", (5, 7)),
        Column("many", "categorical", (0, 3, 12)),
    )
    assert infer_schema(frame, {"two": "gaussian"}).columns[2] == Column("two", "gaussian", None)
    assert infer_schema([[0], [0]], {"x0": "bernoulli"}).columns[0].levels == (0, 1)
    assert levels(pl.DataFrame({"s": list(map(str, range(60)))}), s="categorical")[:2] == ("0", "1")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"tow": "poisson"}, "'tow' does not exist: the columns are flag, text"),
        ({9: "poisson"}, "9 does not exist"),
        ({-1: "poisson"}, "-1 does not exist"),
        ({"two": "gaussian", 2: "poisson"}, "2 is named twice"),
        ({"two": "normal"}, "'normal' for 'two'"),
        ({"text": "gaussian"}, "column 'text' of X should hold numbers, but row 0 has 'no'"),
        ({"below": "poisson"}, "column 'below' of X should hold counts.*row 0 has -1"),
        ({"many": "bernoulli"}, "column 'many' of X should have 2 levels .*but has 3"),
    ],
)
def test_overrides_that_cannot_be_are_one_sentence(overrides, message):
    with pytest.raises(ValueError, match=message):
        infer_schema(pl.DataFrame(DATA), overrides)


@pytest.mark.parametrize(
    ("frame", "kind", "message"),
    [
        (pl.DataFrame({"s": list(map(str, range(51)))}), ValueError, "'s' of X.*50 levels.*has 51"),
        (pd.DataFrame({"a": [1], "b": [NAN]}), ValueError, "column 'b' of X.*all missing"),
        (pl.DataFrame({"b": [None]}), ValueError, "column 'b' of X.*all missing"),
        (pd.DataFrame({"d": pd.to_datetime(["2020"])}), TypeError, "column 'd' of X"),
        (pd.DataFrame({"m": [1, "a"]}), ValueError, "'m' of X.*row 0 has 1 and row 1 has 'a'"),
        (pl.LazyFrame({"a": [1]}), TypeError, "collect"),
        (pl.DataFrame(), ValueError, "empty"),
    ],
)
def test_tables_without_a_schema_are_one_sentence(frame, kind, message):
    with pytest.raises(kind, match=message):
        infer_schema(frame)


def test_fifty_levels_are_not_too_many():
    assert len(levels(pl.DataFrame({"s": list(map(str, range(50)))})) or ()) == 50


def test_arrays_have_columns_by_number():
    schema = infer_schema(np.array([[0.5, 1], [NAN, 0]]))
    assert [(c.name, c.kind) for c in schema.columns] == [("x0", "gaussian"), ("x1", "poisson")]
    schema = infer_schema([["a", 1, True], [None, 2, False], ["b", 3, None]])
    assert [c.kind for c in schema.columns] == ["categorical", "poisson", "bernoulli"]
    got = encode(schema, [["b", 9, False], [None, None, None]])
    np.testing.assert_array_equal(got, [[1, 9, 0], [NAN] * 3])
    assert infer_schema(np.array([["a"], ["b"]])).columns[0].levels == ("a", "b")
    assert infer_schema(np.array([[True]])).columns[0].kind == "bernoulli"


def test_columns_are_found_by_name_in_frames_and_by_position_in_arrays():
    schema = infer_schema(pl.DataFrame(DATA))
    other = (
        pl.DataFrame(DATA)
        .select(reversed(list(DATA)))
        .with_columns(when=pl.lit("x").cast(pl.Binary))
    )
    np.testing.assert_array_equal(encode(schema, other), CODES)
    rows = list(zip(*DATA.values(), strict=True))
    np.testing.assert_array_equal(encode(schema, rows), CODES)
    with pytest.raises(ValueError, match="Z should have the columns.*no column 'two': add it"):
        encode(schema, pl.DataFrame(DATA).drop("two"), argument="Z")
    with pytest.raises(ValueError, match="should have 6 columns as the schema has, but has 5"):
        encode(schema, [row[:5] for row in rows])


@pytest.mark.parametrize("make", MAKES)
def test_a_new_level_is_an_error_or_missing(make):
    schema = infer_schema(make({"s": ["a", "b"], "n": [1, 2]}))
    new = make({"s": ["a", None, "c"], "n": [2, 3, 1]})
    with pytest.raises(ValueError, match=r"'s' of X .*\('a', 'b'\), but row 2 has 'c'") as caught:
        encode(schema, new)
    assert "unknown='missing'" in str(caught.value)
    got = encode(schema, new, unknown="missing")
    np.testing.assert_array_equal(got, [[0, 1], [NAN, NAN], [NAN, 0]])
    with pytest.raises(ValueError, match="unknown should be 'error' or 'missing', but is 'ignore'"):
        encode(schema, new, unknown="ignore")  # pyright: ignore[reportArgumentType]


def test_numbers_of_another_type_are_the_same_level_and_texts_are_not():
    schema = infer_schema(pl.DataFrame({"n": [1, 2, 2]}))
    got = encode(schema, pd.DataFrame({"n": [2.0, NAN, 1.0]}))
    np.testing.assert_array_equal(got, [[1], [NAN], [0]])
    np.testing.assert_array_equal(encode(schema, [[True]]), [[0]])
    with pytest.raises(ValueError, match="row 0 has '1'"):
        encode(schema, [["1"]])
    huge = infer_schema(pl.DataFrame({"n": [2**60, 2**60 + 1]}))
    np.testing.assert_array_equal(encode(huge, pl.DataFrame({"n": [2**60 + 1]})), [[1]])
    assert decode(huge, [[1]])["n"].tolist() == [2**60 + 1]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("many", [1, 2, -1, 0], "'many' of X should hold counts .*row 2 has -1"),
        ("many", [1, 0.5, -1, 0], "'many' of X should hold counts .*row 1 has 0.5"),
        ("many", ["1", "2", "3", "4"], "'many' of X should hold numbers, but row 0 has '1'"),
        (
            "real",
            [0, np.inf, 0, 0],
            "X should be finite or missing, but row 1, column 'real' is inf",
        ),
        ("many", [0, np.inf, 0, 0], "finite or missing, but row 1, column 'many' is inf"),
        ("real", [0, 1, 1e200, 0], r"row 2, column 'real' is 1e\+200: rescale"),
    ],
)
def test_values_that_a_kind_does_not_allow_are_one_sentence(column, values, message):
    with pytest.raises(ValueError, match=message):
        encode(Schema(COLUMNS), pd.DataFrame(DATA | {column: values}))


VALUES = {
    "text": st.text(max_size=3),
    "flag": st.booleans(),
    "code": st.integers(0, 2**62),
    "real": st.floats(-1e9, 1e9).map(lambda value: round(value, 3) + 0.5),
}
ROWS = st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()})


@given(st.lists(ROWS, min_size=1, max_size=20), st.sampled_from(["pandas", "polars", "pyarrow"]))
def test_there_and_back_again(rows, library):
    columns = {name: [row[name] for row in rows] for name in VALUES}
    columns = {
        name: values for name, values in columns.items() if any(v is not None for v in values)
    }
    if not columns:
        return
    kinds = {"text": pa.string(), "flag": pa.bool_(), "code": pa.int64(), "real": pa.float64()}
    frame = pa.table({name: pa.array(values, kinds[name]) for name, values in columns.items()})
    if library == "pandas":
        frame = frame.to_pandas(types_mapper=pd.ArrowDtype)
    elif library == "polars":
        frame = pl.from_arrow(frame)
    kind = {"code": "categorical"} if "code" in columns else None
    schema = infer_schema(frame, kind)
    assert from_json(json.loads(json.dumps(to_json(schema)))) == schema
    back = decode(schema, encode(schema, frame))
    for name, values in columns.items():
        got = back[name].tolist()
        assert [None if v is None or v != v else v for v in got] == [
            float(v) if v is not None and name == "code" and None in values else v for v in values
        ]


@pytest.mark.parametrize("make", MAKES)
def test_items_are_categorical_whatever_their_type(make):
    schema, codes = read_items(make(DATA))
    assert {column.kind for column in schema.columns} == {"categorical"}
    found = [column.levels for column in schema.columns]
    assert found[0] == (False, True) and found[1] == ("no", "yes") and found[3] == (0, 3, 12)
    assert found[4] == (-1, 4, 5, 6) and found[5] == (0.5, 1.0, 2.0)
    np.testing.assert_array_equal(codes[:, 3], [1, 0, 2, 1])
    np.testing.assert_array_equal(codes[:, 5], [0, NAN, 2, 1])


def test_items_in_arrays():
    schema, codes = read_items(np.array([[1, 2], [2, NAN], [1, 5]]))
    assert [column.levels for column in schema.columns] == [(1, 2), (2, 5)]
    np.testing.assert_array_equal(codes, [[0, 0], [1, NAN], [0, 1]])
    with pytest.raises(ValueError, match="column 'x1' of answers.*all missing"):
        infer_items([[1, None]], argument="answers")
    with pytest.raises(ValueError, match="column 'x0' of X should be finite or missing, but row 1"):
        infer_items([[0.5], [np.inf]])
    assert "60 levels" in infer_items(np.arange(60)[:, None]).notes[0]
