"""Every learner and every kind of data under an engine gives what it gives in memory."""

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import latentia
from latentia import (
    EM,
    DiagonalGaussian,
    Discrete,
    GaussianChain,
    GaussianLatent,
    GaussianRegression,
    Gradient,
    LatentVariableModel,
    LinearGaussian,
    MarkovChain,
    PerStep,
    Switch,
)
from latentia.data import Dask, Mesh, Stream, parquet, parquet_sequences
from laws.engines import on_two_devices

ROWS = 5000  # so many that starts see a sample
LEARNER = EM(n_init=2, max_iter=4)
SLOW, EXHAUSTIVE = pytest.mark.slow, pytest.mark.exhaustive


def clusters():
    rng = np.random.default_rng(0)
    state = rng.integers(0, 2, ROWS)
    values = rng.normal(size=(ROWS, 2)) + 2.0 * state[:, None]
    labels = np.where(rng.random(ROWS) < 0.1, state, -1)
    return values, rng.integers(0, 3, ROWS).astype(float), labels


def chains(count=300):
    rng = np.random.default_rng(1)
    lengths = rng.integers(5, 60, count)
    state = np.cumsum(rng.random(lengths.sum()) < 0.1) % 2
    values = rng.normal(size=(len(state), 2)) + 2.5 * state[:, None]
    values[rng.random(len(state)) < 0.02] = np.nan
    labels = np.where(rng.random(len(state)) < 0.1, state, -1)
    return values, lengths, rng.integers(0, 3, count).astype(float), labels


def saved(folder, columns):
    table = pa.table(columns)
    half = len(table) // 2
    for i, part in enumerate((table[:half], table[half:])):
        pq.write_table(part, folder / f"{i}.parquet", row_group_size=600)
    return folder


def mixture(states=2):
    return LatentVariableModel(Discrete(states), Switch(DiagonalGaussian(dim=2), states))


def hidden():
    return LatentVariableModel(MarkovChain(2), PerStep(Switch(DiagonalGaussian(dim=2), 2)))


def assert_same(fit, other, rtol=1e-12):
    np.testing.assert_allclose(fit.trace, other.trace, rtol=rtol)
    np.testing.assert_allclose(fit.log_likelihood, other.log_likelihood, rtol=rtol)
    np.testing.assert_allclose(fit.entropy, other.entropy, rtol=1e-8)
    for a, b in zip(jax.tree.leaves(fit.model), jax.tree.leaves(other.model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    "engine",
    [pytest.param(Stream(3), marks=SLOW), pytest.param(Mesh(), marks=EXHAUSTIVE)],
    ids=str,
)
def test_known_states_guide_the_fit(tmp_path, engine):
    values, weight, labels = clusters()
    folder = saved(tmp_path, {"a": values[:, 0], "b": values[:, 1], "w": weight, "y": labels})
    expected = latentia.fit(mixture(), values, weights=weight, labels=labels, learner=LEARNER)
    found = latentia.fit(mixture(), folder, weights="w", labels="y", learner=LEARNER, engine=engine)
    assert_same(found, expected)


@pytest.fixture(scope="module")
def sequence_folder(tmp_path_factory):
    values, lengths, weight, labels = chains()
    names = np.repeat([f"s{i}" for i in range(len(lengths))], lengths)
    columns = {"id": names, "a": values[:, 0], "b": values[:, 1]}
    columns |= {"w": np.repeat(weight, lengths), "y": labels}
    return saved(tmp_path_factory.mktemp("chains"), columns)


@pytest.mark.exhaustive
@pytest.mark.parametrize("engine", [Stream(4), "mesh", "memory", "dask"], ids=str)
def test_hidden_markov_models_are_fitted_where_the_files_are(sequence_folder, client, engine):
    values, lengths, weight, labels = chains()
    assert lengths.sum() > 8192
    expected = latentia.fit(
        hidden(), latentia.data.sequences(values, lengths), weights=weight, labels=labels,
        learner=LEARNER,
    )  # fmt: skip
    engine = Dask(client, partitions=3) if engine == "dask" else engine
    source = parquet_sequences(sequence_folder, "id", weights="w", labels="y")
    assert len(source.lengths) == len(lengths) and source.rows == len(values)
    assert_same(latentia.fit(hidden(), source, learner=LEARNER, engine=engine), expected)


@pytest.mark.exhaustive
def test_state_space_models_are_fitted_where_the_files_are(tmp_path):
    rng = np.random.default_rng(2)
    values = np.cumsum(rng.normal(size=(100, 90, 1)), axis=1) + rng.normal(size=(100, 90, 2))
    flat = values.reshape(-1, 2)
    columns = {"id": np.repeat(np.arange(100), 90), "a": flat[:, 0], "b": flat[:, 1]}
    model = LatentVariableModel(GaussianChain(1), PerStep(LinearGaussian(dim=2, latent_dim=1)))
    learner = EM(n_init=1, max_iter=4)
    expected = latentia.fit(model, values, learner=learner)
    source = parquet_sequences(saved(tmp_path, columns), "id")
    for engine in (Stream(2), Mesh()):
        assert_same(latentia.fit(model, source, learner=learner, engine=engine), expected, 1e-10)


@pytest.mark.exhaustive
def test_covariates_are_columns(tmp_path):
    rng = np.random.default_rng(3)
    u = rng.normal(size=ROWS)
    y = np.where(rng.random(ROWS) < 0.5, 2 * u, -u) + 0.3 * rng.normal(size=ROWS)
    model = LatentVariableModel(Discrete(2), Switch(GaussianRegression(dim=1, covariates=1), 2))
    expected = latentia.fit(model, y[:, None], given=u[:, None], learner=LEARNER)
    folder = saved(tmp_path, {"u": u, "y": y})
    assert_same(latentia.fit(model, folder, given=["u"], learner=LEARNER), expected)
    with pytest.raises(ValueError, match="given should name the 1 columns of covariates"):
        latentia.fit(model, folder, learner=LEARNER)


@pytest.mark.exhaustive
def test_the_gradient_is_summed_by_an_engine(tmp_path):
    values, _, _ = clusters()
    learner = Gradient(max_iter=4, warm_up=2, n_init=1)
    expected = latentia.fit(mixture(), values, learner=learner)
    for engine in (Stream(3), Mesh()):
        found = latentia.fit(mixture(), values, learner=learner, engine=engine)
        assert_same(found, expected, rtol=1e-9)


@pytest.mark.exhaustive
def test_selection_compares_candidates_under_an_engine(tmp_path):
    values, _, _ = clusters()
    folder = saved(tmp_path, {"a": values[:, 0], "b": values[:, 1]})
    options = {"components": [1, 2], "covariance": "diag", "learner": LEARNER}
    expected = latentia.select(values, **options)
    for data, engine in ((folder, None), (values, Stream(2))):
        found = latentia.select(data, engine=engine, **options)
        for one, other in zip(found.table, expected.table, strict=True):
            assert one["bic"] == pytest.approx(other["bic"], rel=1e-10)


@pytest.mark.exhaustive
def test_two_devices_climb_as_one_does_with_factors_and_with_sequences():
    code = """
        import jax, numpy as np, latentia
        from latentia import (EM, DiagonalGaussian, Discrete, GaussianLatent, LatentVariableModel,
                              LinearGaussian, MarkovChain, PerStep, Switch)
        from latentia.data import Mesh, sequences

        rng = np.random.default_rng(0)
        lengths = rng.integers(5, 60, 300)
        values = rng.normal(size=(lengths.sum(), 2)) + 2.0 * (rng.random((lengths.sum(), 1)) < 0.5)
        emission = Switch(DiagonalGaussian(dim=2), 2)
        holes = np.where(rng.random(values.shape) < 0.05, np.nan, values)
        pairs = [
            (LatentVariableModel(Discrete(2), emission), values),
            (LatentVariableModel(GaussianLatent(1), LinearGaussian(dim=2, latent_dim=1)), holes),
            (LatentVariableModel(MarkovChain(2), PerStep(emission)), sequences(values, lengths)),
        ]
        for model, data in pairs:
            one, two = (
                latentia.fit(model, data, learner=EM(n_init=1, max_iter=5),
                             engine=Mesh(tuple(jax.devices()[:n])))
                for n in (1, 2)
            )
            np.testing.assert_allclose(one.trace, two.trace, rtol=1e-12)
            assert len(one.trace) == 5
    """
    on_two_devices(code)


def test_sequences_and_rows_are_not_mistaken_for_each_other(sequence_folder):
    source = parquet_sequences(sequence_folder, "id", columns=["a", "b"])
    with pytest.raises(ValueError, match="data should be rows, as the model is of rows"):
        latentia.fit(mixture(), source)
    with pytest.raises(ValueError, match="data should be sequences"):
        latentia.fit(hidden(), parquet(sequence_folder, columns=["a", "b"]))
    with pytest.raises(ValueError, match="sequence should be a column"):
        parquet_sequences(sequence_folder, "name")


def test_rows_of_a_sequence_that_are_apart_are_refused(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"id": [1, 1, 2, 1], "a": [0.0, 1, 2, 3]}), path)
    with pytest.raises(ValueError, match="rows of sequence 1 should stand together"):
        parquet_sequences(path, "id")
    pq.write_table(pa.table({"id": [1, None], "a": [0.0, 1]}), path)
    with pytest.raises(ValueError, match="should name the sequence of every row"):
        parquet_sequences(path, "id")
    pq.write_table(pa.table({"id": [1, 1], "a": [0.0, 1], "w": [1.0, 2.0]}), path)
    with pytest.raises(ValueError, match="weights should be the same in all rows of a sequence"):
        list(parquet_sequences(path, "id", weights="w").sequences())


def test_what_a_stream_has_that_the_model_has_not_is_refused(tmp_path):
    values, _, labels = clusters()
    columns = {"a": values[:, 0], "b": values[:, 1], "known": labels + 5}
    folder = saved(tmp_path, columns)
    stream = parquet(folder, labels="known")
    model = LatentVariableModel(GaussianLatent(1), LinearGaussian(dim=2, latent_dim=1))
    with pytest.raises(ValueError, match="labels should be None where the stream is opened"):
        latentia.fit(model, stream)
    with pytest.raises(ValueError, match="labels should be states from 0 to 1, .* but one is 6"):
        latentia.fit(mixture(), stream)
    for given in (["a"], np.ones((ROWS, 1))):
        with pytest.raises(ValueError, match="given should be None for a stream"):
            latentia.fit(mixture(), stream, given=given)
        with pytest.raises(ValueError, match="given should be None for a stream"):
            latentia.score(mixture(), stream, given=given)
