"""Hidden Markov models in hmmlearn's manner."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

import latentia
from latentia import (
    GMMHMM,
    CategoricalHMM,
    GaussianHMM,
    HiddenMarkovModel,
    Poisson,
    PoissonHMM,
    Product,
)
from latentia.datasets import load_earthquakes

START = np.array([0.6, 0.3, 0.1])
MOVES = np.array([[0.7, 0.2, 0.1], [0.3, 0.5, 0.2], [0.3, 0.3, 0.4]])
MEANS = np.array([[0.0, 0.0], [3.0, -3.0], [5.0, 10.0]])
COVARIANCE = np.array([[1.0, 0.3], [0.3, 0.8]])


def set_by_hand(cls=GaussianHMM, kind="full"):
    """A model without a fit, as the tutorials of hmmlearn begin."""
    model = cls(3, kind)
    model.startprob_, model.transmat_, model.means_ = START, MOVES, MEANS
    diagonal = np.diagonal(COVARIANCE)
    model.covars_ = {
        "full": np.tile(COVARIANCE, (3, 1, 1)),
        "tied": COVARIANCE,
        "diag": np.tile(diagonal, (3, 1)),
        "spherical": np.full(3, 0.7),
    }[kind]
    return model


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("full", marks=pytest.mark.slow),
        *(pytest.param(k, marks=pytest.mark.exhaustive) for k in ("tied", "diag", "spherical")),
    ],
)
def test_answers_are_those_of_hmmlearn(kind):
    hmm = pytest.importorskip("hmmlearn.hmm")
    mine, theirs = set_by_hand(kind=kind), set_by_hand(hmm.GaussianHMM, kind)
    x, states = mine.sample(120, random_state=3)
    assert x.shape == (120, 2) and states.shape == (120,)
    lengths = [50, 1, 69]
    assert mine.score(x, lengths) == pytest.approx(theirs.score(x, lengths), rel=1e-10)
    np.testing.assert_allclose(mine.covars_, theirs.covars_)
    for algorithm in ("viterbi", "map"):
        value, path = mine.decode(x, lengths, algorithm)
        other, their_path = theirs.decode(x, lengths, algorithm)
        assert value == pytest.approx(other, rel=1e-10)
        np.testing.assert_array_equal(path, their_path)
    total, shares = mine.score_samples(x, lengths)
    np.testing.assert_allclose(shares, theirs.predict_proba(x, lengths), atol=1e-9)
    assert total == pytest.approx(theirs.score_samples(x, lengths)[0], rel=1e-10)
    assert mine.bic(x, lengths) == pytest.approx(theirs.bic(x, lengths), rel=1e-10)
    assert mine.aic(x, lengths) == pytest.approx(theirs.aic(x, lengths), rel=1e-10)
    np.testing.assert_allclose(
        mine.get_stationary_distribution(), theirs.get_stationary_distribution(), atol=1e-9
    )


@pytest.mark.exhaustive
def test_other_emissions_score_as_in_hmmlearn():
    hmm = pytest.importorskip("hmmlearn.hmm")
    counts = load_earthquakes().data[:60, 1:]
    mine = PoissonHMM(2, random_state=0).fit(counts)
    theirs = hmm.PoissonHMM(2)
    theirs.startprob_, theirs.transmat_ = mine.startprob_, mine.transmat_
    theirs.lambdas_ = mine.lambdas_
    assert mine.score(counts) == pytest.approx(theirs.score(counts.astype(int)), rel=1e-9)
    codes = (counts > 15).astype(int) + (counts > 22)
    mine = CategoricalHMM(2, random_state=0).fit(codes)
    theirs = hmm.CategoricalHMM(2)
    theirs.startprob_, theirs.transmat_ = mine.startprob_, mine.transmat_
    theirs.emissionprob_ = mine.emissionprob_
    assert mine.score(codes) == pytest.approx(theirs.score(codes), rel=1e-9)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "kind",
    ["diag", "tied", "full", "spherical"],
)
def test_mixture_emissions_score_as_in_hmmlearn(kind):
    hmm = pytest.importorskip("hmmlearn.hmm")
    x, _ = set_by_hand().sample(300, random_state=0)
    mine = GMMHMM(2, 2, covariance_type=kind, random_state=0, n_init=4).fit(x)
    theirs = hmm.GMMHMM(2, 2, covariance_type=kind)
    for name in ("startprob_", "transmat_", "weights_", "means_", "covars_"):
        setattr(theirs, name, getattr(mine, name))
    assert mine.score(x) == pytest.approx(theirs.score(x), rel=1e-9)


def test_a_fit_finds_what_made_the_data_and_says_how_it_went():
    x, states = set_by_hand().sample(600, random_state=0)
    model = GaussianHMM(3, "full", random_state=0).fit(x, [200, 300, 100])
    assert model.monitor_.converged and model.monitor_.iter == len(model.monitor_.history)
    assert model.score(x, [200, 300, 100]) == pytest.approx(model.monitor_.history[-1], rel=1e-9)
    order = np.argsort(model.means_[:, 1])[[1, 0, 2]]
    np.testing.assert_allclose(model.means_[order], MEANS, atol=0.4)
    truth = np.argsort(order)[states]
    assert (model.predict(x, [200, 300, 100]) == truth).mean() > 0.97
    assert model.score(x) > set_by_hand().score(x)


@pytest.mark.exhaustive
def test_params_and_init_params_say_what_is_learned():
    x, _ = set_by_hand().sample(400, random_state=0)
    model = GaussianHMM(3, "diag", params="mc", init_params="")
    model.startprob_, model.transmat_, model.means_ = START, MOVES, MEANS
    model.covars_ = np.ones((3, 2))
    model.fit(x)
    np.testing.assert_array_equal(model.transmat_, MOVES)
    np.testing.assert_array_equal(model.startprob_, START)
    assert not np.allclose(model.means_, MEANS) and not np.allclose(model.covars_[0], np.eye(2))
    model = GaussianHMM(3, params="mc", random_state=0).fit(x)
    np.testing.assert_allclose(model.transmat_, 1 / 3)
    with pytest.raises(ValueError, match="take 'm' out of both"):
        GaussianHMM(3, params="stc").fit(x)


@pytest.mark.slow
def test_missing_values_weights_and_labels():
    x, states = set_by_hand().sample(300, random_state=1)
    gaps = x.copy()
    gaps[::7, 0] = np.nan
    gaps[10:14] = np.nan
    model = GaussianHMM(3, "full", random_state=0).fit(gaps, [100, 200], weights=[2.0, 1.0])
    assert np.isfinite(model.predict_proba(gaps, [100, 200])).all()
    labels = np.where(np.arange(300) < 50, states, -1)
    model = GaussianHMM(3, "full", random_state=0).fit(x, labels=labels)
    assert (model.predict(x) == states).mean() > 0.97


@pytest.mark.exhaustive
def test_any_family_emits(tmp_path):
    counts = load_earthquakes().data[:, 1:]
    x = np.concatenate([counts, np.log(counts + 1)], axis=1)
    family = Product(Poisson(dim=1), latentia.DiagonalGaussian(dim=1))
    model = HiddenMarkovModel(2, family, random_state=0, n_init=4).fit(x)
    assert model.predict(x).shape == (107,)
    latentia.save(model, tmp_path / "model.safetensors")
    assert latentia.load(tmp_path / "model.safetensors").score(x) == model.score(x)


@pytest.mark.slow
def test_models_are_cloned_pickled_and_saved(tmp_path):
    counts = load_earthquakes().data[:, 1:]
    model = PoissonHMM(2, random_state=0, stationary=True).fit(counts)
    assert clone(model).get_params() == model.get_params()
    assert pickle.loads(pickle.dumps(model)).score(counts) == model.score(counts)
    latentia.save(model, tmp_path / "model.safetensors")
    again = latentia.load(tmp_path / "model.safetensors")
    assert again.score(counts) == model.score(counts)
    assert again.monitor_ == model.monitor_


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: GaussianHMM(2).fit(x, [3, 3]), "lengths should sum to the 20 rows"),
        (lambda x: GaussianHMM(2).fit(x, [20, 0]), "at least 1"),
        (lambda x: GaussianHMM(0).fit(x), "n_components of GaussianHMM"),
        (lambda x: GaussianHMM(2, "round").fit(x), "covariance_type of GaussianHMM"),
        (lambda x: GaussianHMM(2, transmat_prior=2.0).fit(x), "no prior, in this version"),
        (lambda x: CategoricalHMM(2).fit(x), "should have 1 column"),
        (lambda x: CategoricalHMM(2).fit(x[:, :1]), "whole numbers from 0"),
        (lambda x: CategoricalHMM(2, n_features=2).fit([[0], [2]]), "categories from 0 to 1"),
        (lambda x: PoissonHMM(2).fit(-np.ones((9, 1))), "has probability 0"),
        (lambda x: HiddenMarkovModel(2).fit(x), "emission of HiddenMarkovModel"),
        (lambda x: setattr(GaussianHMM(2, "full"), "covars_", np.ones(2)), "should have 3 axes"),
        (lambda x: set_by_hand().decode(x, algorithm="best"), "'viterbi' or 'map'"),
        (lambda x: set_by_hand().sample(0), "n_samples should be"),
    ],
)
def test_what_does_not_fit_is_told(make, message):
    x = np.random.default_rng(0).normal(size=(20, 2))
    with pytest.raises(ValueError, match=message):
        make(x)


def test_nothing_is_asked_of_a_model_that_is_not_fitted():
    with pytest.raises(NotFittedError):
        GaussianHMM(2).score(np.ones((3, 2)))


class OfScikitLearn(GaussianHMM):
    """With scikit-learn's second argument: hmmlearn's, which we keep, are the lengths."""

    def __init__(self, n_components=1, n_init=1, n_iter=50, random_state=None):
        super().__init__(n_components, n_init=n_init, n_iter=n_iter, random_state=random_state)

    def fit(self, X, y=None):
        return super().fit(X)

    def score(self, X, y=None):
        return super().score(X)


# hmmlearn's meaning of these methods is another than scikit-learn's: `score_samples` returns a
# pair, and all answers are about whole sequences, in which a row is not what it is by itself.
EXCEPTIONS = {
    "check_methods_sample_order_invariance": "a sequence in another order is another sequence",
    "check_methods_subset_invariance": "part of a sequence says less than the whole",
    "check_dict_unchanged": "score_samples returns a pair",
}


@pytest.mark.exhaustive
def test_scikit_learns_checks():
    found = check_estimator(
        OfScikitLearn(), expected_failed_checks=EXCEPTIONS, on_fail=None, on_skip=None
    )
    failed = {r["check_name"]: str(r["exception"]) for r in found if r["status"] == "failed"}
    assert not failed, failed
