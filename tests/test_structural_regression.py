"""Effects of covariates in structural series, against generalised least squares."""

import numpy as np
import pytest

import latentia as lt
from latentia.precision import precision_of
from latents.dense_chain import dense

STEPS = 60


def series(seed=0):
    """A wandering level, a step and a covariate in units of its own, with gaps."""
    rng = np.random.default_rng(seed)
    u = np.column_stack([1.0 * (np.arange(STEPS) >= 25), 1000 * rng.normal(size=STEPS)])
    level = 20 + np.cumsum(rng.normal(size=STEPS))
    x = level + u @ [6.0, -0.004] + 1.5 * rng.normal(size=STEPS)
    x[[3, 17, 40, 41]] = np.nan
    return x[:, None], u


@pytest.mark.slow
def test_answers_and_forecasts_are_those_of_the_dense_gaussian():
    x, u = series()
    effects = np.array([5.0, -0.003])
    model = lt.structural(variances=[0.75], noise=2.0, coefficients=effects)
    chain, emission = model.prior, model.likelihood.emission
    plain = lt.LinearGaussian(emission.loadings, emission.bias, emission.noise)
    ahead = np.concatenate([x[:-4], np.full((4, 1), np.nan)])
    expected = dense(chain, plain, ahead - u @ effects[:, None])
    score = lt.score(model, ahead, given=u)
    np.testing.assert_allclose(score, expected.log_evidence, rtol=1e-10)
    coming = lt.forecast(model, x[:-4], 4, given=u)
    mean = expected.mean[-4:, 0] + u[-4:] @ effects
    np.testing.assert_allclose(coming.mean[:, 0], mean, rtol=1e-9)
    variance = np.diagonal(expected.covariance)[-4:] + 2.0
    np.testing.assert_allclose(coming.variance[:, 0], variance, rtol=1e-9)


@pytest.mark.exhaustive
@pytest.mark.parametrize("trend", [False, True])
@pytest.mark.parametrize("learner", [None, lt.EM(start="given", tol=1e-11, max_iter=5000)])
def test_effects_are_generalised_least_squares_at_the_variances_found(trend, learner):
    x, u = series()
    start = lt.structural(trend=trend, regressors=2)
    found = lt.fit_structural(start, x, given=u, learner=learner)
    assert found.converged, found.status
    chain, emission = found.model.prior, found.model.likelihood.emission
    row, move, size = emission.loadings[0], chain.transition, chain.dim
    powers = [np.linalg.matrix_power(move, t) for t in range(STEPS)]
    noise, spread = np.diag(chain.variances), np.zeros((STEPS, STEPS))
    for t in range(STEPS):
        for s in range(STEPS):
            moved = [powers[t - r] @ noise @ powers[s - r].T for r in range(1, min(t, s) + 1)]
            spread[t, s] = row @ sum(moved, np.zeros((size, size))) @ row
    seen = ~np.isnan(x[:, 0])
    total = (spread + emission.noise[0] * np.eye(STEPS))[np.ix_(seen, seen)]
    design = np.column_stack([np.stack([row @ power for power in powers]), u])[seen]
    whitener = np.linalg.inv(np.linalg.cholesky(total))
    best = np.linalg.lstsq(whitener @ design, whitener @ x[seen, 0])[0]
    np.testing.assert_allclose(emission.coefficients[0], best[size:], rtol=2e-4)
    score = lt.score(found.model, x, given=u)
    assert score == pytest.approx(found.log_likelihood, rel=1e-9)
    plain = lt.LinearGaussian(emission.loadings, emission.bias, emission.noise)
    with precision_of(x):
        exact = dense(chain, plain, x - u @ emission.coefficients.T)
    assert found.log_likelihood == pytest.approx(exact.log_evidence, rel=1e-8)
    assert found.degrees_of_freedom == 1 + 2 + 1 + trend


@pytest.mark.exhaustive
def test_several_series_and_a_series_in_other_units():
    x, u = series()
    other = series(1)
    found = lt.fit_structural(
        lt.structural(regressors=2), [x, other[0][:50]], given=[u, other[1][:50]]
    )
    np.testing.assert_allclose(found.model.likelihood.emission.coefficients[0, 1], -0.004, rtol=0.2)
    scaled = lt.fit_structural(
        lt.structural(regressors=2), [100 * x, 100 * other[0][:50]], given=[u, other[1][:50]]
    )
    np.testing.assert_allclose(
        scaled.model.likelihood.emission.coefficients,
        100 * found.model.likelihood.emission.coefficients,
        rtol=1e-3,
    )


def test_what_does_not_fit_is_told():
    x, u = series()
    model = lt.structural(regressors=2)
    for call, message in (
        (lambda: lt.structural(regressors=-1), "regressors should be"),
        (lambda: lt.structural(regressors=1.5), "regressors should be"),
        (lambda: lt.structural(regressors=2, coefficients=[1.0]), "coefficients should hold"),
        (lambda: lt.fit_structural(model, x), "given should hold the 2 covariates"),
        (lambda: lt.fit_structural(model, x, given=u[:-1]), r"given should have the shape \(60, 2"),
        (lambda: lt.fit_structural(model, x, given=u[:, :1]), r"the shape \(60, 2\)"),
        (lambda: lt.fit_structural(lt.structural(), x, given=u), "given should be None"),
        (lambda: lt.fit_structural(model, np.column_stack([x, x]), given=u), "one column"),
        (lambda: lt.fit_structural(model, x, given=np.ones((60, 2))), "combination of these"),
        (lambda: lt.fit_structural(model, x[:5], given=u[:5]), "combination of these"),
        (
            lambda: lt.fit_structural(lt.structural(period=60, regressors=2), x, given=u),
            "more than 62 observed steps",
        ),
        (lambda: lt.fit_structural(lt.structural(period=90), x), "more than 90 observed steps"),
        (lambda: lt.forecast(model, x, 2, given=u), "given should have the shape"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    late = np.concatenate([u, [[1.0, 0.0], [1.0, np.nan]]])
    known = lt.structural(variances=[1.0], coefficients=[1.0, 1.0])
    with pytest.raises(ValueError, match="row 61 has one"):
        lt.forecast(known, x, 2, given=late)
