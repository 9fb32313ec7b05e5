import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.decomposition import FactorAnalysis as Peer
from sklearn.preprocessing import scale

from latentia import FactorAnalysis, MixtureOfFactorAnalyzers, ProbabilisticPCA
from latentia.estimators.rotation import criterion, rotate

SHARED = Path(os.environ.get("LATENTIA_DATA", Path(__file__).parents[3] / "shared/data")).parent


@pytest.fixture(scope="module")
def X():
    return scale(load_wine().data)[:, :6]


@pytest.fixture(scope="module")
def holes(X):
    table = X.copy()
    table[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    return table


@pytest.mark.slow
def test_factor_analysis_is_that_of_scikit_learn(X):
    peer = Peer(2, tol=1e-12, max_iter=50_000, svd_method="lapack").fit(X)
    ours = FactorAnalysis(2, tol=1e-11).fit(X)
    np.testing.assert_allclose(ours.get_covariance(), peer.get_covariance(), atol=1e-4)
    np.testing.assert_allclose(ours.noise_variance_, peer.noise_variance_, atol=1e-4)
    np.testing.assert_allclose(ours.get_precision() @ ours.get_covariance(), np.eye(6), atol=1e-12)
    np.testing.assert_allclose(abs(ours.components_), abs(peer.components_), atol=1e-3)
    np.testing.assert_allclose(abs(ours.transform(X)), abs(peer.transform(X)), atol=1e-3)
    assert ours.score(X) >= peer.score(X) - 1e-9
    assert ours.loglike_[-1] == pytest.approx(ours.score_samples(X).sum())
    assert set(Peer().get_params()) <= set(ours.get_params())
    assert {name for name in dir(peer) if not name.startswith("_")} <= set(dir(ours))


@pytest.mark.exhaustive
def test_default_has_as_many_factors_as_columns_and_none_is_noise_alone(X):
    assert FactorAnalysis().fit(X).transform(X).shape == X.shape
    alone = FactorAnalysis(0).fit(X)
    assert alone.transform(X).shape == (len(X), 0)
    assert alone.components_.shape == (0, 6)
    np.testing.assert_allclose(alone.noise_variance_, X.var(axis=0))


@pytest.mark.exhaustive
@pytest.mark.parametrize("method", ["varimax", "quartimax"])
def test_rotations_keep_the_density_and_raise_their_criterion(method):
    X = scale(load_wine().data)
    plain = FactorAnalysis(2, tol=1e-10).fit(X)
    turned = FactorAnalysis(2, tol=1e-10, rotation=method).fit(X)
    peer = Peer(2, tol=1e-12, max_iter=50_000, svd_method="lapack", rotation=method).fit(X)
    np.testing.assert_allclose(turned.score_samples(X), plain.score_samples(X), rtol=1e-12)
    loadings = rotate(peer.components_.T, method)
    assert criterion(loadings, method) >= criterion(peer.components_.T, method) - 1e-9
    np.testing.assert_allclose(abs(turned.components_), abs(loadings.T), atol=1e-3)
    np.testing.assert_allclose(turned.posterior(X).mean, turned.transform(X))


def test_probabilistic_pca_is_the_closed_form(X):
    model, peer = ProbabilisticPCA(2, tol=1e-13).fit(X), PCA(2).fit(X)
    share = (len(X) - 1) / len(X)
    assert model.noise_variance_ == pytest.approx(peer.noise_variance_ * share, rel=1e-5)
    np.testing.assert_allclose(model.explained_variance_, peer.explained_variance_ * share, 1e-4)
    axes = model.components_ / np.linalg.norm(model.components_, axis=1, keepdims=True)
    np.testing.assert_allclose(abs(axes), abs(peer.components_), atol=1e-3)


@pytest.mark.slow
def test_mixture_of_factor_analyzers(X):
    model = MixtureOfFactorAnalyzers(2, 1, random_state=0).fit(X)
    expected = sum(
        w * multivariate_normal(m, c).pdf(X)
        for w, m, c in zip(model.weights_, model.means_, model.covariances_, strict=True)
    )
    np.testing.assert_allclose(model.score_samples(X), np.log(expected), rtol=1e-9)
    assert model.component_factors(X).shape == (len(X), 2, 1)
    assert model.predict_proba(X).sum(axis=1) == pytest.approx(1)
    rows, components = model.sample(10)
    assert rows.shape == (10, 6)
    assert set(components) <= {0, 1}
    assert "2 components, 1 factors" in model.summary()


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(FactorAnalysis(2), marks=pytest.mark.exhaustive),
        pytest.param(ProbabilisticPCA(2), marks=pytest.mark.exhaustive),
        pytest.param(MixtureOfFactorAnalyzers(2, 1), marks=pytest.mark.exhaustive),
    ],
)
def test_missing_marginal_conditional_impute(model, X, holes):
    model.fit(holes)
    filled, lost = model.impute(holes), np.isnan(holes)
    np.testing.assert_array_equal(filled[~lost], holes[~lost])
    assert np.sqrt(np.mean((filled - X)[lost] ** 2)) < 0.95
    draws = model.impute(holes[:30], draws=400, random_state=0)
    np.testing.assert_allclose(draws.mean(axis=0), filled[:30], atol=0.3)
    masked = np.where(np.arange(6) == 1, X, np.nan)
    np.testing.assert_allclose(
        model.marginal([1]).score_samples(X[:, [1]]), model.score_samples(masked), rtol=1e-9
    )
    fixed = np.where(np.arange(6) == 1, 0.3, X)
    joint = model.score_samples(fixed)
    rest = model.conditional([1], [0.3]).score_samples(np.delete(X, 1, axis=1))
    np.testing.assert_allclose(joint, rest + model.marginal([1]).score_samples([[0.3]]), rtol=1e-9)


@pytest.mark.exhaustive
def test_inverse_transform_and_draws(X):
    model = FactorAnalysis(2, random_state=1).fit(X)
    np.testing.assert_allclose(model.inverse_transform(np.zeros((1, 2)))[0], model.mean_)
    rows, factors = model.sample(3000)
    assert factors.shape == (3000, 2)
    np.testing.assert_allclose(np.cov(rows.T), model.get_covariance(), atol=0.15)
    with pytest.raises(ValueError, match="2 columns, one for each factor"):
        model.inverse_transform(np.zeros((1, 3)))


def test_frames_and_float32(X):
    frame = pd.DataFrame(X.astype(np.float32), columns=list("abcdef"))
    model = FactorAnalysis(2).set_output(transform="pandas").fit(frame)
    assert list(model.transform(frame).columns) == ["factoranalysis0", "factoranalysis1"]
    assert model.components_.dtype == np.float32
    assert model.transform(frame).dtypes.unique() == [np.float32]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (FactorAnalysis(7), "n_components should be at most 6"),
        (FactorAnalysis(rotation="oblimin"), "rotation of FactorAnalysis should be one of None"),
        (FactorAnalysis(2, noise_variance_init=[1.0]), "noise_variance_init should be finite"),
        (FactorAnalysis(2, noise_variance_init=-np.ones(6)), "should be above 0"),
        (MixtureOfFactorAnalyzers(2, 9), "n_factors should be at most 6"),
        (ProbabilisticPCA(0), "n_components of ProbabilisticPCA should be a whole number"),
    ],
)
def test_wrong_parameters_are_named(model, message, X):
    with pytest.raises(ValueError, match=message):
        model.fit(X)


@pytest.mark.exhaustive
@pytest.mark.skipif(not (SHARED / "golden").exists(), reason="needs ../shared/golden")
@pytest.mark.parametrize("factors", [1, 2, 3])
def test_holzinger_swineford_is_that_of_factanal(factors):
    golden = json.loads((SHARED / "golden/factor_analysis.json").read_text())[f"HS9_{factors}"]
    table = pd.read_csv(SHARED / "data/classic/holzinger_swineford1939.csv")
    rows = table[[f"x{j}" for j in range(1, 10)]]
    rotation = "varimax" if factors > 1 else None
    model = FactorAnalysis(factors, tol=1e-11, rotation=rotation).fit(rows)
    assert model.score(rows) * len(rows) == pytest.approx(golden["loglik"], abs=1e-2)
    unique = model.noise_variance_ / np.diag(model.get_covariance())
    np.testing.assert_allclose(unique, golden["uniquenesses"], atol=2e-3)
