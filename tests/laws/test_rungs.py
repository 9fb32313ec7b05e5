"""What every method of approximate inference keeps, on a posterior that is known exactly."""

import time

import jax
import numpy as np
import pytest
from scipy.stats import multivariate_normal

import latentia as lt
from catalogue import RUNGS
from latentia.densities import Flat, Normal
from laws.known_posterior import MODEL, climb, data, exact, regression

# Those whose Gaussian is the posterior itself, if that is a Gaussian.
EXACT = ("mode", "mean-field", "full-rank", "low-rank", "flow")
# Compiling a flow takes long.
CASES = [
    pytest.param(name, id=name, marks=pytest.mark.slow if name == "flow" else ()) for name in RUNGS
]


def attempted(name):
    with jax.enable_x64(True):
        begun = climb()
        assert begun.seconds_left() > time.monotonic()
        return begun.surface, RUNGS[name].attempt(begun)


@pytest.mark.parametrize("name", CASES)
def test_bounds_hold_and_densities_integrate_to_one(name):
    surface, attempt = attempted(name)
    mean, covariance, evidence = exact()
    with jax.enable_x64(True):
        points = attempt.proposal.draw(4096, 5)
        ratios = surface.evaluate(points)[0] - attempt.proposal.log_prob(points)
    # The evidence lower bound of the heavy-tailed proposal itself.
    assert ratios.mean() < evidence
    assert np.log(np.mean(np.exp(ratios - evidence))) == pytest.approx(0, abs=0.02)
    narrow = multivariate_normal(mean, 0.5 * covariance).logpdf(points)
    mass = np.mean(np.exp(narrow - attempt.proposal.log_prob(points)))
    assert mass == pytest.approx(1, abs=0.02)
    assert attempt.weighted.log_evidence == pytest.approx(evidence, abs=0.02)


@pytest.mark.parametrize("name", [case for case in CASES if case.values[0] in EXACT])
def test_log_joint_less_log_q_is_constant_where_the_posterior_is_gaussian(name):
    surface, attempt = attempted(name)
    q = multivariate_normal(*attempt.proposal.moments())
    points = q.rvs(200, random_state=1)
    with jax.enable_x64(True):
        gaps = surface.evaluate(points)[0] - q.logpdf(points)
    assert np.ptp(gaps) < 5e-3
    assert gaps.mean() == pytest.approx(exact()[2], abs=1e-3)


@pytest.mark.parametrize("name", CASES)
def test_moments_match_draws_and_the_exact_ones(name):
    _, attempt = attempted(name)
    proposal, (mean, covariance, _) = attempt.proposal, exact()
    points = proposal.draw(8192, 3)
    centre, spread = proposal.moments()
    units = np.sqrt(np.diagonal(spread))
    np.testing.assert_allclose((points.mean(0) - centre) / units, 0, atol=0.02)
    # A Student t with five degrees of freedom has 5/3 of its scale as variance.
    ratio = np.cov(points.T) * 3 / 5 / np.outer(units, units)
    np.testing.assert_allclose(ratio, spread / np.outer(units, units), atol=0.06)
    found, its_spread = attempt.weighted.moments()
    np.testing.assert_allclose(found, mean, atol=0.02 * np.sqrt(np.diagonal(covariance)).min())
    np.testing.assert_allclose(its_spread / covariance, 1, atol=0.1)


@pytest.mark.parametrize("name", CASES)
def test_both_precisions_of_the_data_give_the_same(name):
    wide, narrow = (
        lt.infer(MODEL, {k: v.astype(kind) for k, v in data().items()},
                 inference=lt.Ladder(rungs=(RUNGS[name],)))
        for kind in (np.float64, np.float32)
    )  # fmt: skip
    assert narrow.verdict.level == wide.verdict.level == "pass"
    np.testing.assert_allclose(narrow.mean["b"], wide.mean["b"], rtol=1e-9)


@pytest.mark.parametrize("name", RUNGS)
def test_densities_that_are_finite_nowhere_are_named(name):
    def broken(x, z):
        return Normal(z["b"], 1.0).log_prob(x) + jax.numpy.sum(jax.numpy.log(z["b"] - 30))

    model = lt.LatentVariableModel(lt.Continuous({"b": Normal(0, 1, shape=2)}), lt.Custom(broken))
    with pytest.raises(ValueError, match="finite somewhere near the start.*log likelihood is nan"):
        lt.infer(model, np.zeros((3, 2)), inference=lt.Ladder(rungs=(RUNGS[name],)))


@pytest.mark.parametrize("name", CASES)
def test_improper_posteriors_fail_by_every_rung(name):
    prior = lt.Continuous({"b": Normal(0, 2, shape=4), "c": Flat()})
    model = lt.LatentVariableModel(prior, lt.Custom(regression))
    try:
        posterior = lt.infer(model, data(), inference=lt.Ladder(rungs=(RUNGS[name],)))
    except lt.UntrustedPosterior as error:
        reason = str(error)
    else:
        assert posterior.verdict.level == "fail"
        reason = posterior.verdict.reason
    assert "improper" in reason or "no maximum" in reason
