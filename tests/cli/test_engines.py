import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from latentia.cli import main, planning
from latentia.cli.engines import ENGINES
from latentia.data import engines
from laws.engines import rows, write

VALUES, WEIGHT = rows()
QUICK = ["--n-init", "2", "--tol", "1e-4", "--no-plots", "--weights", "w", "--json"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("rows"), VALUES, WEIGHT)


def fit(data, out, *options, code=0):
    arguments = ["fit", str(data), "--out", str(out), *QUICK, *options]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, (result.output, result.exception)
    return json.loads(result.stdout) if code == 0 else result.stderr


@pytest.mark.exhaustive
def test_a_pattern_is_fitted_as_the_table_is(folder, tmp_path):
    tables = map(pq.read_table, sorted(folder.iterdir()))
    pq.write_table(pa.concat_tables(tables), tmp_path / "x.parquet")
    grid = ["--components", "1:2", "--covariance", "diag"]
    table = fit(tmp_path / "x.parquet", tmp_path / "one", *grid)
    found = fit(f"{folder}/*.parquet", tmp_path / "two", *grid, "--engine", "stream")
    for one, other in zip(found["candidates"], table["candidates"], strict=True):
        assert one["bic"] == pytest.approx(other["bic"], rel=1e-9) and one["status"] == "converged"
    assert found["best"]["components"] == table["best"]["components"] == 2
    files = ["candidates.csv", "model.safetensors", "summary.txt"]
    assert sorted(os.listdir(tmp_path / "two")) == files
    model = str(tmp_path / "two" / "model.safetensors")
    told = CliRunner().invoke(main, ["info", model, "--json"])
    assert json.loads(told.stdout)["columns"] == ["x0", "x1", "x2"]
    for verb in ("score", "map", "infer"):
        arguments = [verb, model, f"{folder}/*.parquet", "--engine", "memory", "--out"]
        done = CliRunner().invoke(main, [*arguments, str(tmp_path / verb)])
        assert done.exit_code == 0, done.output
        told = CliRunner().invoke(main, [verb, model, str(tmp_path / "x.parquet"), "--json"])
        written = pq.read_table(tmp_path / verb).to_pydict()
        for name, column in json.loads(told.stdout).items():
            assert written[name] == pytest.approx(column, rel=1e-12)
    again = CliRunner().invoke(main, [*arguments, str(tmp_path / "infer")])
    assert again.exit_code == 1 and "should hold no answers yet" in again.output
    nowhere = CliRunner().invoke(main, arguments[:-1])
    assert nowhere.exit_code == 1 and "--out should name a folder" in nowhere.output


def test_a_run_goes_on_from_its_checkpoints(folder, tmp_path):
    grid = ["--components", "2", "--covariance", "diag", "--engine", "memory"]
    fit(folder, tmp_path, *grid)
    (tmp_path / ".checkpoint-0.safetensors").write_text("of something else")
    assert "damaged" in fit(folder, tmp_path, *grid, "--resume", code=1)
    # Without the option what is left of an older run does not matter.
    fit(folder, tmp_path, *grid)
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engine", "stream", "--scheduler", "tcp://x:1"], "--scheduler should be left out"),
        (["--engine", "stream", "--workers", "2"], "--workers should be left out"),
        (["--engine", "stream", "--model", "hmm"], "--engine should be left out for --model hmm"),
        (["--engine", "stream", "--criterion", "held_out"], "criterion should be one of bic"),
        (["--engine", "stream", "--columns", "x7"], "should have one column 'x7', but has 0"),
    ],
)
def test_options_that_do_not_go_together(folder, tmp_path, options, message):
    assert message in fit(folder, tmp_path, *options, code=1)


def test_the_command_line_knows_all_engines():
    assert engines.ENGINES == ENGINES


@pytest.mark.exhaustive
def test_a_plan_names_an_engine(tmp_path):
    rng = np.random.default_rng(0)
    folder = write(
        tmp_path / "rows", rng.normal(size=(9000, 3)) + 4 * (rng.random((9000, 1)) < 0.4)
    )
    words = ["plan", str(folder), "--components", "2", "--rows", "8192", "--json"]
    run = CliRunner().invoke(main, words)
    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    assert told["rows"] == 9000 and told["engine"] in told["costs"]
    assert told["seconds"] == pytest.approx(
        told["passes"] * told["costs"][told["engine"]]["seconds"]
    )


def test_a_plan_reads_the_files_that_a_fit_under_an_engine_reads(tmp_path):
    values = np.arange(20.0).reshape(10, 2)
    options = {"columns": None, "ignore": ("x1",), "weights": None}
    np.save(tmp_path / "a.npy", values)
    for name, mark in (("a.tsv", "\t"), ("b1.csv", ",")):
        np.savetxt(tmp_path / name, values, delimiter=mark, header=f"x0{mark}x1", comments="")
    for name in ("a.npy", "a.tsv", "b*.csv"):
        (source, _), head = planning._source(str(tmp_path / name), options)
        assert source.rows == 10 and head.column_names == ["x0"]
