"""The same fit on every engine, and what each cannot take."""

import os

import jax
import numpy as np
import pytest

import latentia
from latentia import (
    EM,
    DiagonalGaussian,
    Discrete,
    GaussianLatent,
    LatentVariableModel,
    LinearGaussian,
    MarkovChain,
    PerStep,
    Switch,
)
from latentia.data import parquet
from latentia.data.dask_cluster import Dask
from latentia.data.in_memory import Memory
from latentia.data.mesh import Mesh
from latentia.data.processes import Processes
from latentia.data.stream import Stream
from latentia.learning.checkpoints import CheckpointError
from laws.engines import on_two_devices, rows, write

VALUES, WEIGHT = rows()
LEARNER = EM(n_init=2, max_iter=6)
SLOW = pytest.mark.slow
ENGINES = [
    "memory",
    "stream",
    "mesh",
    "in-process dask",
    pytest.param("dask", marks=SLOW),
    pytest.param("processes", marks=SLOW),
    Stream(3),
    Memory(2),
]


def mixture(dim=3):
    return LatentVariableModel(Discrete(2), Switch(DiagonalGaussian(dim=dim), 2))


def factors():
    return LatentVariableModel(GaussianLatent(1), LinearGaussian(dim=3, latent_dim=1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("rows"), VALUES, WEIGHT)


@pytest.fixture(scope="module")
def memory():
    return latentia.fit(mixture(), VALUES, weights=WEIGHT, learner=LEARNER)


def assert_same(fit, other, rtol=1e-12):
    np.testing.assert_allclose(fit.trace, other.trace, rtol=rtol)
    np.testing.assert_allclose(fit.log_likelihood, other.log_likelihood, rtol=rtol)
    np.testing.assert_allclose(fit.entropy, other.entropy, rtol=1e-8)
    assert fit.status is other.status and fit.weight == pytest.approx(other.weight)
    for a, b in zip(jax.tree.leaves(fit.model), jax.tree.leaves(other.model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8)
        assert type(a) is np.ndarray


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_every_engine_gives_what_memory_gives(folder, memory, client, engine):
    engine = Dask(client, partitions=3) if engine == "in-process dask" else engine
    fit = latentia.fit(
        mixture(), f"{folder}/*.parquet", weights="w", learner=LEARNER, engine=engine
    )
    assert_same(fit, memory)
    assert fit.columns == ("x0", "x1", "x2")


@pytest.mark.parametrize("engine", ["memory", "mesh", Stream(3)], ids=str)
def test_tables_in_memory_are_data_too(memory, engine):
    fit = latentia.fit(mixture(), VALUES, weights=WEIGHT, learner=LEARNER, engine=engine)
    assert_same(fit, memory)


def test_a_factor_model_is_fitted_from_moments_of_partitions(folder, client):
    whole = latentia.fit(factors(), VALUES, weights=WEIGHT)
    source = parquet(folder, weights="w")
    for engine in (Stream(5), Dask(client, partitions=3)):
        fit = latentia.fit(factors(), source, engine=engine)
        np.testing.assert_allclose(fit.log_likelihood, whole.log_likelihood, rtol=1e-10)
        np.testing.assert_allclose(fit.model.likelihood.noise, whole.model.likelihood.noise, 1e-6)


@pytest.mark.slow
def test_two_devices_climb_as_one_does():
    code = """
        import jax, numpy as np, latentia
        from latentia import EM, Discrete, DiagonalGaussian, LatentVariableModel, Switch
        from latentia.data.mesh import Mesh
        from laws.engines import rows

        values, weight = rows()
        model = LatentVariableModel(Discrete(2), Switch(DiagonalGaussian(dim=3), 2))
        one, two = (
            latentia.fit(model, values, weights=weight, learner=EM(n_init=2, max_iter=6),
                         engine=Mesh(tuple(jax.devices()[:n])))
            for n in (1, 2)
        )
        np.testing.assert_allclose(one.trace, two.trace, rtol=1e-12)
        assert len(one.trace) == 6
    """
    on_two_devices(code)


@pytest.mark.parametrize("engine", [Stream(2), "memory"], ids=str)
def test_a_checkpoint_goes_on_to_the_same_bits(folder, tmp_path, at_pass, caplog, engine):
    def fit(**options):
        learner = EM(n_init=2, max_iter=7, tol=1e-12, **options)
        return latentia.fit(mixture(), folder, weights="w", learner=learner, engine=engine)

    def stop():
        raise InterruptedError

    path = str(tmp_path / "fit.safetensors")
    whole = fit()
    at_pass(3, stop)
    with pytest.raises(InterruptedError):
        fit(checkpoint=path)
    caplog.clear()
    with caplog.at_level("INFO", "latentia"):
        resumed = fit(checkpoint=path)
    passes = [text.split(":")[0] for text in caplog.messages if text.startswith("pass")]
    assert passes == ["pass 4", "pass 5", "pass 6", "pass 7"] and len(whole.trace) == 7
    np.testing.assert_array_equal(resumed.trace, whole.trace)
    for a, b in zip(jax.tree.leaves(resumed.model), jax.tree.leaves(whole.model), strict=True):
        np.testing.assert_array_equal(a, b)
    # Nothing is left to do.
    assert_same(fit(checkpoint=path), whole, rtol=0)


def test_a_checkpoint_of_another_fit_is_refused(folder, tmp_path):
    learner = EM(n_init=2, max_iter=2, checkpoint=str(tmp_path / "fit.safetensors"))
    fit = {"weights": "w", "learner": learner}
    latentia.fit(mixture(), folder, **fit)
    other = write(tmp_path / "other", VALUES + 1e-3, WEIGHT)
    for data, key in ((other, 0), (folder, 1)):
        with pytest.raises(CheckpointError, match="is of another fit: of other data"):
            latentia.fit(mixture(), data, key=key, **fit)


def test_a_checkpoint_that_cannot_be_written_is_one_sentence(folder, tmp_path):
    os.mkdir(tmp_path / "taken")
    learner = EM(n_init=2, max_iter=2, checkpoint=str(tmp_path / "taken"))
    with pytest.raises(OSError, match="taken"):
        latentia.fit(mixture(), folder, weights="w", learner=learner)
    with pytest.raises(ValueError, match="checkpoint should be None for a fit in memory"):
        latentia.fit(mixture(), VALUES, learner=learner)


def hidden():
    return LatentVariableModel(MarkovChain(2), PerStep(Switch(DiagonalGaussian(dim=3), 2)))


@pytest.mark.parametrize(
    ("model", "data", "options", "error", "message"),
    [
        (mixture(), VALUES, {"engine": "spark"}, ValueError, "engine should be one of 'memory'"),
        (mixture(), VALUES, {"engine": 3}, TypeError, "or an engine such as"),
        (mixture(), VALUES, {"engine": "processes"}, ValueError, "write them to a file"),
        (mixture(), VALUES, {"engine": Dask()}, ValueError, "write them to a file"),
        (mixture(2), VALUES, {"engine": "memory"}, ValueError, "data should have 2 columns"),
        (hidden(), "a.parquet", {"engine": "memory"}, FileNotFoundError, "a.parquet"),
        (mixture(), "nowhere.parquet", {}, FileNotFoundError, "nowhere"),
        (mixture(), "nowhere/*.parquet", {}, ValueError, "path should lead to Parquet files"),
        (mixture(), "a.parquet", {"weights": WEIGHT}, ValueError, "the name of a column"),
        (mixture(), VALUES, {"engine": "memory", "labels": WEIGHT}, ValueError, "labels should"),
        (mixture(), "a.parquet", {"labels": WEIGHT}, ValueError, "labels should be the name"),
    ],
)
def test_what_does_not_fit_is_refused(model, data, options, error, message):
    with pytest.raises(error, match=message):
        latentia.fit(model, data, **options)


def test_engines_are_options_without_data():
    assert Processes(2) == Processes(workers=2) and Mesh() == Mesh()
    assert Stream(3) != Stream(2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Memory(0), "partitions of Memory should be a whole number of at least 1"),
        (lambda: Stream(1.5), "partitions of Stream should be a whole number of at least 1"),
        (lambda: latentia.data.Processes(0), "workers of Processes should be a whole number"),
        (
            lambda: latentia.data.Dask(keep=-1),
            "keep of Dask should be a whole number",
        ),
    ],
)
def test_options_that_cannot_be_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
