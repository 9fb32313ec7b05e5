"""Conditional deep models: a linear one has exact answers, those of a Gaussian regression."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

import latentia as lt
from latentia.networks import MLP, ConvDecoder, ConvEncoder

LOADINGS = np.array([[1.0, 0.4], [0.6, -0.8], [-0.5, 0.9]])
SLOPES = np.array([[2.0], [0.0], [-1.5]])
COVARIANCE = LOADINGS @ LOADINGS.T + 0.25 * np.eye(3)


def linear_model(draws=2000):
    """LOADINGS z + SLOPES u + noise, with the encoder that knows the answer's mean."""
    precision = np.eye(2) + LOADINGS.T @ LOADINGS / 0.25
    answer = np.linalg.solve(precision, LOADINGS.T) / 0.25
    encoder = with_weights(
        MLP(4, 4, ()),
        np.vstack([np.hstack([answer, -answer @ SLOPES]), np.zeros((2, 4))]),
        np.append(np.zeros(2), np.log(0.5 * np.diag(precision) - 1)),
    )
    decoder = with_weights(MLP(3, 3, ()), np.hstack([LOADINGS, SLOPES]), np.zeros(3))
    family = lt.GaussianOutput(0.5, learned=False)
    likelihood = lt.Neural(
        decoder, family, 3, 2, offset=0.0, unit=1.0, inputs=1, standard=[[0.0], [1.0]]
    )
    inference = lt.Amortized(encoder, draws=draws, centre=np.zeros(3), scale=np.ones(3))
    return lt.LatentVariableModel(lt.GaussianLatent(2), likelihood, inference)


def with_weights(network, weight, bias):
    values = jnp.asarray(weight.T, jnp.float32), jnp.asarray(bias, jnp.float32)
    return eqx.tree_at(
        lambda network: (network.layers[0].weight, network.layers[0].bias), network, values
    )


def data(n, seed=0):
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(n, 1))
    noise = 0.5 * rng.normal(size=(n, 3))
    return (rng.normal(size=(n, 2)) @ LOADINGS.T + u @ SLOPES.T + noise).astype("f4"), u


@pytest.mark.exhaustive
def test_the_four_questions_are_those_of_a_gaussian_regression():
    model, (x, u) = linear_model(), data(40)
    exact = multivariate_normal(np.zeros(3), COVARIANCE).logpdf(x - u @ SLOPES.T)
    np.testing.assert_allclose(lt.score(model, x, given=u), exact, atol=0.1)
    gain = np.linalg.solve(COVARIANCE, LOADINGS).T
    means = (x - u @ SLOPES.T) @ gain.T
    posterior = lt.infer(model, x, given=u)
    np.testing.assert_allclose(posterior.mean, means, atol=1e-4)
    np.testing.assert_allclose(posterior.mode(), means, atol=1e-3)
    np.testing.assert_allclose(lt.map_estimate(model, x[3], given=u[3]), means[3], atol=1e-3)
    assert "given 1 covariates" in repr(model)
    found = lt.evaluate(model, x, k=500, given=u)
    assert found.log_likelihood == pytest.approx(exact.mean(), abs=0.03)
    drawn = lt.sample(model, 0, 4000, given=[2.0]).x
    np.testing.assert_allclose(drawn.mean(axis=0), 2 * SLOPES[:, 0], atol=0.1)
    np.testing.assert_allclose(np.cov(drawn.T), COVARIANCE, atol=0.15)


@pytest.mark.exhaustive
def test_training_finds_the_regression():
    x, u = data(1500)
    decoder, encoder = MLP(3, 3, (), key=0), MLP(4, 4, (), key=1)
    model = lt.LatentVariableModel(
        lt.GaussianLatent(2),
        lt.Neural(decoder, lt.GaussianOutput(), 3, 2, unit=1.0, inputs=1),
        lt.Amortized(encoder),
    )
    learner = lt.StochasticGradient(
        lt.ELBO(draws=2), epochs=200, batch=100, learning_rate=0.01, held_out=data(200, seed=1)
    )
    fit = lt.fit(model, x, given=u, learner=learner)
    weight = np.asarray(fit.model.likelihood.network.layers[0].weight)
    # Networks see covariates in units of their standard deviation.
    np.testing.assert_allclose(weight[2] / u.std(), SLOPES[:, 0], atol=0.1)
    exact = multivariate_normal(np.zeros(3), COVARIANCE).logpdf(x - u @ SLOPES.T).mean()
    assert fit.bound > exact - 0.1


@pytest.mark.exhaustive
def test_pictures_and_missing_pixels():
    doges = lt.datasets.doges(60, seed=0, size=8)
    u = doges.factors[:, 4:5]
    x = doges.images.copy()
    x[:, :, 4:] = np.nan
    model = lt.LatentVariableModel(
        lt.GaussianLatent(2),
        lt.Neural(ConvDecoder(3, (8, 8, 3), (4,)), lt.GaussianOutput(), (8, 8, 3), 2, inputs=1),
        lt.Amortized(ConvEncoder((8, 8, 7), 4, (4,)), masked=True),
    )
    learner = lt.StochasticGradient(epochs=1, batch=20, redraw=True)
    fit = lt.fit(model, x, given=u, learner=learner)
    assert np.isfinite(fit.bound)
    assert lt.infer(fit.model, x, given=u).mean.shape == (60, 2)
    assert lt.map_estimate(fit.model, x[:2], given=u[:2]).shape == (2, 2)
    assert lt.sample(fit.model, 0, 2, given=[1.0]).x.shape == (2, 8, 8, 3)


def test_what_does_not_fit_is_named():
    model, (x, u) = linear_model(), data(5)
    with pytest.raises(ValueError, match="given should hold the 1 covariates"):
        lt.infer(model, x)
    with pytest.raises(ValueError, match=r"given should have the shape \(5, 1\)"):
        lt.score(model, x, given=u[:3])
    with pytest.raises(ValueError, match="given should have no missing values"):
        lt.score(model, x, given=u * np.nan)
    with pytest.raises(ValueError, match="prior should be made without an encoder"):
        lt.LatentVariableModel(lt.VampPrior(3, 2, 3), model.likelihood, model.inference)
    with pytest.raises(ValueError, match="should be in a model with an encoder"):
        lt.LatentVariableModel(lt.GaussianLatent(2), model.likelihood)
    with pytest.raises(ValueError, match="inputs of Neural should be"):
        lt.Neural(MLP(3, 3, ()), lt.GaussianOutput(), 3, 2, inputs=-1)
