"""Estimators among other things: processes, threads, searches, callbacks and Ctrl-C."""

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import latentia
from latentia import FactorAnalysis, GaussianMixture
from latentia.datasets import load_faithful
from latentia.estimators.history import History
from latentia.learning import Status, running
from latentia.precision import ForkError

X = load_faithful().data
SECONDS = 30


@pytest.fixture(scope="module")
def fitted():
    return GaussianMixture(2, random_state=0).fit(X)


@pytest.fixture(scope="module")
def factors():
    return FactorAnalysis(1).fit(X)


def one_start(**options):
    """A mixture that begins at one place, from which there is a way to go."""
    return GaussianMixture(2, init_params="kmeans", n_init=1, random_state=0, **options)


def _answer_from_a_child(task, pipe):
    try:
        pipe.send(("answered", str(task())))
    except BaseException as error:
        pipe.send((type(error).__name__, str(error)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("verb", ["fit", "predict", "core fit", "core sample"])
def test_a_forked_process_gets_one_clear_error(fitted, verb):
    tasks = {
        "fit": lambda: GaussianMixture(2).fit(X),
        "predict": lambda: fitted.predict(X),
        "core fit": lambda: latentia.fit(fitted.model_, X),
        "core sample": lambda: latentia.sample(fitted.model_, 0, 5),
    }
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_answer_from_a_child, args=(tasks[verb], there))
    child.start()
    there.close()
    try:
        assert here.poll(SECONDS), "the forked process hangs"
        name, message = here.recv()
    finally:
        child.kill()
        child.join()
        here.close()
    assert name == ForkError.__name__
    assert "forked after JAX had started" in message
    assert "'spawn' or 'forkserver'" in message
    # The parent is none the worse.
    assert len(fitted.predict(X)) == len(X)


def test_a_pickle_of_joblib_answers_the_same(fitted, factors, tmp_path):
    for model in (fitted, factors):
        joblib.dump(model, tmp_path / "model.joblib")
        again = joblib.load(tmp_path / "model.joblib")
        np.testing.assert_array_equal(again.score_samples(X), model.score_samples(X))
        np.testing.assert_array_equal(again.transform(X), model.transform(X))
        np.testing.assert_array_equal(again.sample(5, 0)[0], model.sample(5, 0)[0])
        assert again.get_params() == model.get_params()
        assert again.summary() == model.summary()


def test_threads_at_once_answer_as_one_after_another(fitted, factors):
    tasks = [
        lambda: GaussianMixture(2, random_state=0).fit(X).means_,
        lambda: FactorAnalysis(1).fit(X).components_,
        lambda: fitted.predict_proba(X),
        lambda: factors.transform(X),
        lambda: fitted.sample(5, random_state=1)[0],
    ] * 4
    expected = [task() for task in tasks]
    with ThreadPoolExecutor(len(tasks)) as pool:
        futures = [pool.submit(task) for task in tasks]
        found = [future.result(timeout=SECONDS) for future in futures]
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


def search(**options):
    line = make_pipeline(StandardScaler(), GaussianMixture(random_state=0))
    grid = {"gaussianmixture__n_components": [1, 2], "gaussianmixture__covariance_type": ["full"]}
    return GridSearchCV(line, grid, cv=2, **options)


@pytest.mark.exhaustive
def test_a_search_over_a_pipeline_finds_two_clusters():
    found = search().fit(X)
    assert found.best_params_["gaussianmixture__n_components"] == 2
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
    assert found.predict(X).shape == (len(X),)
    threads = search(n_jobs=2)
    with joblib.parallel_backend("threading"):
        threads.fit(X)
    np.testing.assert_array_equal(
        threads.cv_results_["mean_test_score"], found.cv_results_["mean_test_score"]
    )


def test_frames_come_out_of_a_pipeline():
    frame = pd.DataFrame(X, columns=["eruptions", "waiting"], index=np.arange(len(X)) + 10)
    line = make_pipeline(StandardScaler(), GaussianMixture(2, random_state=0))
    soft = line.set_output(transform="pandas").fit(frame).transform(frame)
    assert list(soft.columns) == ["gaussianmixture0", "gaussianmixture1"]
    assert soft.index.equals(frame.index)
    np.testing.assert_array_equal(soft, line.predict_proba(frame))
    scores = FactorAnalysis(1).set_output(transform="pandas").fit(frame).transform(frame)
    assert list(scores.columns) == ["factoranalysis0"]
    assert scores.index.equals(frame.index)


def test_the_settings_of_jax_are_the_callers(fitted):
    before = dict(jax.config.values)
    GaussianMixture(2, random_state=0).fit(X)
    fitted.sample(5)
    with pytest.raises(ValueError, match="finite"):
        fitted.predict([[np.inf, 1.0]])
    assert dict(jax.config.values) == before
    assert jnp.ones(2).dtype == jnp.float32
    with jax.enable_x64(True):
        fitted.predict(X)
        assert jnp.ones(2).dtype == jnp.float64


def test_the_import_changes_no_setting_of_jax():
    code = (
        "import jax; before = dict(jax.config.values); import latentia; "
        "latentia.GaussianMixture; latentia.fit; assert dict(jax.config.values) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=SECONDS)


@pytest.mark.exhaustive
def test_partial_fit_learns_from_batches_and_goes_on_from_fit(fitted):
    order = np.random.default_rng(0).permutation(len(X))
    halves = np.array_split(X[order], 2)
    online = GaussianMixture(2, random_state=0)
    for _ in range(5):
        for half in halves:
            assert online.partial_fit(half) is online
    assert online.n_iter_ == 10
    assert fitted.score(X) - 0.05 < online.score(X) <= fitted.score(X) + 1e-9
    np.testing.assert_allclose(online.means_, fitted.means_, rtol=0.05)
    before = GaussianMixture(2, random_state=0).fit(X)
    before.partial_fit(halves[0])
    np.testing.assert_allclose(before.means_, fitted.means_, rtol=0.1)
    # `fit` forgets all that.
    np.testing.assert_array_equal(before.fit(X).means_, fitted.means_)


@pytest.mark.exhaustive
def test_warm_start_goes_on_where_the_last_fit_ended():
    model = one_start(warm_start=True, max_iter=2, tol=1e-10)
    with pytest.warns(ConvergenceWarning, match="limit on iterations"):
        short = model.fit(X).lower_bound_
    with pytest.warns(ConvergenceWarning, match="limit on iterations"):
        assert model.fit(X).lower_bounds_[0] >= short - 1e-12
    assert model.set_params(max_iter=1000).fit(X).converged_
    assert model.fit(X).n_iter_ <= 3
    # Not where the sizes differ.
    assert model.set_params(n_components=1).fit(X).means_.shape == (1, 2)
    factors = FactorAnalysis(1, warm_start=True).fit(X)
    assert factors.fit(X).n_iter_ <= 3


def test_history_keeps_a_rising_objective():
    history = History()
    model = one_start(tol=1e-10).set_callbacks(history).fit(X)
    assert len(history.objectives) == model.n_iter_ > 3
    np.testing.assert_allclose(history.objectives, model.lower_bounds_, rtol=1e-12)
    assert (np.diff(history.objectives) > -1e-12).all()
    plain = one_start(tol=1e-10).fit(X)
    np.testing.assert_allclose(plain.means_, model.means_, rtol=1e-9)
    # Each fit has a history of its own.
    count = len(history.objectives)
    assert len(model.fit(X) and history.objectives) == count


def test_a_callback_can_stop_the_fit():
    history = History(patience=2, least=1e9)
    model = one_start(tol=1e-10).set_callbacks(history).fit(X)
    assert model.n_iter_ == len(history.objectives) == 3
    assert not model.converged_
    assert model.fit_.status is Status.STOPPED
    assert model.score(X) == pytest.approx(model.lower_bound_, rel=1e-10)


@pytest.mark.parametrize("kind", ["mixture", "factors"])
def test_an_interrupted_fit_keeps_its_last_iteration(monkeypatch, kind):
    def make(**options):
        if kind == "mixture":
            return one_start(tol=1e-10, **options)
        return FactorAnalysis(1, tol=1e-12, n_init=1, noise_variance_init=[0.1, 9.0], **options)

    with pytest.warns(ConvergenceWarning, match="limit on iterations"):
        shorter = make(max_iter=3).fit(X)
    advance, calls = running.advance, []

    def pressed(*args, **options):
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return advance(*args, **options)

    monkeypatch.setattr(running, "advance", pressed)
    # With a listener every iteration is a call.
    model = make().set_callbacks(History())
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert not model.converged_
    assert model.n_iter_ == 3
    assert model.fit_.status is Status.INTERRUPTED
    assert model.lower_bound_ == pytest.approx(shorter.lower_bound_, rel=1e-12)
    np.testing.assert_allclose(model.score_samples(X), shorter.score_samples(X), rtol=1e-9)
    monkeypatch.undo()
    assert model.set_params(warm_start=True).fit(X).converged_


def test_an_interrupted_portfolio_keeps_finite_parameters(monkeypatch):
    def pressed(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "advance", pressed)
    model = GaussianMixture(2, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert np.isfinite(model.means_).all()
    assert (model.n_iter_, model.converged_) == (0, False)
