"""Topics and counts of words, against quadrature, enumeration and NumPy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

import latentia as lt
from latentia.latents.coordinate_ascent import ascend, ascend_once, bound
from latentia.latents.dirichlet import divergence, log_density, maximum
from latentia.learning.expectation import expectations
from latentia.numerics import digamma
from latentia.testing.iteration import blocks, em_step, problem_for
from latentia.typing import Form
from latentia.verdict import Exactness

WORDS = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]])
ALPHA = np.array([0.4, 0.9])
COUNTS = np.array([[3.0, 0, 1], [0, 0, 0], [0, 6, 0], [1, 1, 9], [40, 2, 11], [0.5, 0.25, 0]])


def model(length=20):
    return lt.LatentVariableModel(lt.Topics(2, ALPHA), lt.WordCounts(WORDS, length=length))


def log_evidence(x, alpha=ALPHA, words=WORDS):
    """By adaptive quadrature over the share of the first topic, in its quantiles."""

    def value(u):
        share = stats.beta.ppf(u, *alpha)
        mixed = share * words[0] + (1 - share) * words[1]
        return np.exp(x @ np.log(mixed))

    return np.log(integrate.quad(value, 0, 1, epsabs=0, epsrel=1e-9, limit=400)[0])


def by_hand(x, alpha, words, steps):
    """Coordinate ascent as in Blei, Ng and Jordan 2003, one word and one topic at a time."""
    gamma = alpha + x.sum() / len(alpha)
    for _ in range(steps):
        phi = np.exp(special.psi(gamma))[:, None] * words
        phi /= phi.sum(axis=0)
        gamma = alpha + phi @ x
    return gamma


def bound_by_hand(gamma, x, alpha, words):
    """The sum of the five expectations in their paper, equation 15."""
    logs = special.psi(gamma) - special.psi(gamma.sum())
    phi = np.exp(logs)[:, None] * words
    phi /= phi.sum(axis=0)
    value = special.gammaln(alpha.sum()) - special.gammaln(alpha).sum() + (alpha - 1) @ logs
    value += np.sum(x * phi * (logs[:, None] + np.log(words)))
    value -= special.gammaln(gamma.sum()) - special.gammaln(gamma).sum() + (gamma - 1) @ logs
    return value - np.sum(x * phi * np.log(phi))


def test_the_score_is_a_bound_of_the_evidence_and_close():
    found = lt.score(model(), COUNTS)
    truth = np.array([log_evidence(x) for x in COUNTS])
    assert (found <= truth + 1e-9).all()
    assert (found >= truth - 1).all()
    assert found[1] == 0
    assert found[2] < truth[2] - 1e-3, "a bound that is the evidence would hide a mistake here"


def test_posteriors_are_those_of_blei_ng_and_jordan():
    posterior = lt.infer(model(), COUNTS)
    for x, gamma, value in zip(
        COUNTS, posterior.concentration, posterior.log_evidence, strict=True
    ):
        np.testing.assert_allclose(gamma, by_hand(x, ALPHA, WORDS, 20_000), rtol=1e-4)
        np.testing.assert_allclose(value, bound_by_hand(gamma, x, ALPHA, WORDS), atol=1e-10)
    np.testing.assert_array_equal(posterior.concentration[1], ALPHA)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_step_never_lowers_the_bound(dtype):
    with jax.enable_x64(dtype is np.float64):
        alpha, words = jnp.asarray(ALPHA, dtype), jnp.asarray(WORDS, dtype)
        x, gamma = jnp.asarray(COUNTS, dtype), jnp.tile(jnp.array([30.0, 0.1], dtype), (6, 1))
        value = jax.jit(jax.vmap(lambda x, g: bound(alpha, g, words, x, jnp.zeros(3, dtype))))
        step = jax.jit(jax.vmap(lambda x, g: ascend_once(alpha, words, x, g)))
        values = []
        for _ in range(30):
            values.append(float(value(x, gamma).sum()))
            gamma = step(x, gamma)
        fall = -np.diff(values) / np.abs(values[1:])
        assert fall.max() <= (1e-12 if dtype is np.float64 else 1e-6)
        assert values[-1] > values[0]


def test_extrapolation_ends_where_plain_steps_end():
    rng = np.random.default_rng(0)
    words = rng.dirichlet(np.full(30, 0.1), 5)
    with jax.enable_x64(True):
        for seed in range(5):
            theta = np.random.default_rng(seed).dirichlet(np.full(5, 0.2))
            x = np.random.default_rng(seed).multinomial(80, theta @ words).astype(float)
            alpha = np.full(5, 0.2)
            found, change = ascend(alpha, words, x, alpha + 16, 1e-9, 10_000)
            assert change <= 1e-9
            np.testing.assert_allclose(found, ascend_once(alpha, words, x, found), atol=1e-8)
            plain = by_hand(x, alpha, words, 5000)
            value = bound_by_hand(np.asarray(found), x, alpha, words + 1e-300)
            assert value >= bound_by_hand(plain, x, alpha, words + 1e-300) - 1e-6


@pytest.mark.slow
def test_potentials_add_and_are_log_likelihoods():
    likelihood = lt.WordCounts(WORDS)
    with jax.enable_x64(True):
        one, two = likelihood.potential(COUNTS[0]), likelihood.potential(COUNTS[3])
        z = np.array([0.3, 0.7])
        direct = COUNTS[0] @ np.log(z @ WORDS)
        np.testing.assert_allclose(one(z), direct)
        np.testing.assert_allclose(likelihood.log_prob(COUNTS[0], z), direct)
        np.testing.assert_allclose((one + two)(z), one(z) + two(z))
        prior = lt.Topics(2, ALPHA)
        both = prior.condition(one + two)
        whole = prior.condition(likelihood.potential(COUNTS[0] + COUNTS[3]))
        np.testing.assert_allclose(both.concentration, whole.concentration, rtol=1e-5)
        nothing = prior.condition(likelihood.potential(np.full(3, np.nan)))
        assert nothing.log_evidence == 0
        np.testing.assert_array_equal(nothing.concentration, ALPHA)


def test_probabilities_of_all_documents_of_three_words_sum_to_one():
    z = np.array([0.3, 0.7])
    likelihood = lt.WordCounts(WORDS)
    texts = list(itertools.product(range(3), repeat=3))
    counts = np.array([np.bincount(text, minlength=3) for text in texts], float)
    with jax.enable_x64(True):
        total = sum(np.exp(likelihood.log_prob(x, z)) for x in counts)
    np.testing.assert_allclose(total, 1)


def test_draws_follow_the_model():
    z, x = lt.sample(model(length=50), 0, 4000)
    assert (x.sum(axis=1) == 50).all()
    np.testing.assert_allclose(z.mean(axis=0), ALPHA / ALPHA.sum(), atol=0.03)
    np.testing.assert_allclose(x.mean(axis=0), 50 * (ALPHA / ALPHA.sum()) @ WORDS, rtol=0.03)


def test_the_model_says_what_it_is_not():
    text = repr(model())
    assert "coordinate ascent (lower bound)" in text and "exact)" not in text
    assert not model().conjugate
    assert lt.infer(model(), COUNTS[0]).exactness is Exactness.LOWER_BOUND
    method = lt.choose(model())
    assert method.exactness is Exactness.LOWER_BOUND
    assert method.describe(model()) == "coordinate ascent (lower bound)"
    exact = lt.LatentVariableModel(lt.Discrete([0.5, 0.5]), lt.Switch(lt.Poisson([1.0]), 2))
    assert exact.conjugate and "enumeration of the states (exact)" in repr(exact)


def test_a_word_that_no_topic_has_is_impossible_and_teaches_nothing():
    words = np.array([[0.5, 0.5, 0.0], [0.2, 0.8, 0.0]])
    parts = lt.LatentVariableModel(lt.Topics(2, ALPHA), lt.WordCounts(words))
    posterior = lt.infer(parts, [[1.0, 1, 1], [1, 1, 0]])
    assert posterior.log_evidence[0] == -np.inf
    # To the tolerance at which coordinate ascent stops.
    np.testing.assert_allclose(*posterior.concentration, rtol=1e-4)


def test_tiny_concentrations_and_rare_words_stay_finite():
    words = np.array([[1 - 1e-300, 1e-300], [1e-250, 1 - 1e-250]])
    parts = lt.LatentVariableModel(lt.Topics(2, 1e-3), lt.WordCounts(words))
    posterior = lt.infer(parts, [[1e6, 0.0], [5, 1], [1, 0]])
    assert np.isfinite(posterior.log_evidence).all() and np.isfinite(posterior.concentration).all()
    assert posterior.probabilities[0, 0] > 0.999


def test_modes_and_densities_are_those_of_the_dirichlet_distribution():
    posterior = lt.infer(model(), COUNTS[4])
    gamma = posterior.concentration
    np.testing.assert_allclose(posterior.mode(), (gamma - 1) / (gamma.sum() - 2))
    z = np.array([0.35, 0.65])
    np.testing.assert_allclose(lt.infer(model(), np.zeros(3)).mode(), [0, 1])
    with jax.enable_x64(True):
        np.testing.assert_allclose(posterior.log_prob(z), stats.dirichlet.logpdf(z, gamma))
        assert log_density(np.ones(2), np.array([0.0, 1.0])) == 0
        draws = np.asarray(jax.vmap(posterior.sample)(jax.random.split(jax.random.key(0), 4000)))
    np.testing.assert_allclose(draws.mean(axis=0), posterior.probabilities, atol=0.01)


def test_the_concentration_of_highest_likelihood_is_found():
    truth = np.array([0.05, 0.4, 3.0])
    z = np.random.default_rng(0).dirichlet(truth, 4000)
    mean = np.log(np.maximum(z, 1e-300)).mean(axis=0)
    with jax.enable_x64(True):
        for start in (np.ones(3), np.array([50.0, 1e-3, 1.0])):
            found = np.asarray(maximum(mean, start))
            slope = special.psi(found.sum()) - special.psi(found) + mean
            np.testing.assert_allclose(slope, 0, atol=1e-8)
            np.testing.assert_allclose(found, truth, rtol=0.1)


def test_divergence_is_that_of_samples():
    one, two = np.array([2.0, 0.7, 5.0]), np.array([1.0, 1.5, 2.0])
    z = stats.dirichlet.rvs(one, 200_000, random_state=0).T
    gap = stats.dirichlet.logpdf(z, one) - stats.dirichlet.logpdf(z, two)
    with jax.enable_x64(True):
        assert abs(divergence(one, two) - gap.mean()) < 5 * gap.std() / np.sqrt(gap.size)


def test_digamma_is_that_of_scipy():
    x = np.concatenate([np.geomspace(1e-300, 1e300, 500), np.linspace(0.1, 30, 500)])
    with jax.enable_x64(True):
        found = np.asarray(digamma(jnp.asarray(x)))
    np.testing.assert_allclose(found, special.psi(x), rtol=2e-14, atol=2e-14)
    small = np.geomspace(1e-30, 1e30, 500).astype(np.float32)
    found = np.asarray(digamma(jnp.asarray(small)))
    np.testing.assert_allclose(found, special.psi(small.astype(float)), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("strength", [0.0, pytest.param(5.0, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_em_never_falls(strength):
    truth = lt.LatentVariableModel(
        lt.Topics(2, ALPHA, tol=1e-9, max_iter=10_000), lt.WordCounts(WORDS)
    )
    x = lt.sample(truth, 1, 90).x
    weight = np.random.default_rng(0).uniform(0.2, 2, 90)
    now = lt.LatentVariableModel(
        lt.Topics(2, [1.0, 0.2], tol=1e-9, max_iter=10_000),
        lt.WordCounts([[0.4, 0.3, 0.3], [0.3, 0.4, 0.3]]),
    )
    problem = problem_for(truth, weight.sum(), strength)
    values = []
    with jax.enable_x64(True):
        for _ in range(40):
            now, value = em_step(now, blocks(x, weight), problem)
            values.append(float(value))
    fall = -np.diff(values) / np.abs(values[1:])
    assert fall.max() <= 1e-9 and values[-1] > values[0] + 0.01


@pytest.mark.exhaustive
def test_a_fit_finds_the_topics_and_says_that_its_number_is_a_bound():
    truth = lt.LatentVariableModel(
        lt.Topics(3, 0.3), lt.WordCounts(np.repeat(np.eye(3), 3, axis=1) * 0.3 + 0.1 / 9, length=40)
    )
    x = lt.sample(truth, 0, 200).x
    fit = lt.fit(lt.LatentVariableModel(lt.Topics(3), lt.WordCounts(dim=9, states=3)), x,
                 learner=lt.EM(n_init=1))  # fmt: skip
    assert repr(fit).startswith("Fit: lower bound of the log-likelihood")
    assert "(lower bound): the log-likelihood itself is higher." in fit.accuracy
    groups = fit.model.likelihood.topics.reshape(3, 3, 3).sum(axis=2)
    assert (np.sort(groups.max(axis=1)) > 0.85).all() and sorted(groups.argmax(axis=1)) == [0, 1, 2]
    assert fit.log_likelihood >= lt.score(truth, x).sum()
    np.testing.assert_allclose(lt.score(fit.model, x).sum(), fit.log_likelihood, rtol=1e-9)
    with jax.enable_x64(True):
        totals = expectations(fit.model, blocks(x[:90]), form=Form.COMPLETE, labelled=False)
    np.testing.assert_allclose(np.asarray(totals.likelihood).sum(), x[:90].sum())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lt.Topics(0), "topics should be a whole number of at least 1, but is 0"),
        (lambda: lt.Topics(2, [0.1, 0.2, 0.3]), "concentration should be one number or 2"),
        (lambda: lt.Topics(2, 0.0), "concentration should be above 0 and finite"),
        (lambda: lt.WordCounts(), "give them, or the number of words as dim"),
        (lambda: lt.WordCounts([0.5, 0.5]), "has the shape"),
        (lambda: lt.WordCounts([[0.5, 0.6]]), "rows of probabilities that sum to 1"),
        (lambda: lt.LatentVariableModel(lt.Topics(3, 1.0), lt.WordCounts(WORDS)), "do not fit"),
        (lambda: lt.LatentVariableModel(lt.Discrete(2), lt.WordCounts(WORDS)), "do not fit"),
    ],
)
def test_wrong_parts_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_negative_counts_are_refused_by_a_fit():
    parts = lt.LatentVariableModel(lt.Topics(2), lt.WordCounts(dim=3, states=2))
    with pytest.raises(ValueError, match="probability 0 whatever the parameters"):
        lt.fit(parts, [[1.0, 2, 3], [1, -1, 2]])
