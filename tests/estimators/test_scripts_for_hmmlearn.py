"""Scripts as people write them after hmmlearn's tutorial and gallery: only the import changes."""

import pickle

import numpy as np
import pytest

import latentia
from latentia.datasets import load_earthquakes


@pytest.fixture(params=["latentia", "hmmlearn"])
def hmm(request):
    return latentia if request.param == "latentia" else pytest.importorskip("hmmlearn.hmm")


def four_blobs(hmm):
    model = hmm.GaussianHMM(n_components=4, covariance_type="full", random_state=1)
    model.startprob_ = np.array([0.6, 0.3, 0.1, 0.0])
    model.transmat_ = np.array(
        [[0.7, 0.2, 0.0, 0.1], [0.3, 0.5, 0.2, 0.0], [0.0, 0.3, 0.5, 0.2], [0.2, 0.0, 0.2, 0.6]]
    )
    model.means_ = np.array([[0.0, 0.0], [0.0, 11.0], [9.0, 10.0], [11.0, -1.0]])
    model.covars_ = np.tile(0.5 * np.identity(2), (4, 1, 1))
    return model


@pytest.mark.exhaustive
def test_sampling_and_decoding(hmm):
    x, states = four_blobs(hmm).sample(500)
    train, validate = x[:250], x[250:]
    scores = []
    for seed in range(3):
        model = hmm.GaussianHMM(
            n_components=4, covariance_type="full", n_iter=50, random_state=seed
        )
        model.fit(train)
        scores.append((model.score(validate), seed, model))
    best = max(scores, key=lambda entry: entry[0])[2]
    found = best.predict(x)
    # Each true state is one found state, whatever its number.
    assert len(set(zip(states.tolist(), found.tolist(), strict=True))) == 4
    assert best.aic(x) < best.bic(x)
    log_prob, path = best.decode(x, algorithm="viterbi")
    assert np.array_equal(path, found) and np.isfinite(log_prob)
    assert best.predict_proba(x).shape == (500, 4)
    assert best.get_stationary_distribution().sum() == pytest.approx(1)


@pytest.mark.exhaustive
def test_several_sequences_saved_and_loaded(hmm):
    first, _ = four_blobs(hmm).sample(60, random_state=2)
    second, _ = four_blobs(hmm).sample(40, random_state=3)
    x, lengths = np.concatenate([first, second]), [len(first), len(second)]
    model = hmm.GaussianHMM(n_components=4, covariance_type="diag", n_iter=100, random_state=0)
    model.fit(x, lengths)
    assert model.monitor_.converged
    again = pickle.loads(pickle.dumps(model))
    assert again.score(x, lengths) == pytest.approx(model.score(x, lengths))
    assert np.array_equal(again.predict(x, lengths), model.predict(x, lengths))


@pytest.mark.slow
def test_the_casino_with_loaded_dice(hmm):
    casino = hmm.CategoricalHMM(n_components=2, random_state=99)
    casino.startprob_ = np.array([1.0, 0.0])
    casino.transmat_ = np.array([[0.95, 0.05], [0.1, 0.9]])
    casino.emissionprob_ = np.array([np.full(6, 1 / 6), [0.1, 0.1, 0.1, 0.1, 0.1, 0.5]])
    rolls, states = casino.sample(20000)
    train, validate = rolls[:10000], rolls[10000:]
    rng = np.random.default_rng(13)
    scored = []
    for seed in range(3):
        model = hmm.CategoricalHMM(n_components=2, random_state=seed, init_params="se", n_iter=200)
        model.transmat_ = np.array([rng.dirichlet([9, 1]), rng.dirichlet([1, 9])])
        model.fit(train)
        scored.append((model.score(validate), seed, model))
    best = max(scored, key=lambda entry: entry[0])[2]
    loaded = int(np.argmax(best.emissionprob_[:, 5]))
    assert best.emissionprob_[loaded, 5] == pytest.approx(0.5, abs=0.06)
    assert np.mean((best.predict(rolls) == loaded) == (states == 1)) > 0.75


@pytest.mark.exhaustive
def test_how_many_regimes_of_earthquakes(hmm):
    counts = load_earthquakes().data[:, 1:].astype(int)
    scores, models = [], []
    for states in (1, 2, 3):
        fits = []
        for seed in range(3):
            model = hmm.PoissonHMM(n_components=states, random_state=seed, n_iter=200)
            model.fit(counts)
            fits.append((model.score(counts), seed, model))
        scores.append(max(fits, key=lambda entry: entry[0])[0])
        models.append(max(fits, key=lambda entry: entry[0])[2])
    assert np.all(np.diff(scores) > 0)
    assert int(np.argmin([model.bic(counts) for model in models])) == 1
    rates = models[1].lambdas_[models[1].predict(counts)]
    assert rates.shape == counts.shape and 10 < rates.min() < rates.max() < 30


@pytest.mark.exhaustive
def test_number_of_components_is_chosen(hmm):
    x, _ = four_blobs(hmm).sample(200, random_state=0)
    bic = {}
    for states in (3, 4, 5):
        model = hmm.GaussianHMM(states, "spherical", n_iter=30, random_state=2).fit(x)
        bic[states] = model.bic(x)
    assert bic[4] < bic[3]
