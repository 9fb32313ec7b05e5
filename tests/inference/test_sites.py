"""Surrogate sites against quadrature and dense grids that share no code with them."""

from itertools import product

import jax
import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

import latentia as lt
from latentia.inference import AbstractSurrogate
from latentia.verdict import Exactness

METHODS = {
    "laplace": lt.Laplace(),
    "variational": lt.Variational(),
    "expectation propagation": lt.ExpectationPropagation(),
}
# How far evidence, mean and standard deviation may be off.
CLOSE = {
    "laplace": (0.03, 0.12, 0.08),
    "variational": (0.03, 0.02, 0.03),
    "expectation propagation": (3e-3, 2e-3, 5e-3),
}
BIAS, SLOPES = np.array([0.5, 0.2, 1.0]), np.array([[0.7], [-0.5], [0.4]])


def poisson(slopes=SLOPES):
    return lt.GeneralizedLinear(lt.CountResponse(BIAS), slopes)


VECTOR = lt.LatentVariableModel(lt.GaussianLatent(mean=[0.2], covariance=[[1.5]]), poisson())
CHAIN = lt.LatentVariableModel(
    lt.GaussianChain(
        mean=[0.3], covariance=[[0.8]], transition=[[0.9]], drift=[0.1], noise=[[0.4]], length=3
    ),
    lt.PerStep(poisson()),
)
BRANCHES = lt.LatentVariableModel(
    lt.Branching(lt.Discrete([0.4, 0.6]), lt.GaussianLatent(dim=1)),
    lt.Switch([poisson(), poisson(-0.5 * SLOPES)]),
)
NODES, _WEIGHTS = np.polynomial.legendre.leggauss(110)
GRID, LOG_WEIGHTS = 9 * NODES, np.log(9 * _WEIGHTS)


def log_counts(x, z, slopes=SLOPES):
    """Of counts at many z, NaN left out."""
    return sum(
        stats.poisson.logpmf(value, np.exp(BIAS[d] + slopes[d, 0] * z))
        for d, value in enumerate(x)
        if value == value
    ) + np.zeros_like(z)


def judged(found, evidence, mean, sd, method):
    far = CLOSE[method]
    assert float(found.log_evidence) == pytest.approx(evidence, abs=far[0])
    if METHODS[method].exactness is Exactness.LOWER_BOUND:
        assert found.log_evidence < evidence + 1e-9
    np.testing.assert_allclose(found.mean[..., 0], mean, atol=far[1])
    np.testing.assert_allclose(np.sqrt(found.covariance[..., 0, 0]), sd, atol=far[2])


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(name, marks=() if name == "expectation propagation" else pytest.mark.slow)
        for name in METHODS
    ],
)
def test_poisson_factors_are_those_of_quadrature(method):
    x = lt.sample(VECTOR, 0, 5).x
    x[1, 0], x[2], x[3, :2] = np.nan, np.nan, np.nan
    found = lt.infer(VECTOR, x, inference=METHODS[method])
    assert found.settled.all()
    for i, row in enumerate(x):
        logs = log_counts(row, GRID) + stats.norm.logpdf(GRID, 0.2, np.sqrt(1.5)) + LOG_WEIGHTS
        evidence = logsumexp(logs)
        weights = np.exp(logs - evidence)
        mean = weights @ GRID
        sd = np.sqrt(weights @ (GRID - mean) ** 2)
        judged(jax.tree.map(lambda leaf, i=i: leaf[i], found), evidence, mean, sd, method)
        # What importance sampling makes of it is better still.
        logs, errors = found.importance_evidence()
        assert abs(logs[i] - evidence) < 5 * errors[i] + 1e-3
        if method == "expectation propagation" and i == 3:
            # With a single site nothing is approximate.
            assert found.log_evidence[i] == pytest.approx(evidence, abs=1e-6)
            assert found.mean[i, 0] == pytest.approx(mean, abs=1e-6)
    assert found.verdict.level == "pass"
    assert "of 5 posteriors 5 pass" in found.verdict.reason
    assert found.k_hat.shape == (5,)
    # A row without data leaves the prior.
    assert found.log_evidence[2] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(found.mean[2], 0.2, atol=1e-9)


@pytest.mark.slow
def test_a_wrong_posterior_is_judged_so():
    import equinox as eqx

    found = lt.infer(VECTOR, lt.sample(VECTOR, 0).x, inference=lt.Variational())
    assert found.verdict.level == "pass"
    wrong = eqx.tree_at(lambda p: p.inner.root, found, 0.2 * found.inner.root)
    # The sites that stand for the likelihood are no longer those of the draws.
    far = eqx.tree_at(lambda p: p.inner.mean, wrong, found.inner.mean + 3)
    assert far.verdict.level != "pass"
    unsettled = eqx.tree_at(lambda p: p.settled, found, np.array(False))
    assert "did not settle" in unsettled.verdict.reason


def test_surrogates_are_for_smooth_likelihoods_alone():
    exact = lt.LatentVariableModel(
        lt.GaussianLatent(dim=1), lt.LinearGaussian(SLOPES, BIAS, np.ones(3))
    )
    with pytest.raises(ValueError, match="inference should be None for this model"):
        lt.infer(exact, np.zeros(3), inference=lt.Variational())
    with pytest.raises(ValueError, match="EM for others is not there yet"):
        lt.fit(CHAIN, np.ones((9, 3)))
    with pytest.raises(ValueError, match="a fit is not possible yet"):
        lt.Variational().expect(None, None)
    assert all(isinstance(method, AbstractSurrogate) for method in METHODS.values())


@pytest.mark.parametrize(
    "method",
    [
        pytest.param("variational", marks=pytest.mark.exhaustive),
        pytest.param("expectation propagation", marks=pytest.mark.slow),
    ],
)
def test_a_poisson_dynamical_system_is_that_of_a_dense_grid(method):
    _, x = lt.sample(CHAIN, 3)
    x[1, 1] = np.nan
    found = lt.infer(CHAIN, x, inference=METHODS[method])
    assert found.verdict.level == "pass"
    each = [log_counts(row, GRID) + LOG_WEIGHTS for row in x]
    start = stats.norm.logpdf(GRID, 0.3, np.sqrt(0.8))
    move = stats.norm.logpdf(GRID[None], 0.9 * GRID[:, None] + 0.1, np.sqrt(0.4))
    joint = (start + each[0])[:, None, None] + (move + each[1])[:, :, None] + (move + each[2])[None]
    evidence = logsumexp(joint)
    weights = np.exp(joint - evidence)
    for t in range(3):
        marginal = weights.sum(axis=tuple({0, 1, 2} - {t}))
        mean = marginal @ GRID
        sd = np.sqrt(marginal @ (GRID - mean) ** 2)
        np.testing.assert_allclose(found.mean[t, 0], mean, atol=CLOSE[method][1])
        np.testing.assert_allclose(np.sqrt(found.covariance[t, 0, 0]), sd, atol=CLOSE[method][2])
    assert found.log_evidence == pytest.approx(evidence, abs=CLOSE[method][0])
    if method == "variational":
        assert found.log_evidence < evidence


@pytest.mark.exhaustive
def test_laplace_has_the_mode_of_a_chain_and_sequences_may_be_ragged():
    draws = [lt.sample(CHAIN, key).x for key in range(2)]
    short = draws[1][:2]
    modes = lt.map_estimate(CHAIN, [draws[0], short])
    assert modes[1].shape == (2, 1)
    best = max(
        product(np.linspace(-0.02, 0.02, 3), repeat=3),
        key=lambda shift: CHAIN.log_joint(draws[0], modes[0] + np.array(shift)[:, None]),
    )
    assert best == (0.0, 0.0, 0.0)
    posteriors = lt.infer(CHAIN, [draws[0], short])
    assert posteriors[1].mean.shape == (2, 1)
    assert posteriors[1].verdict.level == "pass"


@pytest.mark.exhaustive
@pytest.mark.parametrize("method", METHODS)
def test_branches_have_sites_of_their_own(method):
    x = np.array([4.0, 0.0, 2.0])
    found = lt.infer(BRANCHES, x, inference=METHODS[method])
    logs = np.array([
        logsumexp(log_counts(x, GRID, s) + stats.norm.logpdf(GRID) + LOG_WEIGHTS)
        for s in (SLOPES, -0.5 * SLOPES)
    ]) + np.log([0.4, 0.6])  # fmt: skip
    assert found.log_evidence == pytest.approx(logsumexp(logs), abs=CLOSE[method][0])
    np.testing.assert_allclose(
        found.inner.probabilities, np.exp(logs - logsumexp(logs)), atol=CLOSE[method][0]
    )
    assert found.verdict.level == "pass"


@pytest.mark.exhaustive
@pytest.mark.parametrize("method", METHODS)
def test_programs_batches_and_precisions_agree(method):
    x = lt.sample(VECTOR, 0, 3).x
    wide = lt.infer(VECTOR, x, inference=METHODS[method])
    narrow = jax.tree.map(lambda leaf: leaf.astype(np.float32), (VECTOR, x))
    single = lt.infer(*narrow, inference=METHODS[method])
    assert single.mean.dtype == np.float32
    np.testing.assert_allclose(single.mean, wide.mean, atol=2e-3)
    np.testing.assert_allclose(single.log_evidence, wide.log_evidence, atol=2e-3)
    with jax.enable_x64(True):
        ask = jax.jit(lambda row: METHODS[method].infer(VECTOR, row).log_evidence)
        np.testing.assert_allclose(jax.vmap(ask)(x), wide.log_evidence, rtol=1e-8)


@pytest.mark.exhaustive
def test_one_datum_is_judged_in_the_precision_of_many():
    x = lt.sample(VECTOR, 0, 1).x
    one, many = (lt.infer(VECTOR, rows, inference=lt.Laplace()) for rows in (x[0], x))
    for alone, among in zip(one.importance_evidence(), many.importance_evidence(), strict=True):
        assert alone == pytest.approx(among[0], rel=1e-12)


@pytest.mark.exhaustive
def test_laplace_says_where_it_did_not_reach_the_mode():
    wide = lt.LatentVariableModel(
        lt.GaussianLatent(mean=[0.0], covariance=[[25.0]]),
        lt.GeneralizedLinear(lt.CountResponse([0.5]), [[1.0]]),
    )
    found = lt.infer(wide, [[3.0], [1e9]], inference=lt.Laplace())
    assert found.settled.tolist() == [True, False]
    assert found.verdict.level == "fail" and "did not settle" in found.verdict.reason
