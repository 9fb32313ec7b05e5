"""Learning linear dynamical systems: EM, the gradient, structural series, forecasts."""

import jax
import numpy as np
import pytest

import latentia as lt
from latentia.data.blocks import Blocks
from latentia.datasets import load_nile
from latentia.distributions import Limits
from latentia.learning.expectation import expectations, maximized
from latentia.typing import Form

EVERYTHING = ("mean", "covariance", "transition", "drift", "noise")
FLOW = load_nile().data[:, 1:]


def system(length=60, learned=EVERYTHING, seed=3):
    rng = np.random.default_rng(seed)
    chain = lt.GaussianChain(
        transition=np.array([[0.9, 0.3], [-0.3, 0.8]]), noise=np.diag([0.5, 0.1]),
        length=length, learned=learned,
    )  # fmt: skip
    emission = lt.LinearGaussian(rng.normal(size=(3, 2)), np.arange(3.0), np.full(3, 0.4))
    return lt.LatentVariableModel(chain, lt.PerStep(emission))


@jax.jit
def many_steps(model, data, limits):
    def step(model, _):
        totals = expectations(model, data, form=Form.MISSING, labelled=False)
        return maximized(model, totals, limits), totals.log_likelihood

    return jax.lax.scan(step, model, None, 500)


@pytest.mark.slow
def test_no_covariance_becomes_indefinite_in_500_steps():
    """Everything learned, a constant stretch, gaps, and more coordinates than the data have."""
    x = lt.sample(system(), 1, 4).x
    x[0, 10:40] = x[0, 10]
    x[1, ::3, 0], x[2, 20:30], x[3, -15:] = np.nan, np.nan, np.nan
    rng = np.random.default_rng(0)
    chain = lt.GaussianChain(
        transition=0.5 * np.eye(4), learned=EVERYTHING, covariance=np.eye(4), noise=np.eye(4)
    )
    emission = lt.LinearGaussian(rng.normal(size=(3, 4)), np.zeros(3), np.ones(3))
    with jax.enable_x64(True):
        model = jax.tree.map(jax.numpy.asarray, lt.LatentVariableModel(chain, lt.PerStep(emission)))
        data = Blocks(x[None], np.ones((1, 4)), np.full((1, 4, 60), -1), np.int32(1))
        limits = Limits(np.full(3, 1e-6), np.zeros(3))
        last, trace = jax.device_get(many_steps(model, data, limits))
    assert np.isfinite(trace).all()
    assert (np.diff(trace) >= -1e-9 * np.abs(trace[1:])).all()
    for covariance in (last.prior.covariance, last.prior.noise):
        values = np.linalg.eigvalsh(covariance)
        assert values.min() >= -1e-14 * values.max()


@pytest.mark.slow
def test_gradient_and_em_reach_the_maximum_of_the_nile():
    """R's KFAS: log-likelihood -632.5456 at variances 1469.17 and 15098.52."""
    by_gradient = lt.fit_structural(lt.structural(), FLOW)
    by_em = lt.fit_structural(lt.structural(), FLOW, learner=lt.EM(start="given", tol=1e-10))
    for found in (by_gradient, by_em):
        assert found.converged
        np.testing.assert_allclose(found.log_likelihood, -632.545625103, atol=1e-6)
        np.testing.assert_allclose(found.model.prior.variances, [1469.175], rtol=1e-4)
        np.testing.assert_allclose(found.model.likelihood.emission.noise, [15098.52], rtol=1e-4)
        np.testing.assert_array_equal(found.model.likelihood.emission.loadings, [[1.0]])
        np.testing.assert_array_equal(found.model.likelihood.emission.bias, [0.0])


def test_forecast_is_the_predictive_distribution():
    """A random walk forecasts its last level, and each step adds the variance of a move."""
    model = lt.structural(variances=[1469.1], noise=15099.0)
    coming = lt.forecast(model, FLOW, 3)
    last: lt.GaussianChain = lt.infer(model, FLOW)  # pyright: ignore
    np.testing.assert_allclose(coming.mean[:, 0], np.repeat(last.mean[-1], 3), rtol=1e-10)
    grown = last.covariance[-1, 0, 0] + 1469.1 * np.arange(1, 4) + 15099.0
    np.testing.assert_allclose(coming.variance[:, 0], grown, rtol=1e-10)
    low, high = coming.interval(0.95)
    np.testing.assert_allclose(high - low, 2 * 1.959963985 * np.sqrt(coming.variance), rtol=1e-8)
    with pytest.raises(ValueError, match="steps should be"):
        lt.forecast(model, FLOW, 0)


@pytest.mark.exhaustive
def test_season_sums_to_zero_over_a_period():
    """Without noise of its own a season of either kind repeats, and has no sum."""
    t = np.arange(24)
    wave = np.array([3.0, -1.0, -4.0, 2.0])[t % 4] + 10 + 0.5 * t
    for kind in ("dummy", "trigonometric"):
        model = lt.structural(trend=True, period=4, seasonal=kind, variances=[0, 0, 0], noise=1e-8)
        posterior = lt.infer(model, wave[:, None])
        np.testing.assert_allclose(posterior.mean[:, 0], 10 + 0.5 * t, atol=1e-3)
        coming = lt.forecast(model, wave[:, None], 4)
        following = 10 + 0.5 * np.arange(24, 28) + np.array([3.0, -1.0, -4.0, 2.0])
        np.testing.assert_allclose(coming.mean[:, 0], following, atol=1e-3)


def test_structural_arguments():
    with pytest.raises(ValueError, match="period should be"):
        lt.structural(period=1)
    with pytest.raises(ValueError, match="variances should hold 2 numbers"):
        lt.structural(trend=True, variances=[1.0])
    with pytest.raises(ValueError, match="more than 13 observed steps"):
        lt.fit_structural(lt.structural(trend=True, period=12), FLOW[:13])


@pytest.mark.exhaustive
def test_a_diffuse_start_that_was_never_seen_is_unbounded():
    model = lt.structural(variances=[1.0])
    posterior = lt.infer(model, np.full((4, 1), np.nan))
    assert posterior.log_evidence == 0
    assert np.isinf(posterior.covariance).all()
    # A series shorter than its season: what was seen is known, and the rest is not.
    short = lt.infer(lt.structural(period=4), np.array([[3.0], [5.0]]))
    assert np.isinf(np.diagonal(short.covariance, axis1=1, axis2=2)).all()
    assert np.isfinite(short.mean).all() and np.isfinite(short.log_evidence)


@pytest.mark.exhaustive
def test_a_nearly_exact_observation_is_as_good_as_an_exact_one():
    """Noise variance 1e-12 and moves without noise: the first steps determine everything."""
    chain = lt.GaussianChain(
        transition=np.array([[1.0, 1.0], [0.0, 1.0]]), covariance=np.eye(2), noise=np.zeros((2, 2))
    )
    emission = lt.LinearGaussian(np.array([[1.0, 0.0]]), np.zeros(1), np.array([1e-12]))
    model = lt.LatentVariableModel(chain, lt.PerStep(emission))
    t = np.arange(6.0)
    posterior = lt.infer(model, (2 + 3 * t)[:, None])
    np.testing.assert_allclose(
        posterior.mean, np.stack([2 + 3 * t, np.full(6, 3.0)], axis=1), rtol=1e-9
    )
    assert (np.linalg.eigvalsh(posterior.covariance) >= -1e-27).all()
    # Six exact points on a line: what they say beyond two is the density of the noise at zero.
    design = np.stack([np.ones(6), t], axis=1)
    information = design.T @ design + 1e-12 * np.eye(2)
    log_det = 4 * np.log(1e-12) + np.linalg.slogdet(information)[1]
    inside = np.array([2.0, 3.0])
    expected = -0.5 * (inside @ inside + log_det + 6 * np.log(2 * np.pi))
    np.testing.assert_allclose(posterior.log_evidence, expected, rtol=1e-9)


@pytest.mark.exhaustive
def test_estimator_finds_the_system():
    x = lt.sample(system(100), 5, 6).x
    rows, lengths = x.reshape(-1, 3), [100] * 6
    found = lt.LinearGaussianStateSpace(2).fit(rows, lengths=lengths)
    true = np.sort_complex(np.linalg.eigvals(system().prior.transition))
    np.testing.assert_allclose(
        np.sort_complex(np.linalg.eigvals(found.transition_)), true, atol=0.1
    )
    # The rotation that is reported changes nothing.
    score = lt.score(found.model_, x).sum()
    np.testing.assert_allclose(score, found.fit_.log_likelihood, rtol=1e-9)
    np.testing.assert_allclose(found.score(rows, lengths=lengths), score / 600, rtol=1e-12)
    smooth, seen = found.smooth(rows, lengths), found.filter(rows, lengths)
    assert smooth.mean.shape == (600, 2) and seen.covariance.shape == (600, 2, 2)
    np.testing.assert_allclose(smooth.mean[99::100], seen.mean[99::100], rtol=1e-8)
    np.testing.assert_allclose(smooth.mean[:100], found.transform(x[0]), rtol=1e-8)
    assert found.sample(7)[0].shape == (7, 3)
    assert found.forecast(x[0], 4).mean.shape == (4, 3)
