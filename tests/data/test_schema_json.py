"""A schema written down: as JSON and as a printed table."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

from data.mixed_columns import DATA
from latentia.data import (
    describe,
    from_json,
    infer_items,
    infer_schema,
    to_json,
)

NAN = float("nan")
MIXED = pl.DataFrame(DATA)


def test_a_schema_goes_through_json():
    schema = infer_schema(MIXED)
    assert from_json(json.loads(json.dumps(to_json(schema)))) == schema
    ordered = infer_schema(pd.DataFrame({"c": pd.Categorical([2, 1], [2, 1], ordered=True)}))
    assert from_json(json.loads(json.dumps(to_json(ordered)))) == ordered


def entry(**changes):
    columns = [{"name": "a", "kind": "categorical", "levels": ["x", "y"]} | changes]
    return {"columns": columns, "notes": []}


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"columns": []},
        {"columns": {}, "notes": []},
        {"columns": [], "notes": [1]},
        {"columns": [None], "notes": []},
        {"columns": [{"name": "a"}], "notes": []},
        {"columns": entry()["columns"] * 2, "notes": []},
        entry(name=1),
        entry(kind="normal"),
        entry(kind=["gaussian"]),
        entry(kind="gaussian"),
        entry(levels=None),
        entry(levels=[]),
        entry(levels="xy"),
        entry(levels=["x", "x"]),
        entry(levels=["x", 1]),
        entry(levels=[True, 0]),
        entry(levels=[1, 1.0]),
        entry(levels=[[], {}]),
        entry(levels=[NAN, 1]),
        entry(levels=[float("inf"), 1]),
        entry(kind="bernoulli", levels=["x"]),
        entry(kind="bernoulli", levels=[1, 2, 3]),
        entry(kind="poisson", levels=[1, 2]),
    ],
)
def test_damaged_json_is_one_sentence(data):
    with pytest.raises(ValueError, match="schema"):
        from_json(data)


def test_a_schema_is_printed_as_a_table():
    lines = describe(infer_schema(MIXED)).splitlines()
    assert lines[0].split() == ["column", "kind", "levels"]
    assert lines[1].split() == ["flag", "bernoulli", "False,", "True"]
    assert lines[4].split() == ["many", "poisson"]
    assert len(lines) == 10 and lines[7].startswith(
        "note: two: the whole numbers 5 and 7 are levels"
    )
    assert "... (9 levels)" in describe(infer_items(np.arange(9)[:, None]))
