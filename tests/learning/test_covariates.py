"""Covariates: regressions as families, in mixtures and along chains."""

import numpy as np
import pytest

import latentia
from golden.tables import golden, numbers
from latentia import (
    DiagonalGaussian,
    Discrete,
    GaussianRegression,
    LatentVariableModel,
    MarkovChain,
    PerStep,
    PoissonRegression,
    Switch,
)
from latentia.distributions.given import at
from latentia.latents.forward_backward import log_forward_backward
from latentia.precision import precision_of


def regressions(states, covariates, columns=1):
    part = GaussianRegression(dim=columns, covariates=covariates)
    return LatentVariableModel(Discrete(states), Switch(part, states))


def table(seed=0, rows=60):
    rng = np.random.default_rng(seed)
    u = rng.normal(3, 2, (rows, 2))
    return u, u @ np.array([[1.0, -2.0], [0.5, 3.0]]) + 4 + rng.normal(size=(rows, 2))


@pytest.mark.exhaustive
def test_one_state_is_least_squares_column_by_column():
    u, x = table()
    x[::5, 1] = np.nan
    x[7] = np.nan
    fit = latentia.fit(regressions(1, 2, 2), x, given=u)
    part = fit.model.likelihood.parts
    for j in range(2):
        seen = ~np.isnan(x[:, j])
        design = np.column_stack([u, np.ones(len(u))])[seen]
        found, residual, *_ = np.linalg.lstsq(design, x[seen, j], rcond=None)
        np.testing.assert_allclose(part.coefficients[0, j], found[:2], rtol=1e-7)
        np.testing.assert_allclose(part.intercept[0, j], found[2], rtol=1e-7)
        np.testing.assert_allclose(part.variances[0, j], residual[0] / seen.sum(), rtol=1e-7)
    assert fit.weight == 59 and fit.degrees_of_freedom == 8


@pytest.mark.exhaustive
def test_scores_and_draws_are_those_of_the_gaussians_at_the_covariates():
    u, x = table()
    model = latentia.fit(regressions(2, 2, 2), x, given=u).model
    scores = latentia.score(model, x, given=u)
    assert latentia.score(model, x[3], given=u[3]) == pytest.approx(scores[3])
    with precision_of(u):
        plain = LatentVariableModel(model.prior, at(model.likelihood, u[3]))
        expected = latentia.score(plain, x[3])
    assert scores[3] == pytest.approx(expected, rel=1e-10)
    drawn = latentia.sample(model, 0, 4000, given=u[3])
    with precision_of(u):
        other = latentia.sample(plain, 1, 4000)
    np.testing.assert_allclose(drawn.x.mean(axis=0), other.x.mean(axis=0), atol=0.3)


def test_a_mixture_of_regressions_on_npreg():
    x = numbers("flexmix_npreg", ["x", "yn"])
    u = np.column_stack([x[:, 0], x[:, 0] ** 2])
    fit = latentia.fit(regressions(2, 2), x[:, 1:], given=u)
    assert fit.log_likelihood >= golden("hidden_markov.json")["npreg"]["gaussian"] - 1e-4
    assert fit.degrees_of_freedom == 9


def counts(seed=0, rows=200):
    """Counts whose first row is far from all others: the whole Newton step overshoots."""
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(rows, 2))
    u[0] = 8
    return u, rng.poisson(np.exp(0.3 + u @ np.array([[1.0], [-0.5]]))).astype(float)


def rates(states, covariates=1):
    part = PoissonRegression(dim=1, covariates=covariates)
    return LatentVariableModel(Discrete(states), Switch(part, states))


@pytest.mark.exhaustive
def test_one_state_of_counts_has_no_slope_at_the_end():
    u, x = counts()
    x[5] = np.nan
    fit = latentia.fit(rates(1, 2), x, given=u, learner=latentia.EM(tol=1e-12))
    assert fit.converged and np.all(np.diff(fit.trace) >= 0)
    part = fit.model.likelihood.parts
    design = np.column_stack([u, np.ones(len(u))])
    expected = np.exp(design @ np.append(part.coefficients[0, 0], part.intercept[0, 0]))
    slope = np.where(np.isnan(x), 0, x - expected[:, None]).T @ design
    np.testing.assert_allclose(slope, 0, atol=1e-4)
    assert fit.degrees_of_freedom == 3


@pytest.mark.exhaustive
def test_a_mixture_of_poisson_regressions_on_npreg():
    x = numbers("flexmix_npreg", ["x", "yp"])
    fit = latentia.fit(rates(2), x[:, 1:], given=x[:, :1])
    assert fit.log_likelihood >= golden("hidden_markov.json")["npreg"]["poisson"] - 1e-4
    assert fit.degrees_of_freedom == 5


def test_draws_of_counts_follow_the_covariates():
    model = LatentVariableModel(
        Discrete(np.ones(1)), Switch(PoissonRegression(np.array([[[0.5]]]), np.array([[0.2]])))
    )
    drawn = latentia.sample(model, 0, 4000, given=np.array([2.0]))
    assert drawn.x.mean() == pytest.approx(np.exp(1.2), rel=0.05)
    assert latentia.score(model, np.array([-1.0]), given=np.array([2.0])) == -np.inf


@pytest.mark.slow
def test_imaginary_counts_are_the_gaussian_integral():
    one = PoissonRegression(np.array([[0.4, -0.2]]), np.array([0.3]))
    two = PoissonRegression(np.array([[-0.1, 0.5]]), np.array([-0.2]))
    nodes, each = np.polynomial.hermite_e.hermegauss(20)
    each = each / each.sum()
    u = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    weight = np.outer(each, each).ravel()
    with precision_of(u):
        mean = np.exp(u @ two.coefficients.T + two.intercept)
        # Totals are linear in the counts, so that their means may stand for them.
        expected = one.statistics(np.concatenate([mean, u], axis=1), weight)
        found = one.imagine(two, 1.0)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-8)
        logs = u @ one.coefficients.T + one.intercept
        value = weight @ (mean * logs - np.exp(logs))
        np.testing.assert_allclose(one.expected_log_prob(two), value[0], rtol=1e-8)


@pytest.mark.exhaustive
def test_an_autoregressive_chain():
    rng = np.random.default_rng(1)
    states = np.repeat([0, 1, 0], 80)
    x = np.zeros((241, 1))
    for t, state in enumerate(states):
        x[t + 1] = (0.9, -0.8)[state] * x[t] + rng.normal()
    part = GaussianRegression(dim=1, covariates=1)
    model = LatentVariableModel(MarkovChain(2), PerStep(Switch(part, 2)))
    fit = latentia.fit(model, x[1:], given=x[:-1])
    slopes = fit.model.likelihood.emission.parts.coefficients.ravel()
    np.testing.assert_allclose(np.sort(slopes), [-0.8, 0.9], atol=0.2)
    prior, emission = fit.model.prior, fit.model.likelihood.emission
    means = x[:-1] * slopes + emission.parts.intercept[:, 0]
    variances = emission.parts.variances[:, 0]
    values = -0.5 * ((x[1:] - means) ** 2 / variances + np.log(2 * np.pi * variances))
    with precision_of(values):
        expected = log_forward_backward(prior.start, prior.transitions, values).log_evidence
    assert latentia.score(fit.model, x[1:], given=x[:-1]) == pytest.approx(float(expected))
    halves = [x[1:121], x[121:]], [x[:120], x[120:-1]]
    assert len(latentia.map_estimate(fit.model, halves[0], given=halves[1])) == 2


@pytest.mark.exhaustive
def test_a_fixed_coefficient_is_kept_and_the_others_fit_around_it():
    u, x = table()
    part = GaussianRegression(np.array([[[1.0, np.nan]]]))
    model = LatentVariableModel(Discrete(1), Switch(part))
    mask = {"likelihood.parts.coefficients": np.array([[[True, False]]])}
    fit = latentia.fit(model, x[:, :1], given=u, fixed=mask)
    found = np.linalg.lstsq(np.column_stack([u[:, 1], np.ones(60)]), x[:, 0] - u[:, 0], rcond=None)[
        0
    ]
    np.testing.assert_allclose(fit.model.likelihood.parts.coefficients[0, 0], [1, found[0]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "should hold the 2 covariates that the model uses, but is None"),
        ({"given": np.ones((60, 3))}, r"should have the shape \(60, 2\)"),
        ({"given": np.full((60, 2), np.nan)}, "row 0 has one"),
    ],
)
def test_covariates_that_do_not_fit_are_told(options, message):
    _, x = table()
    with pytest.raises(ValueError, match=message):
        latentia.fit(regressions(2, 2, 2), x, **options)


def test_models_without_covariates_refuse_them():
    model = LatentVariableModel(Discrete(2), Switch(DiagonalGaussian(dim=2), 2))
    with pytest.raises(ValueError, match="no part of this model uses covariates"):
        latentia.fit(model, np.ones((5, 2)), given=np.ones((5, 1)))
