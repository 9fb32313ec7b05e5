import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from pyarrow import csv, parquet

from latentia.cli import main
from latentia.cli.options import Numbers
from latentia.datasets import load_carcinoma, load_faithful

QUICK = ["--n-init", "1", "--tol", "1e-3"]


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    # Never the cache of the person who runs the tests.
    import jax

    before = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    if before is None:
        jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("xla")))
    yield
    jax.config.update("jax_compilation_cache_dir", before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The geyser as a CSV file, with a weight, a text column and some empty cells; and a model."""
    path = tmp_path_factory.mktemp("cli")
    data = load_faithful().data
    lines = ["eruptions,waiting,w,who"]
    lines += [f"{a if i % 50 else ''},{b},{1 + i % 2},x" for i, (a, b) in enumerate(data)]
    (path / "geyser.csv").write_text("\n".join(lines) + "\n")
    ask("fit", path / "geyser.csv", "--components", "2", "--covariance", "diag", "--ignore", "who",
        "--weights", "w", "--out", path / "out", *QUICK)  # fmt: skip
    return path


def ask(*arguments, code=0, **options):
    result = CliRunner().invoke(main, [str(a) for a in arguments], **options)
    assert result.exit_code == code, (result.output, result.exception)
    assert "Traceback" not in result.output
    return result


def run(*arguments, **options):
    # A process that was started in the background ignores Ctrl-C, and so would its children.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from latentia.cli import main; main()"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def test_help_needs_neither_jax_nor_scikit_learn():
    script = (
        "import sys; from click.testing import CliRunner; from latentia.cli import main; "
        "r = [CliRunner().invoke(main, a) for a in (['--help'], ['fit', '--help'])]; "
        "assert all(x.exit_code == 0 for x in r); "
        "print(sorted({'jax', 'sklearn', 'pyarrow', 'numpy', 'rich'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
    assert "latentia demo" in ask("--help").output
    for command in ("fit", "map", "infer", "score", "sample", "info", "demo"):
        assert "Example" in ask(command, "--help").output or command == "demo"


@pytest.mark.parametrize(
    ("text", "numbers"), [("1:9", range(1, 10)), ("3", [3]), ("2,4:5,2", [2, 4, 5])]
)
def test_ranges_include_their_end(text, numbers):
    assert Numbers().convert(text, None, None) == tuple(numbers)


def test_fit_writes_a_folder(folder):
    files = set(os.listdir(folder / "out"))
    expected = {"model.safetensors", "candidates.csv", "summary.txt", "clusters.png", "trace.png"}
    assert files == expected | {"uncertainty.png"}
    assert (folder / "out" / "clusters.png").read_bytes()[:4] == b"\x89PNG"
    table = csv.read_csv(folder / "out" / "candidates.csv").to_pylist()
    assert table[0]["components"] == 2 and table[0]["status"] == "converged"


def test_what_one_asks_of_a_model(folder, tmp_path):
    model, data = folder / "out" / "model.safetensors", folder / "geyser.csv"
    states = json.loads(ask("map", model, data, "--json").stdout)["component"]
    assert sorted(set(states)) == [0, 1] and len(states) == 272
    text = ask("map", model, "-", input=data.read_text()).stdout.splitlines()
    assert text[0] == "component" and [int(x) for x in text[1:]] == states
    ask("infer", model, data, "--out", tmp_path / "soft.parquet")
    soft = parquet.read_table(tmp_path / "soft.parquet")
    assert soft.column_names == ["probability_0", "probability_1"]
    np.testing.assert_allclose(sum(c.to_numpy() for c in soft.columns), 1)
    scores = json.loads(ask("score", model, data, "--json").stdout)["log_likelihood"]
    assert np.isfinite(scores).all()
    draws = ask("sample", model, "-n", 3, "--latent", "--seed", 1).stdout.splitlines()
    assert draws[0] == "component,eruptions,waiting" and len(draws) == 4
    told = json.loads(ask("info", model, "--json").stdout)
    assert told["estimator"] == "GaussianMixture" and told["columns"] == ["eruptions", "waiting"]
    assert told["rows"] == 408 and told["seed"] == 0
    assert "eruptions" in ask("info", model).output
    assert sorted(os.listdir(tmp_path)) == ["soft.parquet"]


@pytest.mark.slow
def test_the_demo_of_the_readme_writes_its_folder(tmp_path):
    told = json.loads(ask("demo", "--out", tmp_path / "out", "--json").stdout)
    assert len(told["candidates"]) == 12
    assert {"faithful.csv", "model.safetensors"} <= set(os.listdir(tmp_path / "out"))


@pytest.mark.exhaustive
def test_texts_are_items_of_latent_classes(tmp_path):
    ratings = np.where(load_carcinoma().data == 1, "yes", "no")
    columns = {name: ratings[:, j].tolist() for j, name in enumerate("ABCDEFG")}
    columns["A"][0] = None
    parquet.write_table(pa.table(columns), tmp_path / "d.parquet")
    told = ask("fit", tmp_path / "d.parquet", "--model", "latent-class", "--components", "1:2",
               "--out", tmp_path / "out", "--json", *QUICK)  # fmt: skip
    told = json.loads(told.stdout)
    assert told["best"]["components"] == 2 and len(told["candidates"]) == 2
    assert {"profiles.png", "selection.png"} <= set(told["files"])
    model = tmp_path / "out" / "model.safetensors"
    lines = ask("sample", model, "-n", 2).stdout.splitlines()
    assert lines[0] == "A,B,C,D,E,F,G" and set(lines[1].split(",")) <= {"yes", "no"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "{csv}", "--columns", "nope"], "have no column 'nope': choose from eruptions"),
        (["fit", "{csv}"], "'who'"),
        (["fit", "nowhere.csv"], "'nowhere.csv': No such file"),
        (["fit", "."], "is a folder"),
        (["map", "{csv}", "{csv}"], "is not a latentia model file"),
        (["map", "{model}", "{model}"], "cannot be read as a table"),
        (["sample", "{model}", "--out", "no/where.csv"], "does not exist"),
    ],
)
def test_failures_are_one_sentence_and_exit_1(folder, arguments, message):
    places = {"csv": folder / "geyser.csv", "model": folder / "out" / "model.safetensors"}
    result = ask(*[a.format(**places) for a in arguments], code=1)
    assert message in result.stderr
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit", "d.csv", "--components", "0"],
        ["fit", "d.csv", "--components", "9:1"],
        ["fit", "d.csv", "--covariance", "round"],
        ["fit", "d.csv", "--model", "forest"],
        ["sample", "m", "-n", "0"],
        ["forest"],
    ],
)
def test_wrong_usage_exits_2(arguments):
    ask(*arguments, code=2)


def test_a_failed_fit_leaves_no_files(folder, tmp_path):
    ask("fit", folder / "geyser.csv", "--out", tmp_path / "out", code=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("sign", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_a_command_within_two_seconds(sign, code, tmp_path):
    rng = np.random.default_rng(0)
    np.savetxt(tmp_path / "big.csv", rng.normal(size=(3000, 8)), delimiter=",", header="a,b,c,d,e,f,g,h", comments="")  # fmt: skip  # noqa: E501
    # A cache of its own, so that it compiles and the signal comes while it does.
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "xla")}
    process = run("fit", tmp_path / "big.csv", "--out", tmp_path / "out", env=environment)
    deadline = time.monotonic() + 60
    while not (tmp_path / "xla").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(sign)
    began = time.monotonic()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert time.monotonic() - began < 2
    assert b"Traceback" not in errors and b"nothing was written" in errors
    assert not (tmp_path / "out").exists() or not os.listdir(tmp_path / "out")


@pytest.mark.slow
def test_a_series_is_a_hidden_markov_model(tmp_path):
    path = tmp_path / "series.csv"
    rows = [f"{'a' if i < 40 else 'b'},{20 if i % 20 < 10 else 2}" for i in range(80)]
    path.write_text("\n".join(["run,n", *rows]))
    options = ["--model", "hmm", "--emission", "poisson", "--components", "1:2", "--n-init", "2",
               "--sequence", "run", "--out", str(tmp_path / "out")]  # fmt: skip
    told = ask("fit", path, *options).output
    assert "2 states" in told and (tmp_path / "out" / "states.png").exists()
    model = str(tmp_path / "out" / "model.safetensors")
    states = ask("map", model, path, "--sequence", "run").output.split()
    assert states[0] == "component" and len(states) == 81 and len(set(states)) == 3
    assert len(ask("score", model, path, "--sequence", "run").output.split()) == 3


@pytest.mark.exhaustive
def test_a_series_is_a_linear_dynamical_system(tmp_path):
    path = tmp_path / "series.csv"
    rng = np.random.default_rng(0)
    level = np.cumsum(rng.normal(size=60))
    table = np.stack([level, -level], axis=1) + rng.normal(size=(60, 2))
    rows = [f"{up:.4f},{down:.4f}" for up, down in table]
    path.write_text("\n".join(["up,down", *rows]))
    options = ["--model", "state-space", "--factors", "1", "--n-init", "1",
               "--out", str(tmp_path / "out")]  # fmt: skip
    told = ask("fit", path, *options).output
    assert "1 hidden coordinate," in told and (tmp_path / "out" / "path.png").exists()
    model = str(tmp_path / "out" / "model.safetensors")
    smooth = ask("infer", model, path).output.split()
    assert smooth[0] == "factor_0,deviation_0" and len(smooth) == 61
    assert len(ask("sample", model, "-n", "5").output.split()) == 6
