from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

import latentia
from latentia import io
from latentia.datasets import load_carcinoma, load_faithful
from latentia.estimators import files
from latentia.io.models import write_tree

HERE = Path(__file__).parent


def models():
    full = latentia.Gaussian([[0.0, 1.0], [2.0, 3.0]], [np.eye(2), [[2.0, 0.5], [0.5, 1.0]]])
    mixed = latentia.Product(
        latentia.DiagonalGaussian([[0.0], [1.0]], [[1.0], [2.0]]),
        latentia.Categorical([[[0.2, 0.8, 0.0]], [[0.5, 0.25, 0.25]]]),
        latentia.Poisson([[1.5], [3.0]]),
        latentia.Bernoulli([[0.1], [0.9]]),
    )
    linear = latentia.LinearGaussian([[1.0], [0.5]], [0.0, 1.0], [0.1, 0.2])
    model = latentia.LatentVariableModel
    two = latentia.Discrete([0.4, 0.6])
    return [
        model(two, latentia.Switch(full)),
        model(two, latentia.Switch(mixed)),
        model(two, latentia.Switch(latentia.SphericalGaussian([[0.0], [1.0]], [1.0, 2.0]))),
        model(latentia.GaussianLatent(1), linear),
        model(latentia.Branching(two, latentia.GaussianLatent(1)), latentia.Switch(linear, 2)),
        model(latentia.Discrete(3), latentia.Switch(latentia.Gaussian(dim=4, tied=True), 3)),
    ]


def equal(first, second):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("model", models(), ids=range(6))
def test_core_models_come_back_bit_for_bit(model, tmp_path):
    path = tmp_path / "model.safetensors"
    io.save(model, path)
    equal(io.load(path), model)
    assert path.stat().st_size < 3000
    first = path.read_bytes()
    io.save(model, path)
    assert path.read_bytes() == first


def test_state_space_models_come_back_with_what_covariates_do(tmp_path):
    driven = latentia.DrivenGaussianChain(latentia.GaussianChain(2), covariates=3, learned=())
    emission = latentia.LinearGaussianRegression(np.eye(2), [[1.0], [2.0]], [0.0, 1.0], [0.1, 0.2])
    for model in (
        latentia.LatentVariableModel(driven, latentia.PerStep(emission, drivers=3)),
        latentia.structural(period=4, regressors=2),
        latentia.dynamic_factors(5, 2, lags=2),
    ):
        io.save(model, tmp_path / "model.safetensors")
        equal(io.load(tmp_path / "model.safetensors"), model)


def test_version_1_is_read_for_ever():
    loaded = io.load(HERE / "model_1.safetensors")
    equal(loaded, models()[1])
    estimator = latentia.estimators.files.load(HERE / "estimator_1.safetensors")
    assert type(estimator).__name__ == "GaussianMixture"
    frame = pd.DataFrame(load_faithful().data, columns=["eruptions", "waiting"])
    assert estimator.score(frame) == pytest.approx(-1130.2639601847 / 272, rel=1e-12)
    assert list(estimator.feature_names_in_) == ["eruptions", "waiting"]


def wrong_models():
    good = models()[0]
    change = eqx.tree_at
    return {
        "weights": change(lambda m: m.prior.weights, good, np.array([0.4, 0.4])),
        "negative": change(lambda m: m.prior.weights, good, np.array([1.4, -0.4])),
        "infinite": change(lambda m: m.likelihood.parts.mean, good, np.full((2, 2), np.inf)),
        "shape": change(lambda m: m.likelihood.parts.mean, good, np.zeros((2, 3))),
        "dtype": change(lambda m: m.likelihood.parts.mean, good, np.zeros((2, 2), int)),
        "skew": change(lambda m: m.likelihood.parts.covariance, good, np.ones((2, 2, 2)).cumsum(2)),
        "states": change(lambda m: m.prior.weights, good, np.array([0.2, 0.3, 0.5])),
    }


@pytest.mark.parametrize("name", list(wrong_models()))
def test_files_that_describe_no_valid_model_are_refused(name, tmp_path):
    path = tmp_path / "model.safetensors"
    write_tree("model", wrong_models()[name], path, {})
    with pytest.raises(io.ModelFileError):
        io.load(path)


def test_other_things_are_refused(tmp_path):
    with pytest.raises(TypeError, match="LatentVariableModel"):
        io.save({"a": 1}, tmp_path / "x")
    with pytest.raises(TypeError, match="estimator of latentia"):
        files.save([1], tmp_path / "x")
    with pytest.raises(NotFittedError):
        files.save(latentia.GaussianMixture(), tmp_path / "x")
    write_tree("Forest", {}, tmp_path / "x", {})
    with pytest.raises(io.ModelFileError, match="does not know the 'Forest'"):
        files.load(tmp_path / "x")
    write_tree("GaussianMixture", {"model": None}, tmp_path / "x", {})
    with pytest.raises(io.ModelFileError, match="no valid model file"):
        files.load(tmp_path / "x")
    with pytest.raises(io.ModelFileError, match=r"latentia\.load|holds a fitted"):
        io.load(tmp_path / "x")


def estimators():
    table = load_faithful()
    frame = pd.DataFrame(table.data, columns=list(table.columns))
    mixed = frame.assign(long=frame.waiting > 70, kind=np.where(frame.eruptions > 3, "a", "b"))
    ratings = pd.DataFrame(load_carcinoma().data, columns=list("ABCDEFG"))
    quick = {"n_init": 2, "tol": 1e-3}
    return [
        (latentia.GaussianMixture(2, random_state=np.random.RandomState(0), **quick), frame),
        (latentia.GaussianMixture(2, covariance_type="tied", **quick), frame.to_numpy("float32")),
        (latentia.FactorAnalysis(1, rotation="varimax", **quick), ratings.astype(float) + 0.0),
        (latentia.LatentClass(2, **quick), ratings),
        (latentia.MixedMixture(2, **quick), mixed),
    ]


@pytest.mark.parametrize(
    ("estimator", "data"),
    [
        pytest.param(*one, id=str(i), marks=pytest.mark.exhaustive if i else pytest.mark.slow)
        for i, one in enumerate(estimators())
    ],
)
def test_estimators_load_without_their_data(estimator, data, tmp_path):
    path = tmp_path / "model.safetensors"
    estimator.fit(data)
    files.save(estimator, path, extra={"note": "hello"})
    loaded, extra = files.load_with_extra(path)
    assert extra["note"] == "hello" and "latentia" in extra["versions"]
    np.testing.assert_array_equal(loaded.score_samples(data), estimator.score_samples(data))
    assert loaded.summary() == estimator.summary()
    fitted = {name for name in vars(estimator) if name.endswith("_")}
    assert fitted <= set(vars(loaded))
    for name in fitted:
        if isinstance(getattr(estimator, name), np.ndarray):
            np.testing.assert_array_equal(getattr(loaded, name), getattr(estimator, name))
    assert path.stat().st_size < 12_000
