import logging
import signal
import threading

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import latentia
from latentia import (
    EM,
    Bernoulli,
    Discrete,
    Gaussian,
    GaussianLatent,
    LatentVariableModel,
    LinearGaussian,
    Switch,
)
from latentia.data import parquet, reading, summing
from latentia.data.stream import Stream
from latentia.data.table_rows import TableRows
from latentia.learning import FitInterrupted, Status, condensing, passes, streaming
from latentia.learning.condensing import Gathering, condense
from latentia.learning.overview import overview
from latentia.learning.scaling import column_summary

NAN = np.nan
ROWS = 5000
BATCH = 2048  # so that blocks of the last batch are empty


def mixture(dim=3, states=2):
    return LatentVariableModel(Discrete(states), Switch(Gaussian(dim=dim), states))


def factors():
    return LatentVariableModel(GaussianLatent(1), LinearGaussian(dim=4, latent_dim=1))


def blobs(rows=ROWS, dim=3, holes=0.0, seed=0):
    rng = np.random.default_rng(seed)
    which = rng.random(rows) < 0.4
    values = 1e3 + rng.normal(size=(rows, dim)) + 5.0 * which[:, None]
    values[rng.random(values.shape) < holes] = NAN
    return values


def chain(rows=ROWS):
    rng = np.random.default_rng(3)
    return 7 + rng.normal(size=(rows, 1)) @ np.ones((1, 4)) + 0.7 * rng.normal(size=(rows, 4))


def answers(rows=ROWS):
    rng = np.random.default_rng(4)
    which = rng.random((rows, 1)) < 0.5
    return (rng.random((rows, 3)) < np.where(which, 0.9, 0.2)).astype(float)


@pytest.fixture
def stream(tmp_path):
    def make(values, weight=None, batch_rows=BATCH):
        columns = {f"x{i}": pa.array(column, from_pandas=True) for i, column in enumerate(values.T)}
        if weight is not None:
            columns["w"] = pa.array(weight)
        path = tmp_path / "rows.parquet"
        pq.write_table(pa.table(columns), path, row_group_size=1000)
        return parquet(path, weights=None if weight is None else "w", batch_rows=batch_rows)

    return make


def assert_alike(one, other, rtol):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def assert_same_fit(streamed, memory):
    np.testing.assert_allclose(streamed.trace, memory.trace, rtol=1e-12)
    np.testing.assert_allclose(streamed.starts, memory.starts, rtol=1e-8)
    assert_alike(streamed.model, memory.model, 1e-8)
    np.testing.assert_allclose(streamed.log_likelihood, memory.log_likelihood, rtol=1e-12)
    np.testing.assert_allclose(streamed.entropy, memory.entropy, rtol=1e-8, atol=1e-10)
    assert streamed.status is memory.status and streamed.weight == pytest.approx(memory.weight)
    assert all(type(leaf) is np.ndarray for leaf in jax.tree.leaves(streamed.model))


WEIGHT = np.random.default_rng(8).integers(0, 3, ROWS) * 0.5
CASES = {
    "mixture": (mixture(), blobs(), None, EM()),
    "missing": (mixture(), blobs(holes=0.2), None, EM(max_iter=6)),
    "weighted": (mixture(), blobs(), WEIGHT, EM()),
    "factors": (factors(), chain(), None, EM()),
    "factors, weighted": (factors(), chain(), WEIGHT, EM()),
    "binary": (
        LatentVariableModel(Discrete(2), Switch(Bernoulli(dim=3), 2)),
        answers(),
        None,
        EM(),
    ),
    "few rows": (mixture(), blobs(300), None, EM()),
}


LONG = ("mixture", "missing", "binary", "weighted", "factors, weighted")
# Streams are partitions like those of any engine, whose laws run by default.
MARKS = dict.fromkeys(LONG, pytest.mark.exhaustive)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=MARKS.get(name, ())) for name in CASES],
)
def test_a_stream_gives_what_memory_gives(stream, name):
    model, values, weight, learner = CASES[name]
    memory = latentia.fit(model, values, weights=weight, learner=learner)
    streamed = latentia.fit(model, stream(values, weight), learner=learner)
    assert_same_fit(streamed, memory)
    assert streamed.columns == tuple(f"x{i}" for i in range(values.shape[1]))


@pytest.mark.exhaustive
@pytest.mark.parametrize("max_iter", [0, 1])
def test_given_parameters_are_where_it_starts(stream, max_iter):
    values = blobs()
    begun = latentia.fit(mixture(), values[:300]).model
    learner = EM(start="given", max_iter=max_iter)
    memory = latentia.fit(begun, values, learner=learner)
    assert_same_fit(latentia.fit(begun, stream(values), learner=learner), memory)


@pytest.mark.exhaustive
def test_the_size_of_batches_does_not_matter(stream):
    # Sums in another order may let another of equally good starts go on.
    values, learner = blobs(), EM(tol=1e-12)
    small = latentia.fit(mixture(), stream(values, batch_rows=1000), learner=learner)
    large = latentia.fit(mixture(), stream(values, batch_rows=65536), learner=learner)
    np.testing.assert_allclose(small.log_likelihood, large.log_likelihood, rtol=1e-10)
    assert_alike(small.model, large.model, 1e-5)


@pytest.mark.parametrize("kept", [{}, {"MANY": 500, "SAMPLED": 300}, {"NUMBERS": 900, "LEAST": 9}])
@pytest.mark.parametrize("batch", [1, 37, 1000, 5000])
def test_the_sample_is_that_of_memory(monkeypatch, kept, batch):
    for name, value in kept.items():
        monkeypatch.setattr(condensing, name, value)
    values, weight = blobs(1500, holes=0.1), WEIGHT[:1500] * np.pi
    total = np.cumsum(weight[weight > 0])[-1]
    rows = Gathering(np.count_nonzero(weight), total, columns=values.shape[1], seed=3)
    for first in range(0, 1500, batch):
        rows.add(values[first : first + batch], weight[first : first + batch])
    unique, mass, _ = condense(values, weight, limit=200, seed=3)
    if "NUMBERS" in kept:
        assert sum(map(len, rows._rows)) == 900 // values.shape[1]
    got = rows.condense(200)
    np.testing.assert_array_equal(got[0], unique)
    np.testing.assert_allclose(got[1], mass, rtol=1e-13)


@pytest.mark.parametrize("partitions", [1, 2, 30])
@pytest.mark.parametrize("batch", [1, 7, 100])
def test_the_overview_has_the_numbers_of_the_columns(batch, partitions):
    rng = np.random.default_rng(1)
    values = np.column_stack([1e8 + rng.normal(size=90), np.full(90, 3.0), rng.normal(size=90)])
    values[:20, 2] = NAN
    values[40:43] = NAN
    weight = np.where(np.arange(90) < 5, 0.0, rng.random(90))
    source = TableRows(values, weight, batch_rows=batch)
    seen = overview(Stream(partitions).open(source), 0, 2)
    centre, spread = column_summary(values, weight)
    np.testing.assert_allclose(seen.centre, centre, rtol=1e-14)
    np.testing.assert_allclose(seen.spread, spread, rtol=1e-12)
    np.testing.assert_allclose(seen.observed, weight @ ~np.isnan(values))
    np.testing.assert_allclose(seen.total, weight.sum() - weight[40:43].sum())
    assert seen.missing
    farthest = np.nanmax(np.abs(values[5:] - centre), axis=0)
    np.testing.assert_allclose(seen.radius(centre, np.ones(3)), np.linalg.norm(farthest))


@pytest.mark.slow
def test_every_pass_is_logged(stream, caplog):
    with caplog.at_level(logging.INFO, "latentia"):
        fit = latentia.fit(mixture(), stream(blobs()))
    passes = [record for record in caplog.messages if record.startswith("pass ")]
    assert len(passes) == fit.iterations and f"{fit.objective:.8g}" in passes[-1]


@pytest.fixture(autouse=True)
def ctrl_c():
    """Ctrl-C as in a terminal: a process that was started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupting(monkeypatch, module, name, at):
    """Ctrl-C at the call of that number, counted from 1, of a function of the module."""
    whole, calls = getattr(module, name), []

    def called(*args, **options):
        calls.append(name)
        if len(calls) == at:
            signal.raise_signal(signal.SIGINT)
        return whole(*args, **options)

    monkeypatch.setattr(module, name, called)


# The first batch that is awaited in the second pass, of three batches each, is the fourth.
@pytest.mark.parametrize(
    ("module", "name", "at", "whole"),
    [(passes, "step", 4, 3), (summing.jax, "block_until_ready", 5, 1)],
)
def test_ctrl_c_keeps_the_last_whole_pass(stream, monkeypatch, module, name, at, whole):
    begun = latentia.fit(mixture(), blobs(300)).model
    limited = EM(tol=0.0, start="given", max_iter=whole)
    shorter = latentia.fit(begun, blobs(), learner=limited)
    interrupting(monkeypatch, module, name, at)
    with pytest.raises(FitInterrupted) as stop:
        latentia.fit(begun, stream(blobs()), learner=EM(tol=0.0, start="given"))
    fit = stop.value.fit
    assert fit.status is Status.INTERRUPTED and fit.columns == ("x0", "x1", "x2")
    np.testing.assert_allclose(fit.trace, shorter.trace, rtol=1e-12)
    assert_alike(fit.model, shorter.model, 1e-8)
    assert np.isnan(fit.entropy)
    assert not any("latentia-reader" in thread.name for thread in threading.enumerate())


def test_ctrl_c_while_the_entropy_is_summed_keeps_the_fit(stream, monkeypatch):
    interrupting(monkeypatch, passes, "posterior_entropy", 1)
    with pytest.raises(FitInterrupted) as stop:
        latentia.fit(mixture(), stream(blobs()))
    assert stop.value.fit.converged and np.isnan(stop.value.fit.icl)


def test_ctrl_c_before_the_first_pass_is_plain(stream, monkeypatch):
    interrupting(monkeypatch, streaming, "plan_fit", 1)
    with pytest.raises(KeyboardInterrupt) as stop:
        latentia.fit(mixture(), stream(blobs()))
    assert not isinstance(stop.value, FitInterrupted)


def test_items_made_ahead_keep_their_order_and_pass_errors_on():
    def items():
        yield from range(3)
        raise ValueError("no more")

    got = []
    with pytest.raises(ValueError, match="no more"):
        got.extend(reading.ahead(items()))
    assert list(reading.ahead(iter(range(5)))) == list(range(5))
    first = reading.ahead(iter(range(10**9)))
    assert next(first) == 0
    first.close()


def test_queries_of_a_stream_answer_batch_by_batch(stream):
    values = blobs()
    model = latentia.fit(mixture(), values).model
    rows = stream(values)
    scores = list(latentia.score(model, rows))
    assert [len(part) for part in scores] == [BATCH, BATCH, ROWS - 2 * BATCH]
    np.testing.assert_allclose(np.concatenate(scores), latentia.score(model, values), rtol=1e-13)
    modes = np.concatenate(list(latentia.map_estimate(model, rows)))
    np.testing.assert_array_equal(modes, latentia.map_estimate(model, values))
    posterior = next(latentia.infer(model, rows))
    np.testing.assert_allclose(
        posterior.probabilities, latentia.infer(model, values[:BATCH]).probabilities, atol=1e-13
    )
    with pytest.raises(ValueError, match="labels should be None for a stream"):
        latentia.score(model, rows, labels=np.zeros(ROWS))
    with pytest.raises(ValueError, match="x should have 3 columns"):
        latentia.score(model, stream(values[:, :2]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": np.ones(ROWS)}, "weights should be None for a stream"),
        ({"labels": np.zeros(ROWS)}, "labels should be None for a stream"),
    ],
)
def test_what_a_stream_cannot_take_is_refused(stream, options, message):
    with pytest.raises(ValueError, match=message):
        latentia.fit(mixture(), stream(blobs()), **options)


def test_columns_have_to_fit(stream):
    with pytest.raises(ValueError, match="data should have 3 columns"):
        latentia.fit(mixture(), stream(blobs(dim=2)))
    for rows in (300, ROWS):
        values = blobs(rows)
        values[:, 1] = NAN
        with pytest.raises(ValueError, match="column 'x1' is all missing"):
            latentia.fit(mixture(), stream(values))
