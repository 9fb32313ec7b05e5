"""What the methods keep that begin where another left off: on a posterior that is known exactly."""

from importlib.util import find_spec

import jax
import numpy as np
import pytest
from scipy.stats import multivariate_normal

import latentia as lt
from catalogue import LATER_RUNGS, RUNGS
from latentia.densities import Flat
from latentia.inference.proposals import Proposal
from laws.known_posterior import MODEL, climb, data, exact, regression

MARKS = {
    "annealing": [pytest.mark.slow],
    "NUTS": [
        pytest.mark.slow,
        pytest.mark.skipif(find_spec("blackjax") is None, reason="BlackJAX is not installed"),
    ],
}
CASES = [pytest.param(name, id=name, marks=MARKS.get(name, [])) for name in LATER_RUNGS]


def attempted(name):
    """The attempt that begins from draws which are off by a deviation along every axis, and
    twice too wide."""
    mean, covariance, _ = exact()
    with jax.enable_x64(True):
        begun = climb()
        centre = mean + np.linalg.cholesky(covariance) @ np.ones(4)
        begun.attempts.append(begun.weighed("off", Proposal.single(centre, 4 * covariance)))
        return begun, LATER_RUNGS[name].attempt(begun)


@pytest.mark.parametrize("name", CASES)
def test_draws_have_the_exact_moments_and_the_evidence_lies_in_its_interval(name):
    begun, attempt = attempted(name)
    mean, covariance, evidence = exact()
    assert attempt.verdict.level == "pass" and attempt.name == LATER_RUNGS[name].name
    weighted = attempt.weighted
    assert weighted.weights.sum() == pytest.approx(1) and weighted.broken == 0
    found, spread = weighted.moments()
    # Four standard errors of as many draws as they are worth.
    few = 4 / np.sqrt(weighted.size)
    np.testing.assert_array_less(abs(found - mean) / np.sqrt(np.diagonal(covariance)), few)
    units = np.sqrt(np.outer(np.diagonal(covariance), np.diagonal(covariance)))
    np.testing.assert_array_less(abs(spread - covariance) / units, np.sqrt(2) * few)
    assert few < 0.15
    assert abs(weighted.log_evidence - evidence) < 4 * weighted.evidence_error < 0.2
    # The draws are where they are said to be, and their densities are those of the model.
    with jax.enable_x64(True):
        heights = begun.surface.evaluate(weighted.points)[0] - evidence
    truth = multivariate_normal(mean, covariance).logpdf(weighted.points)
    np.testing.assert_allclose(heights, truth, atol=1e-6)
    np.testing.assert_allclose(weighted.z["b"], weighted.points, atol=1e-12)


def test_the_proposal_of_moment_matching_is_a_bound():
    begun, attempt = attempted("moment matching")
    mean, _, evidence = exact()
    with jax.enable_x64(True):
        points = attempt.proposal.draw(4096, 5)
        ratios = begun.surface.evaluate(points)[0] - attempt.proposal.log_prob(points)
    assert ratios.mean() < evidence
    assert np.log(np.mean(np.exp(ratios - evidence))) == pytest.approx(0, abs=0.02)
    assert attempt.bound is not None and attempt.bound.value <= evidence + 4 * attempt.bound.error


@pytest.mark.parametrize("name", CASES)
def test_both_precisions_of_the_data_give_the_same(name):
    ladder = lt.Ladder(rungs=(LATER_RUNGS[name],))
    if name == "moment matching":
        ladder = lt.Ladder(rungs=(RUNGS["pathfinder"], LATER_RUNGS[name]))
    wide, narrow = (
        lt.infer(MODEL, {k: v.astype(kind) for k, v in data().items()}, inference=ladder)
        for kind in (np.float64, np.float32)
    )
    assert narrow.verdict.level == wide.verdict.level == "pass"
    np.testing.assert_allclose(narrow.mean["b"], wide.mean["b"], rtol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_improper_posteriors_fail(name):
    prior = lt.Continuous({"b": lt.densities.Normal(0, 2, shape=4), "c": Flat()})
    model = lt.LatentVariableModel(prior, lt.Custom(regression))
    rungs = (RUNGS["mode"], LATER_RUNGS[name])
    with pytest.raises(lt.UntrustedPosterior, match="improper|no maximum"):
        lt.infer(model, data(), inference=lt.Ladder(rungs=rungs, raise_on="fail"))


def test_without_draws_there_are_no_moments_to_match():
    with jax.enable_x64(True):
        attempt = LATER_RUNGS["moment matching"].attempt(climb())
    assert attempt.verdict.level == "fail" and "no draws" in attempt.verdict.reason
