"""Latent Dirichlet allocation: its bound, its promises, and scikit-learn's interface."""

import jax
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import gammaln, logsumexp, psi
from sklearn.decomposition import LatentDirichletAllocation as Peer
from sklearn.utils.estimator_checks import parametrize_with_checks

import latentia as lt
from latentia.data.documents import into_documents
from latentia.learning.topic_inference import Explainer
from latentia.learning.topic_learning import BatchLearner, Progress, Rules, TopicMass

TOPICS = np.repeat(np.eye(3), 4, axis=1) * 0.22 + 0.01


def corpus(documents=120, seed=0, words=30):
    rng = np.random.default_rng(seed)
    theta = rng.dirichlet(np.full(3, 0.3), documents)
    lengths = rng.poisson(words, documents)
    return np.array([rng.multinomial(n, t @ TOPICS) for n, t in zip(lengths, theta, strict=True)])


def dirichlet_logs(parameters):
    return psi(parameters) - psi(parameters.sum(axis=1, keepdims=True))


def corpus_bound(X, gamma, mass, alpha, eta, weight=None):
    """The evidence lower bound of Hoffman, Blei and Bach 2010, equation 1, from its definition."""
    weight = np.ones(len(X)) if weight is None else weight
    log_theta, log_beta = dirichlet_logs(gamma), dirichlet_logs(mass)
    words = np.array(
        [x @ logsumexp(log_theta[d][:, None] + log_beta, axis=0) for d, x in enumerate(X)]
    )
    return weight @ (words - kl(gamma, alpha)) - kl(mass, eta).sum()


def kl(parameters, prior):
    size = parameters.shape[1]
    value = gammaln(parameters.sum(axis=1)) - gammaln(parameters).sum(axis=1)
    value -= gammaln(size * prior) - size * gammaln(prior)
    return value + ((parameters - prior) * dirichlet_logs(parameters)).sum(axis=1)


@pytest.fixture(scope="module")
def fitted():
    X = corpus()
    return X, lt.LatentDirichletAllocation(3, random_state=0, max_iter=40).fit(X)


@pytest.mark.exhaustive
@parametrize_with_checks([lt.LatentDirichletAllocation(3)])
def test_check(estimator, check):
    check(estimator)


def test_the_bound_is_the_bound(fitted):
    X, model = fitted
    gamma = model.transform(X, normalize=False)
    mine = corpus_bound(X, gamma, model.components_, 1 / 3, 1 / 3)
    np.testing.assert_allclose(model.corpus_bound(X), mine, rtol=1e-12)
    np.testing.assert_allclose(model.score(X), mine + kl(model.components_, 1 / 3).sum())
    np.testing.assert_allclose(model.lower_bound_, mine, rtol=1e-6)
    np.testing.assert_allclose(model.bound_, np.exp(-model.lower_bound_ / X.sum()))
    np.testing.assert_allclose(model.perplexity(X), np.exp(-model.score(X) / X.sum()))
    np.testing.assert_allclose(model.score_samples(X).sum(), model.score(X))


def test_scikit_learn_agrees_about_the_bound_of_our_topics(fitted):
    X, model = fitted
    peer = Peer(3, max_iter=1, max_doc_update_iter=2000, mean_change_tol=1e-9).fit(X)
    peer.components_ = model.components_
    peer.exp_dirichlet_component_ = model.exp_dirichlet_component_
    ours = lt.LatentDirichletAllocation(3, max_doc_update_iter=2000, mean_change_tol=1e-9)
    for name in ("components_", "dtype_", "model_", "doc_topic_prior_", "topic_word_prior_"):
        setattr(ours, name, getattr(model, name))
    ours.n_features_in_ = 12
    np.testing.assert_allclose(ours.transform(X), peer.transform(X), atol=1e-6)
    np.testing.assert_allclose(ours.corpus_bound(X), peer.score(X), rtol=1e-9)


@pytest.mark.parametrize("learn", [False, True])
def test_the_objective_never_falls(learn):
    X = corpus(200, seed=3)
    weight = np.random.default_rng(0).uniform(0, 3, 200)
    model = lt.LatentDirichletAllocation(
        3, random_state=1, max_iter=150, learn_doc_topic_prior=learn
    ).fit(X, sample_weight=weight)
    trace = np.array([*model.lower_bounds_, model.lower_bound_])
    assert (np.diff(trace) / np.abs(trace[1:])).min() >= -1e-9
    assert trace[-1] > trace[0] + 100


def test_a_pass_that_would_end_lower_keeps_the_better_posteriors():
    X = corpus(100, seed=3)
    documents = into_documents(sp.csr_array(X))
    mass = TopicMass(np.random.default_rng(0).gamma(1, 1, (3, 12)) + 0.1, 0.5)
    learner = BatchLearner(documents, np.ones(100), Rules(1e-9, 500))
    with jax.enable_x64(True):
        thorough, _ = learner.explain(Progress(mass, np.full(3, 0.4)), 500)
        # Two steps from even proportions do not get as far.
        hasty, _ = learner.explain(Progress(mass, np.full(3, 0.4)), 2)
        assert hasty.objective < thorough.objective - 1
        kept, expected = learner.explain(thorough, 2)
        assert kept.warm and kept.objective >= thorough.objective
        np.testing.assert_allclose(expected.sum(axis=0), X.sum(axis=0))
        onward, _ = learner.explain(learner.update(kept, expected), 2)
    assert onward.warm and onward.objective > kept.objective


def test_a_learned_prior_is_a_better_one():
    X = corpus(200, seed=3)
    plain = lt.LatentDirichletAllocation(3, random_state=0, max_iter=60).fit(X)
    learned = lt.LatentDirichletAllocation(
        3, random_state=0, max_iter=60, learn_doc_topic_prior=True
    ).fit(X)
    assert learned.lower_bound_ > plain.lower_bound_
    assert learned.doc_topic_prior_.shape == (3,) and (learned.doc_topic_prior_ > 0).all()


@pytest.mark.parametrize("method", ["batch", "online"])
def test_topics_are_found(method):
    X = corpus(300)
    model = lt.LatentDirichletAllocation(
        3, random_state=0, max_iter=30, learning_method=method, topic_word_prior=0.1
    ).fit(sp.csr_matrix(X))
    found = model.components_ / model.components_.sum(axis=1, keepdims=True)
    distance = np.abs(found[:, None] - TOPICS).sum(axis=2)
    assert sorted(distance.argmin(axis=1)) == [0, 1, 2] and distance.min(axis=1).max() < 0.2
    # What the held-out words cost is near what they cost under the truth, and below ignorance.
    test = corpus(100, seed=9)
    assert 5 < model.completion_perplexity(test) < 9 < 12
    assert 5 < model.perplexity(test) < 12
    assert model.n_iter_ == 30
    assert model.n_batch_iter_ == (31 if method == "batch" else 91)


def test_held_out_perplexity_does_not_depend_on_how_many_documents_are_held_out(fitted):
    _, model = fitted
    test = corpus(400, seed=5)
    whole, part = model.perplexity(test), model.perplexity(test[:20])
    assert abs(whole / part - 1) < 0.15
    # scikit-learn charges the topics to the documents that are scored, however few they are.
    peer = Peer(3, random_state=0).fit(corpus())
    assert peer.perplexity(test[:20]) > 1.1 * peer.perplexity(test)


def test_weights_are_repeated_documents():
    X = corpus(40)
    times = np.random.default_rng(0).integers(0, 4, 40)
    one = lt.LatentDirichletAllocation(3, random_state=0).fit(X, sample_weight=times)
    two = lt.LatentDirichletAllocation(3, random_state=0).fit(np.repeat(X, times, axis=0))
    np.testing.assert_allclose(one.components_, two.components_, rtol=1e-9)
    np.testing.assert_allclose(one.lower_bounds_, two.lower_bounds_, rtol=1e-12)
    np.testing.assert_allclose(one.score(X, sample_weight=times),
                               two.score(np.repeat(X, times, axis=0)))  # fmt: skip


def test_order_and_format_change_nothing(fitted):
    X, model = fitted
    expected = model.transform(X)
    for form in (sp.csr_matrix, sp.csc_matrix, sp.coo_array, sp.lil_matrix):
        np.testing.assert_array_equal(model.transform(form(X.astype(float))), expected)
    np.testing.assert_array_equal(model.transform(X[::-1])[::-1], expected)
    # Stored zeros, duplicates and long integers are counts like others.
    row, column = np.nonzero(X)
    both = sp.coo_array(
        (np.concatenate([X[row, column] - 1, np.ones(len(row), int)]),
         (np.tile(row, 2), np.tile(column, 2))), shape=X.shape)  # fmt: skip
    np.testing.assert_array_equal(model.transform(both), expected)


def test_empty_documents_have_the_prior_and_cost_nothing(fitted):
    X, model = fitted
    X = np.vstack([X[:3], np.zeros((2, 12), int)])
    np.testing.assert_allclose(model.transform(X)[3:], 1 / 3)
    np.testing.assert_array_equal(model.score_samples(X)[3:], 0)
    assert model.perplexity(np.zeros((2, 12))) == 1
    again = lt.LatentDirichletAllocation(3, random_state=0).fit(X)
    alone = lt.LatentDirichletAllocation(3, random_state=0).fit(X[:3])
    np.testing.assert_allclose(again.components_, alone.components_)
    nothing = lt.LatentDirichletAllocation(2).fit(np.zeros((3, 4)))
    assert np.isfinite(nothing.components_).all() and nothing.bound_ == 1


@pytest.mark.exhaustive
def test_more_topics_than_documents_and_words_that_never_came():
    X = np.array([[3, 0, 1, 0], [0, 0, 5, 0]])
    model = lt.LatentDirichletAllocation(7, random_state=0, max_iter=50).fit(X)
    assert np.isfinite(model.components_).all() and np.isfinite(model.score(X))
    np.testing.assert_allclose(model.components_[:, [1, 3]], 1 / 7)
    np.testing.assert_allclose(model.components_.sum(), X.sum() + 28 / 7)
    one = lt.LatentDirichletAllocation(1).fit(X)
    np.testing.assert_allclose(one.components_, [X.sum(axis=0) + 1])


@pytest.mark.exhaustive
def test_float32_is_kept_and_close():
    X = corpus()
    one = lt.LatentDirichletAllocation(3, random_state=0).fit(X.astype(np.float32))
    two = lt.LatentDirichletAllocation(3, random_state=0).fit(X.astype(float))
    assert one.components_.dtype == one.transform(X.astype(np.float32)).dtype == np.float32
    assert two.components_.dtype == two.transform(X).dtype == np.float64
    np.testing.assert_allclose(one.lower_bound_, two.lower_bound_, rtol=1e-4)


def test_parts_of_a_stream():
    X = corpus(300)
    model = lt.LatentDirichletAllocation(3, random_state=0, total_samples=300, batch_size=50)
    for first in range(0, 300, 100):
        model.partial_fit(X[first : first + 100])
    whole = lt.LatentDirichletAllocation(
        3, random_state=0, learning_method="online", batch_size=50, max_iter=1
    ).fit(X)
    np.testing.assert_allclose(model.components_, whole.components_, rtol=1e-6)
    assert model.n_batch_iter_ == 7 and model.fit_ is None
    with pytest.raises(ValueError, match="X has 11 features, but LatentDirichletAllocation is exp"):
        model.partial_fit(X[:, :11])
    with pytest.raises(ValueError, match="11 features"):
        model.perplexity(X[:, :11])


def test_the_perplexity_can_stop_a_fit():
    X = corpus()
    model = lt.LatentDirichletAllocation(
        3, random_state=0, max_iter=500, evaluate_every=5, perp_tol=1e-3
    ).fit(X)
    assert model.fit_.converged and model.n_iter_ < 500 and model.n_iter_ % 5 == 0


@pytest.mark.slow
def test_names_draws_core_model_and_files(fitted, tmp_path):
    X, model = fitted
    assert list(model.get_feature_names_out())[:1] == ["latentdirichletallocation0"]
    assert "lower bound of the log-likelihood" in model.summary()
    assert lt.sample(model.model_, 0, 4).x.shape == (4, 12)
    core = lt.infer(model.model_, X.astype(float))
    np.testing.assert_allclose(core.probabilities, model.transform(X), atol=0.05)
    lt.save(model, tmp_path / "m.safetensors")
    again = lt.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.transform(X), model.transform(X))
    assert again.bound_ == model.bound_ and again.fit_.log_likelihood == model.lower_bound_
    lt.save(model.model_, tmp_path / "core.safetensors")
    loaded = lt.load(tmp_path / "core.safetensors")
    np.testing.assert_array_equal(loaded.likelihood.topics, model.model_.likelihood.topics)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[1, -2], [0, 1]], "Negative values in data passed to X: counts are 0 or more"),
        ([[1, np.nan], [0, 1]], "X should hold counts, but has NaN: write 0"),
        ([[1, np.inf], [0, 1]], "inf"),
        (sp.csr_matrix([[1.0, np.nan], [0, 1]]), "X should hold counts, but has NaN"),
        (sp.csr_matrix([[1.0, -1], [0, 1]]), "Negative values"),
    ],
)
def test_what_is_no_count_is_refused_in_one_sentence(X, message):
    with pytest.raises(ValueError, match=message) as caught:
        lt.LatentDirichletAllocation(2).fit(X)
    assert "\n" not in str(caught.value)


def test_fractions_weight_words_but_cannot_be_halved(fitted):
    X, model = fitted
    np.testing.assert_allclose(
        lt.LatentDirichletAllocation(3, random_state=0).fit(X * 0.5).components_.sum(),
        X.sum() / 2 + 12,
    )
    with pytest.raises(ValueError, match="X should hold whole counts"):
        model.completion_perplexity(X * 0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_components": 0}, "n_components of LatentDirichletAllocation should be a whole number"),
        ({"doc_topic_prior": 0}, "doc_topic_prior of .* a number above 0"),
        ({"topic_word_prior": -1.0}, "topic_word_prior of .* a number above 0"),
        ({"learning_method": "some"}, "one of 'batch', 'online'"),
        ({"learning_decay": 1.5}, "learning_decay of .* a number from 0 to 1"),
        ({"learning_offset": 0.5}, "learning_offset of .* a number from 1"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_wrong_parameters_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        lt.LatentDirichletAllocation(**options).fit(corpus(5))
    with pytest.raises(ValueError, match="sample_weight should have a weight above zero"):
        lt.LatentDirichletAllocation(2).fit(corpus(5), sample_weight=np.zeros(5))


def test_expected_counts_are_all_counts_and_the_better_posterior_is_taken():
    X = corpus()
    documents = into_documents(sp.csr_array(X))
    mass = TopicMass(np.random.default_rng(0).gamma(1, 1, (3, 12)) + 0.1, 0.5)
    with jax.enable_x64(True):
        explainer = Explainer(documents, mass.expected_log(), np.full(3, 0.4))
        poor = explainer.settle(np.random.default_rng(1).gamma(1, 1, (len(X), 3)) + 0.1)
        step = explainer.settle(poor.gamma, improve=True)
        good = explainer.settle(explainer.ascend(1e-6, 200))
        assert (step.bounds >= poor.bounds).all()
        best = explainer.better(poor, good)
        np.testing.assert_array_equal(best.bounds, np.maximum(poor.bounds, good.bounds))
        np.testing.assert_allclose(explainer.expected(best).sum(axis=0), X.sum(axis=0))
        weight = np.arange(len(X)) % 3
        np.testing.assert_allclose(
            explainer.expected(good, documents.sort(weight)).sum(axis=0), weight @ X
        )
