import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import latentia
from latentia import (
    Discrete,
    GaussianLatent,
    GaussianRegression,
    LatentVariableModel,
    LinearGaussian,
    Switch,
)
from latentia.answers import write_answers, write_draws
from latentia.data import Dask, Stream
from laws.engines import MODEL, rows, write

VALUES, _ = rows()
VALUES = (VALUES - VALUES.mean(axis=0)) / VALUES.std(axis=0)
FACTORS = LatentVariableModel(
    GaussianLatent(1), LinearGaussian(np.ones((3, 1)), np.zeros(3), noise=np.ones(3))
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("rows"), VALUES)


def columns(paths):
    return pq.read_table(paths).to_pandas().to_numpy()


@pytest.mark.parametrize("engine", ["dask", "mesh", Stream(3)], ids=str)
def test_answers_are_those_of_memory_in_order(folder, tmp_path, client, engine):
    engine = Dask(client, partitions=3) if engine == "dask" else engine
    paths = [write_answers(verb, MODEL, folder, tmp_path / verb, engine=engine)
             for verb in ("score", "map_estimate", "infer")]  # fmt: skip
    assert len(paths[0]) == (1 if engine == "mesh" else 3)
    scores, states, shares = map(columns, paths)
    np.testing.assert_allclose(scores[:, 0], latentia.score(MODEL, VALUES), rtol=1e-12)
    np.testing.assert_array_equal(states[:, 0], latentia.map_estimate(MODEL, VALUES))
    expected = latentia.infer(MODEL, VALUES).probabilities
    np.testing.assert_allclose(shares, expected, rtol=1e-10)


def test_factors_have_means_and_deviations(folder, tmp_path):
    found = columns(write_answers("infer", FACTORS, folder, tmp_path / "out"))
    posterior = latentia.infer(FACTORS, VALUES)
    np.testing.assert_allclose(found[:, 0], posterior.mean[:, 0], rtol=1e-12)
    np.testing.assert_allclose(found[:, 1], np.sqrt(posterior.covariance[:, 0, 0]), rtol=1e-12)


def test_a_file_that_breaks_leaves_nothing_half_written(tmp_path):
    broken = VALUES.copy()
    broken[4000, 1] = np.inf
    folder = write(tmp_path / "rows", broken)
    with pytest.raises(ValueError, match="row 4000"):
        write_answers("score", MODEL, folder, tmp_path / "out", engine=Stream(3))
    assert sorted(os.listdir(tmp_path / "out")) == ["part-00000.parquet", "part-00001.parquet"]


def test_draws_are_the_same_however_they_are_shared_out(tmp_path, client):
    count = 2 * 8192
    engines = {"one": "stream", "two": Stream(2), "dask": Dask(client, partitions=2)}
    found = {
        name: write_draws(MODEL, count, tmp_path / name, key=3, latent=True, engine=engine)
        for name, engine in engines.items()
    }
    assert [len(paths) for paths in found.values()] == [1, 2, 2]
    one, *others = (columns(paths) for paths in found.values())
    for other in others:
        np.testing.assert_array_equal(one, other)
    # The first component has the weight 0.3: five standard deviations are 0.018.
    assert one.shape == (count, 4) and abs(np.mean(one[:, 3] == 0) - 0.3) < 0.018
    other = columns(write_draws(MODEL, 50, tmp_path / "other", key=4, columns=list("abc")))
    assert other.shape == (50, 3) and not np.isin(other, one).any()
    with pytest.raises(ValueError, match="n should be a whole number"):
        write_draws(MODEL, 0, tmp_path / "none")
    with pytest.raises(ValueError, match="columns should be 3 different names"):
        write_draws(MODEL, 1, tmp_path / "none", columns=["a", "a", "b"])


def test_what_does_not_fit_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="verb should be one of"):
        write_answers("predict", MODEL, folder, tmp_path)
    with pytest.raises(ValueError, match="data should have 3 columns"):
        write_answers("score", MODEL, VALUES[:, :2], tmp_path, engine="memory")
    (tmp_path / "part-00000.parquet").write_text("")
    with pytest.raises(ValueError, match="folder should hold no answers yet"):
        write_answers("score", MODEL, folder, tmp_path)


def test_covariates_are_columns_too(tmp_path):
    rng = np.random.default_rng(0)
    u, x = rng.normal(size=(50, 1)), rng.normal(size=(50, 1))
    x[7] = np.nan
    parts = GaussianRegression(
        coefficients=[[[2.0]], [[-1.0]]], intercept=[[0.0], [1.0]], variances=[[1.0], [0.5]]
    )
    model = LatentVariableModel(Discrete([0.4, 0.6]), Switch(parts))
    pq.write_table(pa.table({"u": u[:, 0], "x": x[:, 0]}), tmp_path / "rows.parquet")
    expected = latentia.score(model, x, given=u)
    for i, (data, given) in enumerate(((tmp_path / "rows.parquet", ["u"]), (x, u))):
        found = columns(write_answers("score", model, data, tmp_path / f"{i}", given=given))
        np.testing.assert_allclose(found[:, 0], expected, rtol=1e-12)
    with pytest.raises(ValueError, match="given should name the 1 columns of covariates"):
        write_answers("score", model, tmp_path / "rows.parquet", tmp_path / "none")
