"""Factors and covariates together, against least squares and the marginal Gaussian."""

import numpy as np
import pytest
from scipy import stats

import latentia as lt
from latentia.precision import precision_of

RNG = np.random.default_rng(2)
LOADINGS = np.array([[0.9, 0.0], [0.8, 0.3], [-0.7, 0.6], [0.1, 0.9], [0.4, 0.5], [0.2, -0.8]])
COEFFICIENTS = RNG.normal(size=(6, 2))
BIAS, NOISE = RNG.normal(size=6), RNG.uniform(0.3, 0.6, 6)


def model():
    likelihood = lt.LinearGaussianRegression(LOADINGS, COEFFICIENTS, BIAS, NOISE)
    return lt.LatentVariableModel(lt.GaussianLatent(2), likelihood)


def unset(**options):
    likelihood = lt.LinearGaussianRegression(dim=6, latent_dim=2, covariates=2, **options)
    return lt.LatentVariableModel(lt.GaussianLatent(2), likelihood)


def table(rows=300):
    u = np.random.default_rng(1).normal(3, 2, (rows, 2))
    return lt.sample(model(), 4, rows, given=u).x, u


def test_scores_and_posteriors_are_those_of_the_marginal_gaussian():
    x, u = table(40)
    x[::3, 1], x[5, 2:], x[7] = np.nan, np.nan, np.nan
    u[7] = np.nan
    scores, found = lt.score(model(), x, given=u), lt.infer(model(), x, given=u)
    covariance = LOADINGS @ LOADINGS.T + np.diag(NOISE)
    for i in (0, 1, 5, 7):
        seen = ~np.isnan(x[i])
        mean = BIAS + COEFFICIENTS @ np.nan_to_num(u[i])
        part = covariance[np.ix_(seen, seen)]
        expected = stats.multivariate_normal(mean[seen], part).logpdf(x[i, seen]) if i != 7 else 0
        np.testing.assert_allclose(scores[i], expected, rtol=1e-11, atol=1e-12)
        gain = LOADINGS[seen].T @ np.linalg.inv(part)
        np.testing.assert_allclose(found.mean[i], gain @ (x[i] - mean)[seen], rtol=1e-9, atol=1e-12)


@pytest.mark.exhaustive
def test_the_fit_is_least_squares_and_factor_analysis_of_what_is_left():
    """With the same regressors for all columns, whatever the covariance of the errors."""
    x, u = table()
    # A covariate that repeats another, and a constant one, are no obstacle.
    wide = np.column_stack([u, u[:, 0], np.ones(len(u))])
    start = lt.LinearGaussianRegression(dim=6, latent_dim=2, covariates=4)
    learner = lt.EM(tol=1e-10)
    fit = lt.fit(
        lt.LatentVariableModel(lt.GaussianLatent(2), start), x, given=wide, learner=learner
    )
    design = np.column_stack([u, np.ones(len(u))])
    slopes = np.linalg.lstsq(design, x)[0]
    plain = lt.LatentVariableModel(lt.GaussianLatent(2), lt.LinearGaussian(dim=6, latent_dim=2))
    left = lt.fit(plain, x - design @ slopes, learner=learner)
    assert fit.converged and np.diff(fit.trace).min() >= -1e-9
    assert fit.log_likelihood == pytest.approx(left.log_likelihood, abs=1e-5)
    part = fit.model.likelihood
    effects = part.coefficients[:, :2].copy()
    effects[:, 0] += part.coefficients[:, 2]
    np.testing.assert_allclose(effects, slopes[:2].T, atol=1e-5)
    np.testing.assert_allclose(part.noise, left.model.likelihood.noise, atol=1e-3)
    np.testing.assert_allclose(part.loadings, left.model.likelihood.loadings, atol=1e-2)


@pytest.mark.exhaustive
def test_missing_entries_and_fixed_coefficients():
    x, u = table()
    x[RNG.random(x.shape) < 0.2] = np.nan
    fit = lt.fit(unset(), x, given=u)
    assert fit.converged and np.diff(fit.trace).min() >= -1e-9
    np.testing.assert_allclose(fit.model.likelihood.coefficients, COEFFICIENTS, atol=0.15)
    assert fit.degrees_of_freedom == 6 * 2 + 6 * 2 + 6 + 6 - 1
    score = lt.score(fit.model, x, given=u).sum()
    assert score == pytest.approx(fit.log_likelihood, rel=1e-10)
    for change in (-1e-3, 1e-3):
        part = fit.model.likelihood
        moved = part.coefficients + change * np.eye(6, 2)
        tried = lt.LinearGaussianRegression(part.loadings, moved, part.bias, part.noise)
        other = lt.LatentVariableModel(fit.model.prior, tried)
        assert lt.score(other, x, given=u).sum() < fit.log_likelihood + 1e-6
    # What is known stays, and the rest is the fit of what it leaves.
    mask = np.zeros((6, 2), bool)
    mask[:, 0] = True
    start = lt.LinearGaussianRegression(
        np.full((6, 2), np.nan), np.where(mask, COEFFICIENTS, np.nan)
    )
    held = lt.fit(
        lt.LatentVariableModel(lt.GaussianLatent(2), start), x, given=u,
        fixed={"likelihood.coefficients": mask},
    )  # fmt: skip
    np.testing.assert_array_equal(held.model.likelihood.coefficients[:, 0], COEFFICIENTS[:, 0])
    assert held.degrees_of_freedom == fit.degrees_of_freedom - 6
    less = lt.LinearGaussianRegression(dim=6, latent_dim=2, covariates=1)
    alone = lt.fit(
        lt.LatentVariableModel(lt.GaussianLatent(2), less),
        x - u[:, :1] * COEFFICIENTS[:, 0], given=u[:, 1:],
    )  # fmt: skip
    assert held.log_likelihood == pytest.approx(alone.log_likelihood, abs=1e-3)


@pytest.mark.exhaustive
@pytest.mark.parametrize("isotropic", [True, False])
def test_the_gradient_and_a_prior_end_where_em_does(isotropic):
    x, u = table(120)
    start = unset(isotropic=isotropic)
    by_em = lt.fit(start, x, given=u, learner=lt.EM(tol=1e-10, n_init=1))
    if isotropic:
        assert np.ptp(by_em.model.likelihood.noise) == 0
    else:
        by_gradient = lt.fit(start, x, given=u, learner=lt.Gradient(n_init=1))
        assert by_gradient.log_likelihood == pytest.approx(by_em.log_likelihood, abs=1e-4)
    pulled = lt.fit(start, x, given=u, learner=lt.EM(pseudo_count=5.0, n_init=1))
    assert pulled.converged and np.diff(pulled.trace).min() >= -1e-9
    assert pulled.log_likelihood < by_em.log_likelihood


@pytest.mark.exhaustive
def test_groups_with_factors_and_lines_of_their_own():
    x, u = table(200)
    x[100:] += 6
    parts = lt.Switch(lt.LinearGaussianRegression(dim=6, latent_dim=1, covariates=2), 2)
    prior = lt.Branching(lt.Discrete(2), lt.GaussianLatent(1))
    fit = lt.fit(lt.LatentVariableModel(prior, parts), x, given=u)
    groups = lt.map_estimate(fit.model, x, given=u)[0]
    assert len(set(groups[:100])) == len(set(groups[100:])) == 1
    assert lt.sample(fit.model, 0, 5, given=u[:5]).x.shape == (5, 6)


def test_covariates_shift_the_mean_of_draws():
    drawn = lt.sample(model(), 0, 4000, given=np.array([1.0, -2.0])).x
    spread = np.sqrt(np.diagonal(LOADINGS @ LOADINGS.T) + NOISE)
    gap = drawn.mean(axis=0) - BIAS - COEFFICIENTS @ [1.0, -2.0]
    # Five standard errors.
    assert (np.abs(gap) < 5 * spread / np.sqrt(4000)).all()
    with precision_of(drawn):
        one = model().likelihood.affine(np.ones(8), np.full(8, 2.0))
    np.testing.assert_allclose(one.coefficients, COEFFICIENTS)
    np.testing.assert_allclose(one.bias, 1 + 2 * BIAS - COEFFICIENTS.sum(axis=1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lt.LinearGaussianRegression(LOADINGS, BIAS), r"should have shape \(6, 'P'\)"),
        (lambda: lt.LinearGaussianRegression(LOADINGS, COEFFICIENTS.T), "transpose or reshape"),
        (lambda: lt.LinearGaussianRegression(dim=6, latent_dim=2), "covariates of LinearGaussian"),
        (lambda: lt.LinearGaussianRegression(covariates=2), "its sizes"),
        (lambda: lt.score(model(), np.ones((4, 6))), "given should hold the 2 covariates"),
        (lambda: lt.score(model(), np.ones((4, 6)), given=np.ones((4, 3))), r"shape \(4, 2\)"),
        (lambda: lt.sample(model(), 0, given=np.ones(3)), r"given should have the shape \(2,\)"),
        (
            lambda: lt.score(model(), np.ones((1, 6)), given=[[1.0, np.nan]]),
            "given should have no missing values",
        ),
    ],
)
def test_what_does_not_fit_is_told(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
