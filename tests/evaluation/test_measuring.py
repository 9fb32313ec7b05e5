"""Measurements of a deep model against the linear Gaussian model that it is, solved exactly."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

import latentia as lt
from latentia.networks import MLP

LOADINGS = np.array([[1.0, 0.4], [0.6, -0.8], [-0.5, 0.9], [0.7, 0.2], [0.1, 0.3]])
SCALE = 0.8


def linear_model(shift):
    """X = LOADINGS z + noise, and an encoder that is off by ``shift`` in the mean of each z."""
    decoder = with_layer(MLP(2, 5, ()), LOADINGS, np.zeros(5))
    precision = np.eye(2) + LOADINGS.T @ LOADINGS / SCALE**2
    answer = np.linalg.solve(precision, LOADINGS.T) / SCALE**2
    # Variances are 1 / (1 + exp(.)), the best of independent ones.
    widths = np.log(np.diagonal(precision) - 1)
    encoder = with_layer(
        MLP(5, 4, ()),
        np.concatenate([answer, np.zeros((2, 5))]),
        np.concatenate([np.full(2, shift), widths]),
    )
    output = lt.GaussianOutput(scale=SCALE)
    likelihood = lt.Neural(decoder, output, 5, 2, offset=0.0, unit=1.0)
    inference = lt.Amortized(encoder, centre=np.zeros(5), scale=np.ones(5))
    return lt.LatentVariableModel(lt.GaussianLatent(2), likelihood, inference)


def with_layer(network, weight, bias):
    layers = lambda network: (network.layers[0].weight, network.layers[0].bias)  # noqa: E731
    values = jnp.asarray(weight.T, jnp.float32), jnp.asarray(bias, jnp.float32)
    assert [v.shape for v in values] == [w.shape for w in layers(network)]
    return eqx.tree_at(layers, network, values)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(60, 2)) @ LOADINGS.T + SCALE * rng.normal(size=(60, 5))).astype("f4")


@pytest.mark.slow
def test_the_gap_is_that_of_the_exact_posterior_and_shared_out_right(data):
    precision = np.eye(2) + LOADINGS.T @ LOADINGS / SCALE**2
    covariance = LOADINGS @ LOADINGS.T + SCALE**2 * np.eye(5)
    exact = multivariate_normal(np.zeros(5), covariance).logpdf(data)
    # Of independent coordinates from the dependent ones of the exact posterior.
    apart = 0.5 * (np.log(np.diagonal(precision)).sum() - np.linalg.slogdet(precision)[1])
    off = 0.5 * np.full(2, 0.3) @ precision @ np.full(2, 0.3)
    found = lt.evaluate(linear_model(0.3), data, k=2000)
    np.testing.assert_allclose(found.each, exact, atol=0.15)
    assert found.log_likelihood == pytest.approx(exact.mean(), abs=0.02)
    assert found.gap == pytest.approx(apart + off, abs=0.02)
    # 256 draws for each of 60 data.
    assert found.amortization.mean() == pytest.approx(off, abs=0.03)
    assert found.amortization.min() > 0.5 * off
    assert lt.evaluate(linear_model(0.0), data, k=10).amortization.mean() == pytest.approx(
        0, abs=0.01
    )


def test_draws_of_the_true_model_cannot_be_told_from_its_data(data):
    found = lt.evaluate(linear_model(0.0), data, k=10, refine=0)
    assert found.p_value > 0.05 and "cannot be told from these data" in repr(found)
    assert found.amortization is None and "amortisation" not in repr(found)
    other = lt.evaluate(linear_model(0.0), 1 + data, k=10, refine=0)
    assert other.p_value < 0.01 and "draws of the model can be told" in repr(other)


def test_refine_is_checked(data):
    with pytest.raises(ValueError, match="refine should be a whole number"):
        lt.evaluate(linear_model(0.0), data, refine=-1)


@pytest.mark.exhaustive
def test_annealing_finds_the_evidence_and_bounds_it_from_both_sides(data):
    covariance = LOADINGS @ LOADINGS.T + SCALE**2 * np.eye(5)
    exact = multivariate_normal(np.zeros(5), covariance)
    # An encoder that is far off: importance weights alone would not do.
    found = lt.evaluate(linear_model(0.8), data, k=20, refine=0, anneal=100)
    assert found.log_likelihood < exact.logpdf(data).mean() - 0.05
    np.testing.assert_allclose(found.annealed, exact.logpdf(data), atol=0.4)
    assert found.annealed.mean() == pytest.approx(exact.logpdf(data).mean(), abs=0.02)
    assert abs(found.sandwich.gap) < 0.02
    # The draws are of the model, so that these are expected evidences of the model's own data.
    assert found.sandwich.high.mean() == pytest.approx(-exact.entropy(), abs=4 * 1.6 / 60**0.5)
    assert found.sandwich.shortfall > 0.03
    assert "by annealed importance sampling" in repr(found) and "60 draws" in repr(found.sandwich)


@pytest.mark.exhaustive
def test_a_short_path_keeps_the_bounds_apart_and_on_their_sides(data):
    found = lt.evaluate(linear_model(1.5), data, k=20, refine=0, anneal=4)
    gap = found.sandwich.high - found.sandwich.low
    # The mean of 60 distances: below zero by chance once in 700 seeds.
    assert gap.mean() > 3 * gap.std() / 60**0.5
    with pytest.raises(ValueError, match="anneal should be a whole number of at least 2"):
        lt.evaluate(linear_model(0.0), data, anneal=1)
