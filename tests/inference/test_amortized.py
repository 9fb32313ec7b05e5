import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

import latentia as lt
from latentia.inference import amortized
from latentia.inference.amortized import parts_of_model
from latentia.inference.content import content_key
from latentia.networks import MLP

RNG = np.random.default_rng(0)


def linear_model(masked=False, draws=64, refinement=0, random=False):
    """A linear decoder, and an encoder with the right means and a spread a bit too large."""
    decoder = MLP(2, 4, (), key=1)
    family = lt.GaussianOutput(0.5, learned=False)
    likelihood = lt.Neural(decoder, family, 4, 2, offset=0.3, unit=1.0)
    encoder = MLP(8 if masked else 4, 4, (), key=2)
    if not masked and not random:
        loadings, precision = parts_of_posterior(decoder)
        weight = np.zeros((4, 4), np.float32)
        weight[:, :2] = np.linalg.solve(precision, loadings.T / 0.25).T
        bias = np.append(np.zeros(2), np.log(0.5 * np.diag(precision) - 1)).astype("f4")
        layer = type(encoder.layers[0])(weight, bias)
        encoder = eqx.tree_at(lambda network: network.layers, encoder, (layer,))
    centre = np.full(4, 0.3, np.float32)
    inference = lt.Amortized(
        encoder, masked=masked, draws=draws, refinement=refinement, centre=centre
    )
    return lt.LatentVariableModel(lt.GaussianLatent(2), likelihood, inference)


def parts_of_posterior(decoder):
    loadings = np.asarray(decoder.layers[0].weight, float).T
    return loadings, np.eye(2) + loadings.T @ loadings / 0.25


def exact_evidence(model, x):
    loadings = np.asarray(model.likelihood.network.layers[0].weight, float).T
    covariance = loadings @ loadings.T + 0.25 * np.eye(4)
    return multivariate_normal(np.full(4, 0.3), covariance).logpdf(x)


def test_conditioning_the_prior_on_the_encoders_potential_is_its_proposal():
    model = linear_model()
    x = jnp.asarray(RNG.normal(size=4), jnp.float32)
    potential = model.inference.evidence(x)
    prior = lt.GaussianLatent(mean=np.zeros(2, np.float32), covariance=np.eye(2, dtype=np.float32))
    posterior = prior.condition(potential)
    proposal = model.inference.propose(x)
    np.testing.assert_allclose(posterior.mean, proposal.mean, rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(
        posterior.covariance, np.diag(proposal.scale**2), rtol=1e-4, atol=1e-6
    )


def test_the_four_questions_have_the_words_and_the_answers_of_any_model():
    model = linear_model(draws=4000)
    draw = lt.sample(model, 3, 6)
    assert draw.z.shape == (6, 2) and draw.x.shape == (6, 4)
    posterior = lt.infer(model, draw.x)
    exact = exact_evidence(model, draw.x)
    np.testing.assert_allclose(posterior.log_evidence, exact, atol=0.15)
    np.testing.assert_array_equal(lt.score(model, draw.x), posterior.log_evidence)
    assert "k = 4000" in posterior.method and posterior.exactness == "estimate"
    # The mode of a linear Gaussian model is its posterior mean.
    loadings, precision = parts_of_posterior(model.likelihood.network)
    mean = np.linalg.solve(precision, loadings.T @ (draw.x - 0.3).T / 0.25).T
    found = lt.map_estimate(model, draw.x)
    np.testing.assert_allclose(found, mean, atol=2e-3)
    np.testing.assert_allclose(posterior.mode(), found)
    # One datum is answered as a row of many.
    np.testing.assert_allclose(lt.score(model, draw.x[2]), posterior.log_evidence[2], rtol=1e-5)


def test_a_verdict_says_whether_the_draws_of_the_encoder_weigh_alike():
    x = lt.sample(linear_model(), 3, 6).x
    good = lt.infer(linear_model(draws=400), x).verdict
    assert good.level == "pass" and "of 6 posteriors 6 pass" in good.reason
    # Far from the prior an encoder of random weights proposes where there is nothing.
    poor = lt.infer(linear_model(random=True), np.concatenate([x, 20 + 0 * x[:1]]))
    assert poor.verdict.level == "fail" and "evaluate" in poor.verdict.reason
    assert f"number {np.argmin(poor.effective)}" in poor.verdict.reason
    one = lt.infer(linear_model(random=True), x[0])
    assert one.verdict.reason.startswith(f"its 64 draws are worth {one.effective:.1f}")


def test_a_datum_without_entries_leaves_the_prior():
    model = linear_model(masked=True)
    posterior = lt.infer(model, np.full((1, 4), np.nan))
    assert posterior.log_evidence[0] == pytest.approx(0, abs=1e-5)
    np.testing.assert_allclose(posterior.mean[0], 0, atol=1e-6)
    np.testing.assert_allclose(posterior.covariance[0], np.eye(2), atol=1e-6)


@pytest.mark.slow
def test_refinement_raises_the_bound_of_each_datum():
    plain = linear_model(draws=1000, random=True)
    x = lt.sample(plain, 5, 8).x
    before = lt.infer(plain, x)
    after = lt.infer(linear_model(draws=1000, refinement=100, random=True), x)
    assert after.effective.mean() > 2 * before.effective.mean()
    assert np.abs(after.log_evidence - exact_evidence(plain, x)).max() < 0.1


def test_equal_data_have_equal_draws_wherever_they_stand():
    x = jnp.asarray(RNG.normal(size=(3, 5)), jnp.float32)
    keys = [jax.random.key_data(content_key(row)).tolist() for row in (x[0], x[1], x[0])]
    assert keys[0] == keys[2] != keys[1]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: lt.Neural(MLP(2, 5, ()), lt.BernoulliOutput(), 4, 2), "should give 4 numbers"),
        (lambda: lt.Neural(MLP(3, 4, ()), lt.BernoulliOutput(), 4, 2), "latent_dim = 2"),
        (lambda: lt.Neural(MLP(1, 4, ()), lt.BernoulliOutput(), 4, 0), "latent_dim of Neural"),
        (lambda: lt.Amortized(MLP(4, 4, ()), draws=0), "draws of Amortized"),
        (lambda: MLP(4, 4, activation="step"), "activation should be one of"),
        (lambda: lt.score(linear_model(), np.zeros((2, 5))), "should be of the shape"),
        (lambda: lt.score(linear_model(), np.full((2, 4), np.inf)), "should be finite"),
        (lambda: lt.score(linear_model(), np.zeros((2, 4)), labels=[0, 1]), "labels should be"),
        (lambda: lt.score(linear_model(), np.full((2, 4), np.nan)), "masked=True"),
        (lambda: lt.score(linear_model(), [np.zeros((2, 2)), np.zeros((3, 2))]), "of one size"),
    ],
)
def test_what_does_not_fit_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.exhaustive
def test_the_draws_that_weigh_are_not_those_of_the_refinement(monkeypatch):
    keys = []

    def refined(parts, x, proposal, key, steps):
        keys.append(key)
        return proposal

    monkeypatch.setattr(amortized, "refined", refined)
    model, x = linear_model(refinement=3, draws=2), jnp.zeros(4)
    model.inference.posterior(parts_of_model(model), x)
    assert jax.random.key_data(keys[0]).tolist() != jax.random.key_data(content_key(x)).tolist()


def test_a_surrogate_is_refused_where_there_is_an_encoder():
    with pytest.raises(ValueError, match="inference should be None for this model"):
        lt.infer(linear_model(), np.zeros(4), inference=lt.Variational())
