import pickle
import threading

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.mixture import GaussianMixture as Peer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from latentia import GaussianMixture
from latentia.datasets import load_faithful

KINDS = ["full", "tied", "diag", "spherical"]
SOME = ["full", *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:])]
# mclust 6.0.0 on faithful with two components, at a tolerance of 1e-12: VVV, EEE, VVI, VII.
GOLDEN = {"full": -1130.26396, "tied": -1140.18676, "diag": -1147.80635, "spherical": -1709.52928}


@pytest.fixture(scope="module")
def X():
    return load_faithful().data


def ordered(mixture):
    order = np.argsort(-mixture.weights_)
    kind = mixture.covariance_type
    pick = slice(None) if kind == "tied" else order
    return {
        "weights_": mixture.weights_[order],
        "means_": mixture.means_[order],
        "covariances_": mixture.covariances_[pick],
        "precisions_": mixture.precisions_[pick],
        "precisions_cholesky_": mixture.precisions_cholesky_[pick],
    }


@pytest.mark.parametrize("kind", SOME)
def test_attributes_and_answers_are_those_of_scikit_learn(X, kind):
    peer = Peer(2, covariance_type=kind, tol=1e-12, max_iter=5000, reg_covar=0).fit(X)
    ours = GaussianMixture(2, covariance_type=kind, tol=1e-11).fit(X)
    for name, value in ordered(ours).items():
        np.testing.assert_allclose(value, ordered(peer)[name], rtol=1e-4, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(ours.score_samples(X), peer.score_samples(X), atol=1e-5)
    assert ours.score(X) == pytest.approx(peer.score(X), abs=1e-9)
    assert ours.bic(X) == pytest.approx(peer.bic(X), abs=1e-5)
    assert ours.aic(X) == pytest.approx(peer.aic(X), abs=1e-5)
    same = ours.means_[:, 0].argsort(), peer.means_[:, 0].argsort()
    np.testing.assert_allclose(
        ours.predict_proba(X)[:, same[0]], peer.predict_proba(X)[:, same[1]], atol=1e-5
    )
    assert ours.lower_bound_ == pytest.approx(ours.score(X), abs=1e-9)
    assert len(ours.lower_bounds_) == ours.n_iter_
    assert ours.score(X) * len(X) == pytest.approx(GOLDEN[kind], abs=1e-4)


def test_it_takes_every_parameter_and_has_every_attribute_of_scikit_learn(X):
    theirs, ours = Peer(2).fit(X), GaussianMixture(2).fit(X)
    assert set(theirs.get_params()) <= set(ours.get_params())
    public = {name for name in dir(theirs) if not name.startswith("_")}
    assert public <= set(dir(ours))


@pytest.mark.parametrize("kind", SOME)
def test_no_iteration_returns_exactly_the_initial_values(X, kind):
    fitted = GaussianMixture(2, covariance_type=kind).fit(X)
    initial = {
        "weights_init": [0.25, 0.75],
        "means_init": X[:2],
        "precisions_init": fitted.precisions_,
    }
    same = GaussianMixture(2, covariance_type=kind, max_iter=0, **initial).fit(X)
    np.testing.assert_array_equal(same.weights_, [0.25, 0.75])
    np.testing.assert_array_equal(same.means_, X[:2])
    np.testing.assert_allclose(same.precisions_, fitted.precisions_, rtol=1e-12)
    assert not same.converged_


def test_initial_values_are_where_the_fit_begins(X):
    means = np.array([[2.0, 54.0], [4.3, 80.0]])
    peer = Peer(2, means_init=means, reg_covar=0, tol=1e-12, max_iter=2000).fit(X)
    ours = GaussianMixture(2, means_init=means, tol=1e-11).fit(X)
    assert ours.score(X) == pytest.approx(peer.score(X), abs=1e-9)
    one = GaussianMixture(
        2, weights_init=[0.5, 0.5], means_init=means, precisions_init=[np.eye(2)] * 2
    ).fit(X)
    assert len(one.fit_.starts) == 1
    # Given an order, the components keep it.
    np.testing.assert_allclose(one.means_, ours.means_[::-1], atol=1e-2)


def test_ridge_acts_as_in_scikit_learn(X):
    peer = Peer(2, reg_covar=0.3, tol=1e-12, max_iter=5000).fit(X)
    ours = GaussianMixture(2, reg_covar=0.3, tol=1e-11, n_init=1, init_params="kmeans").fit(X)
    np.testing.assert_allclose(
        ordered(ours)["covariances_"], ordered(peer)["covariances_"], rtol=1e-4
    )


@pytest.mark.parametrize(
    "start",
    [
        pytest.param("kmeans", marks=pytest.mark.exhaustive),
        "k-means++",
        "random",
        "random_from_data",
    ],
)
def test_explicit_starts(X, start):
    mixture = GaussianMixture(2, init_params=start, n_init=3, random_state=1).fit(X)
    assert len(mixture.fit_.starts) == 3
    again = GaussianMixture(2, init_params=start, n_init=3, random_state=1).fit(X)
    np.testing.assert_array_equal(mixture.means_, again.means_)


def test_missing_entries_are_integrated_out(X):
    mixture = GaussianMixture(2).fit(X)
    rows = np.array([[np.nan, 60.0], [2.0, np.nan], [np.nan, np.nan]])
    for j, column in ((1, 0), (0, 1)):
        expected = sum(
            w * multivariate_normal(m[j], c[j, j]).pdf(rows[column, j])
            for w, m, c in zip(mixture.weights_, mixture.means_, mixture.covariances_, strict=True)
        )
        assert mixture.score_samples(rows)[column] == pytest.approx(np.log(expected), rel=1e-10)
    assert mixture.score_samples(rows)[2] == pytest.approx(0, abs=1e-14)
    np.testing.assert_allclose(mixture.predict_proba(rows)[2], mixture.weights_)
    np.testing.assert_allclose(
        mixture.marginal([1]).score_samples(rows[:1, 1:]), mixture.score_samples(rows[:1])
    )


def test_weights_count_rows(X):
    few = X[::4]
    weights = np.arange(len(few)) % 3
    repeated = GaussianMixture(2, tol=1e-11).fit(np.repeat(few, weights, axis=0))
    weighted = GaussianMixture(2, tol=1e-11).fit(few, sample_weight=weights)
    np.testing.assert_allclose(weighted.means_, repeated.means_, rtol=1e-6)
    assert weighted.score(few, sample_weight=weights) == pytest.approx(weighted.lower_bound_)
    assert weighted.bic(few, weights) == pytest.approx(weighted.fit_.bic)


@pytest.mark.slow
def test_labels_hold_the_components_in_their_places(X):
    labels = np.full(len(X), -1)
    short, long = np.flatnonzero(X[:, 0] < 2.5), np.flatnonzero(X[:, 0] > 3.5)
    labels[short[:5]], labels[long[:5]] = 0, 1
    mixture = GaussianMixture(2).fit(X, labels=labels)
    assert mixture.means_[0, 0] < mixture.means_[1, 0]


def test_impute_is_the_conditional_mean_and_the_draws_vary_around_it(X):
    mixture = GaussianMixture(2).fit(X)
    holes = X[:40].copy()
    holes[::2, 0] = np.nan
    filled = mixture.impute(holes)
    np.testing.assert_array_equal(filled[1::2], holes[1::2])
    given = mixture.conditional([1], [holes[0, 1]])
    assert filled[0, 0] == pytest.approx(given.weights_ @ given.means_[:, 0])
    draws = mixture.impute(holes, draws=400, random_state=0)
    assert draws.shape == (400, 40, 2)
    np.testing.assert_allclose(draws.mean(axis=0), filled, atol=0.25)


@pytest.mark.exhaustive
def test_conditional_and_marginal_multiply_to_the_joint(X):
    for kind in KINDS:
        mixture = GaussianMixture(3, covariance_type=kind).fit(X)
        there, rest = mixture.marginal([1]), mixture.conditional([1], [70.0])
        joint = mixture.score_samples([[3.0, 70.0]])
        parts = there.score_samples([[70.0]]) + rest.score_samples([[3.0]])
        np.testing.assert_allclose(joint, parts, rtol=1e-9)


def test_names_are_kept(X):
    frame = pd.DataFrame(X, columns=["eruptions", "waiting"])
    mixture = GaussianMixture(2).set_output(transform="pandas").fit(frame)
    assert list(mixture.feature_names_in_) == ["eruptions", "waiting"]
    assert list(mixture.transform(frame).columns) == ["gaussianmixture0", "gaussianmixture1"]
    assert list(mixture.marginal("waiting").feature_names_in_) == ["waiting"]
    assert "waiting" in mixture.summary()
    assert "BIC" in mixture.summary()


def test_float32_is_returned_but_not_computed_in(X):
    narrow = GaussianMixture(2).fit(X.astype(np.float32))
    wide = GaussianMixture(2).fit(X.astype(np.float32).astype(np.float64))
    assert narrow.means_.dtype == narrow.predict_proba(X.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(narrow.means_, wide.means_, rtol=1e-6)
    assert narrow.score_samples(X).dtype == np.float64


def test_sample_has_the_shape_and_the_law(X):
    mixture = GaussianMixture(2, random_state=3).fit(X)
    rows, components = mixture.sample(2000)
    assert rows.shape == (2000, 2)
    assert components.shape == (2000,)
    np.testing.assert_array_equal(rows, mixture.sample(2000)[0])
    assert np.mean(components == 0) == pytest.approx(mixture.weights_[0], abs=0.05)
    near = rows[components == 1]
    np.testing.assert_allclose(near.mean(axis=0), mixture.means_[1], rtol=0.03)


@pytest.mark.slow
def test_warm_start_continues(X):
    mixture = GaussianMixture(3, covariance_type="diag", warm_start=True, max_iter=3)
    with pytest.warns(ConvergenceWarning, match="limit on iterations"):
        first = mixture.fit(X).lower_bound_
    assert mixture.set_params(max_iter=1000).fit(X).lower_bound_ > first
    assert len(mixture.fit_.starts) == 1


@pytest.mark.slow
def test_inside_a_pipeline_a_search_and_a_pickle(X):
    search = GridSearchCV(GaussianMixture(), {"n_components": [1, 2]}, cv=3).fit(X)
    assert search.best_params_ == {"n_components": 2}
    line = make_pipeline(StandardScaler(), GaussianMixture(2)).fit(X)
    again = pickle.loads(pickle.dumps(line))
    np.testing.assert_array_equal(line.predict_proba(X), again.predict_proba(X))
    assert clone(line[-1]).get_params() == line[-1].get_params()


def test_threads_share_a_fitted_model_and_fit_their_own(X):
    mixture = GaussianMixture(2).fit(X)
    expected = mixture.score_samples(X)
    failures = []

    def work():
        same = np.array_equal(mixture.score_samples(X), expected)
        means = GaussianMixture(2).fit(X).means_
        if not same or not np.array_equal(means, mixture.means_):
            failures.append(means)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_degenerate_fit_is_told():
    rows = np.repeat([[0.0, 0.0], [1.0, 1.0]], 10, axis=0)
    with pytest.warns(ConvergenceWarning, match="Degenerate"):
        mixture = GaussianMixture(2).fit(rows)
    assert np.isfinite(mixture.means_).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, "n_components of GaussianMixture should be a whole number"),
        ({"covariance_type": "round"}, "covariance_type of GaussianMixture should be one of"),
        ({"tol": -1}, "tol of GaussianMixture should be a number of at least 0"),
        ({"n_init": "many"}, "n_init .* 'auto', but is 'many'"),
        ({"weights_init": [0.2, 0.2], "n_components": 2}, "weights_init should be probabilities"),
        ({"means_init": [[0.0]], "n_components": 2}, r"means_init should .* \(2, 2\), but is"),
        (
            {"precisions_init": -np.eye(2), "covariance_type": "tied"},
            "precisions_init should be symmetric and positive definite",
        ),
        ({"n_components": 300}, "at least 300 rows .* n_samples = 272"),
    ],
)
def test_wrong_parameters_are_named(X, parameters, message):
    with pytest.raises(ValueError, match=message):
        GaussianMixture(**parameters).fit(X)


def test_columns_that_do_not_exist_are_named(X):
    mixture = GaussianMixture(2).fit(X)
    with pytest.raises(ValueError, match="'speed' is none"):
        mixture.marginal("speed")
    with pytest.raises(ValueError, match="values should be 1 finite"):
        mixture.conditional([0], [np.nan])
    with pytest.raises(ValueError, match="leave at least one"):
        mixture.conditional([0, 1], [1, 2])


def test_nothing_is_answered_before_fit(X):
    for ask in ("predict", "score", "summary", "sample", "impute"):
        arguments = () if ask in ("summary", "sample") else (X,)
        with pytest.raises(NotFittedError):
            getattr(GaussianMixture(), ask)(*arguments)
