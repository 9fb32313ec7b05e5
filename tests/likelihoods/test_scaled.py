import numpy as np
import pytest
from scipy import optimize, stats

import latentia
from latentia import (
    GaussianLatent,
    LatentVariableModel,
    LinearGaussian,
    Scaled,
    StudentT,
    StudentTLatent,
)

LOADINGS = np.array([[0.9, 0.0], [0.8, 0.3], [-0.7, 0.6], [0.1, 0.9], [0.4, 0.5]])
BIAS = np.array([1.0, -1.0, 0.5, 0.0, 2.0])
NOISE = np.array([0.4, 0.5, 0.3, 0.6, 0.8])
TIGHT = latentia.EM(tol=1e-12, max_iter=5000, covariance_floor=0.0)


def model(df=3.0):
    return LatentVariableModel(StudentTLatent(2, df), Scaled(LinearGaussian(LOADINGS, BIAS, NOISE)))


def unset(columns=5, factors=2, **tails):
    linear = LinearGaussian(dim=columns, latent_dim=factors)
    return LatentVariableModel(StudentTLatent(factors, **tails), Scaled(linear))


def test_the_evidence_is_that_of_the_student_t_with_the_implied_scatter():
    x = latentia.sample(model(), 0, 30).x
    x[np.random.default_rng(0).random(x.shape) < 0.3] = np.nan
    x[2] = np.nan
    scatter = LOADINGS @ LOADINGS.T + np.diag(NOISE)
    expected = []
    for row in x:
        seen = np.flatnonzero(~np.isnan(row))
        dense = (
            stats.multivariate_t(BIAS[seen], scatter[np.ix_(seen, seen)], 3.0)
            if len(seen)
            else None
        )
        expected.append(0.0 if dense is None else dense.logpdf(row[seen]))
    np.testing.assert_allclose(latentia.score(model(), x), expected, rtol=1e-10, atol=1e-12)


def test_the_factors_of_a_gaussian_are_its_limit():
    x = latentia.sample(model(), 0, 30).x
    gaussian = LatentVariableModel(GaussianLatent(2), LinearGaussian(LOADINGS, BIAS, NOISE))
    ours, theirs = latentia.infer(model(1000.0), x), latentia.infer(gaussian, x)
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-9, atol=1e-12)
    moderate = np.abs(ours.scale - 1) < 0.005
    assert moderate.any()
    gaps = ours.log_evidence[moderate] - theirs.log_evidence[moderate]
    np.testing.assert_allclose(gaps, 0, atol=0.02)


@pytest.mark.exhaustive
def test_em_reaches_the_maximum_that_a_general_optimiser_finds():
    x = latentia.sample(model(), 1, 200).x
    fit = latentia.fit(unset(), x, learner=TIGHT)

    def loss(free):
        loadings, bias = free[:10].reshape(5, 2), free[10:15]
        scatter = loadings @ loadings.T + np.diag(np.exp(free[15:20]))
        return -stats.multivariate_t(bias, scatter, np.exp(free[20])).logpdf(x).sum()

    start = np.concatenate([LOADINGS.ravel(), BIAS, np.log(NOISE), [np.log(3.0)]])
    found = optimize.minimize(loss, start, method="BFGS")
    assert fit.log_likelihood == pytest.approx(-found.fun, abs=1e-5)
    assert fit.model.prior.df == pytest.approx(np.exp(found.x[-1]), rel=1e-3)
    assert fit.degrees_of_freedom == 5 * 2 - 1 + 5 + 5 + 1


@pytest.mark.exhaustive
def test_outliers_leave_the_loadings_alone():
    truth = LatentVariableModel(GaussianLatent(1), LinearGaussian(LOADINGS[:, :1], BIAS, NOISE))
    x = latentia.sample(truth, 0, 300).x
    x[:12, 4] = 40.0
    x[6:12, 3] = -40.0
    robust = latentia.fit(unset(factors=1), x).model.likelihood.inner.loadings
    linear = LinearGaussian(dim=5, latent_dim=1)
    plain = latentia.fit(LatentVariableModel(GaussianLatent(1), linear), x).model
    errors = [np.abs(np.abs(found) - np.abs(LOADINGS[:, :1])).max()
              for found in (robust, plain.likelihood.loadings)]  # fmt: skip
    assert errors[0] < 0.15 < 0.4 < errors[1], errors


@pytest.mark.exhaustive
def test_a_factor_for_three_columns_is_the_full_student_t():
    scatter = np.eye(3) + 0.6
    x = stats.multivariate_t(np.zeros(3), scatter, 3).rvs(150, random_state=0)
    family = latentia.Switch(StudentT(dim=3, fixed_df=3.0), 1)
    full = latentia.fit(LatentVariableModel(latentia.Discrete([1.0]), family), x, learner=TIGHT)
    found = latentia.fit(unset(3, 1, fixed_df=3.0), x, learner=TIGHT)
    assert found.log_likelihood == pytest.approx(full.log_likelihood, abs=1e-6)


@pytest.mark.exhaustive
def test_a_far_row_in_single_precision():
    x = latentia.sample(model(), 0, 60).x.astype(np.float32)
    x[1:, 0] = np.nan
    x[0, 1] = 1e12
    fit = latentia.fit(unset(), x)
    assert np.isfinite(fit.log_likelihood)
    assert np.isfinite(latentia.score(fit.model, x)).all()


def test_only_a_linear_gaussian_can_be_scaled():
    with pytest.raises(TypeError, match="inner of Scaled should be a LinearGaussian"):
        Scaled(latentia.Gaussian(dim=2))
    with pytest.raises(ValueError, match="dim of StudentTLatent should be a whole number"):
        StudentTLatent(0)
    with pytest.raises(ValueError, match="do not fit"):
        LatentVariableModel(StudentTLatent(3), Scaled(LinearGaussian(LOADINGS, BIAS, NOISE)))
