"""The Bayesian Gaussian mixture: its bound, its predictive density, and its empty components."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.exceptions import NotFittedError
from sklearn.mixture import BayesianGaussianMixture as Peer
from sklearn.utils.estimator_checks import parametrize_with_checks

import latentia as lt
from latentia import BayesianGaussianMixture
from latentia.cli import main
from latentia.learning.normal_wishart import KINDS
from latentia.learning.variational_mixture import _spread

CENTRES = np.array([[0.0, 0], [8, 0], [0, 8], [8, 8], [4, -7]])


def clusters(seed, rows=300):
    rng = np.random.default_rng(seed)
    return CENTRES[rng.integers(5, size=rows)] + rng.normal(size=(rows, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_bound_of_one_component_is_the_evidence(kind):
    rows = np.random.default_rng(0).normal(size=(6, 2)) + 1
    scale = {"diag": [1.5, 1.0], "spherical": 1.5}.get(kind, [[1.5, 0.3], [0.3, 1.0]])
    mixture = BayesianGaussianMixture(
        covariance_type=kind, covariance_prior=scale, degrees_of_freedom_prior=3, mean_prior=[0, 0]
    ).fit(rows)
    # The evidence is the product of the densities of each row, given those before.
    law, prior, total = _spread(mixture.prior_, 1), mixture.prior_, 0.0
    for i, row in enumerate(rows - mixture.centre_):
        total += prior.kind.predictive(law, row[None])[0, 0]
        seen = prior.kind.moments(rows[: i + 1] - mixture.centre_, np.ones((i + 1, 1)))
        law = prior.kind.posterior(prior.law, seen)
    assert mixture.lower_bound_ == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_components_are_those_of_scikit_learn_and_the_bound_never_falls(kind):
    X = clusters(0)
    options = {
        "n_components": 5, "covariance_type": kind, "tol": 1e-8, "random_state": 0,
        "weight_concentration_prior": 1.0,
        "weight_concentration_prior_type": "dirichlet_distribution",
    }  # fmt: skip
    mine = BayesianGaussianMixture(**options).fit(X)
    peer = Peer(**options, max_iter=2000, reg_covar=0, n_init=3).fit(X)
    order = np.argsort(mine.means_ @ [1, 0.1]), np.argsort(peer.means_ @ [1, 0.1])
    # scikit-learn spreads a tied covariance's degrees of freedom over the components.
    tolerance = 0.05 if kind == "tied" else 0.02
    np.testing.assert_allclose(mine.means_[order[0]], peer.means_[order[1]], atol=tolerance)
    np.testing.assert_allclose(mine.weights_[order[0]], peer.weights_[order[1]], atol=5e-3)
    assert mine.covariances_.shape == peer.covariances_.shape
    assert np.diff(mine.lower_bounds_).min() > -1e-9 * abs(mine.lower_bound_)
    labels, theirs = mine.predict(X), peer.predict(X)
    assert len(set(zip(labels, theirs, strict=True))) == 5


def test_a_dirichlet_process_keeps_five_of_twenty_components():
    for seed in range(3):
        mixture = BayesianGaussianMixture(n_components=20, n_init=1, random_state=seed)
        mixture.fit(clusters(seed))
        assert np.sum(mixture.weights_ > 0.01) == 5
    assert "5 of 20 components" in mixture.summary()
    # The bound can be compared across K.
    fewer = BayesianGaussianMixture(n_components=3, n_init=1).fit(clusters(2))
    assert fewer.lower_bound_ < mixture.lower_bound_


@pytest.mark.slow
def test_a_dirichlet_process_keeps_five_in_twenty_seeds():
    found = []
    for seed in range(20):
        mixture = BayesianGaussianMixture(n_components=20, random_state=seed).fit(clusters(seed))
        found.append(np.sum(mixture.weights_ > 0.01) == 5)
    assert sum(found) >= 18


def test_predictive_density_integrates_to_one_and_draws_follow_it():
    X = clusters(1, 60)[:, :1]
    mixture = BayesianGaussianMixture(n_components=4, n_init=1).fit(X)
    grid = np.linspace(-300, 300, 60001)[:, None]
    assert np.exp(mixture.score_samples(grid)).sum() * 0.01 == pytest.approx(1, abs=1e-3)
    rows, chosen = mixture.sample(500, random_state=0)
    assert rows.shape == (500, 1)
    assert len(chosen) == 500


def test_weights_repeat_rows_and_units_do_not_matter():
    X, weight = clusters(0, 60), np.random.default_rng(0).integers(0, 3, 60)
    options = {"tol": 1e-9, "covariance_prior": np.eye(2)}
    weighted = BayesianGaussianMixture(**options, mean_prior=[0, 0]).fit(X, sample_weight=weight)
    repeated = BayesianGaussianMixture(**options, mean_prior=[0, 0]).fit(np.repeat(X, weight, 0))
    assert weighted.lower_bound_ == pytest.approx(repeated.lower_bound_, rel=1e-10)
    far = BayesianGaussianMixture(n_components=2, n_init=1).fit(1e6 + 1e3 * X)
    near = BayesianGaussianMixture(n_components=2, n_init=1).fit(X)
    expected = near.lower_bound_ - X.size * np.log(1e3)
    assert far.lower_bound_ == pytest.approx(expected, rel=1e-7)


def test_bad_input_is_named():
    X = clusters(0, 20)
    with pytest.raises(ValueError, match="X should have no missing entries.*row 3, column 1"):
        Y = X.copy()
        Y[3, 1] = np.nan
        BayesianGaussianMixture().fit(Y)
    with pytest.raises(ValueError, match="degrees_of_freedom_prior.*above 1"):
        BayesianGaussianMixture(degrees_of_freedom_prior=0.5).fit(X)
    with pytest.raises(ValueError, match=r"covariance_prior.*of shape \(2, 2\)"):
        BayesianGaussianMixture(covariance_prior=[1.0, 2.0]).fit(X)
    with pytest.raises(ValueError, match="covariance_prior should be positive definite"):
        BayesianGaussianMixture().fit(np.ones((5, 2)))
    with pytest.raises(NotFittedError):
        BayesianGaussianMixture().predict(X)


# Some checks fit constant rows, which leave no covariance for the prior.
@parametrize_with_checks([BayesianGaussianMixture(reg_covar=1e-6, n_init=1)])
def test_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", ["dirichlet_process", "dirichlet_distribution"])
def test_files_keep_everything_but_the_data(kind, weights, tmp_path):
    rows = clusters(1).astype(np.float32 if kind == "diag" else np.float64)
    mixture = BayesianGaussianMixture(
        n_components=6, covariance_type=kind, weight_concentration_prior_type=weights, n_init=2
    ).fit(rows)
    lt.save(mixture, tmp_path / "model.safetensors")
    again = lt.load(tmp_path / "model.safetensors")
    assert again.get_params() == mixture.get_params()
    for name in vars(mixture):
        if name.endswith("_") and name not in ("prior_", "state_"):
            np.testing.assert_array_equal(getattr(again, name), getattr(mixture, name), name)
    np.testing.assert_array_equal(again.score_samples(rows), mixture.score_samples(rows))
    np.testing.assert_array_equal(again.predict_proba(rows), mixture.predict_proba(rows))
    assert again.summary() == mixture.summary()
    # Smaller than the responsibilities of the rows alone.
    assert (tmp_path / "model.safetensors").stat().st_size < 300 * 6 * 8
    resumed = again.set_params(warm_start=True).fit(rows)
    assert resumed.lower_bound_ >= mixture.lower_bound_ - 1e-4


def test_files_name_an_estimator_that_is_not_fitted(tmp_path):
    with pytest.raises(NotFittedError):
        lt.save(BayesianGaussianMixture(), tmp_path / "model.safetensors")


def test_files_keep_the_names_of_columns(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(clusters(2), columns=["width", "height"])
    lt.save(BayesianGaussianMixture(n_components=3).fit(frame), tmp_path / "model.safetensors")
    again = lt.load(tmp_path / "model.safetensors")
    assert list(again.feature_names_in_) == ["width", "height"]
    assert "width" in again.summary()


def test_the_command_line_tells_what_a_file_holds(tmp_path):
    path = str(tmp_path / "model.safetensors")
    mixture = BayesianGaussianMixture(n_components=3).fit(clusters(2))
    lt.save(mixture, path)
    told = json.loads(CliRunner().invoke(main, ["info", "--json", path]).output)
    assert told["lower_bound"] == pytest.approx(mixture.lower_bound_)
    assert CliRunner().invoke(main, ["info", path]).output.strip() == mixture.summary().strip()
    np.savetxt(tmp_path / "x.csv", clusters(3, 5), delimiter=",", header="x0,x1", comments="")
    asked = CliRunner().invoke(main, ["map", path, str(tmp_path / "x.csv")])
    assert asked.exit_code != 0
    assert "should have a point for its parameters" in asked.output
