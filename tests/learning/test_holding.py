"""Parameters that are fixed or tied: they are kept, and all others are at the maximum."""

import jax
import numpy as np
import pytest

import latentia
from latentia import (
    EM,
    DiagonalGaussian,
    Discrete,
    Gaussian,
    GaussianLatent,
    LatentVariableModel,
    LinearGaussian,
    Poisson,
    Switch,
)
from latentia.constraints import bind_vector, free_vector

UNSET = np.nan
TIGHT = EM(tol=1e-12)


def clusters(seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(0, 1, (150, 2)), rng.normal(3, 2, (250, 2))])


def slope(model, x, freed):
    """The gradient of the log-likelihood in those free coordinates that are not fixed."""

    def total(vector):
        other = bind_vector(vector, model)
        return latentia.score(other, x).sum()

    with jax.enable_x64(True):
        point = free_vector(model)
        # Parameters in the order of the vector, each as large as in the model.
        return np.asarray(jax.grad(total)(point))[freed] / len(x)


@pytest.mark.exhaustive
def test_a_fixed_mean_is_kept_and_the_rest_is_at_the_maximum():
    given = np.array([[0.0, 0.0], [UNSET, UNSET]])
    parts = DiagonalGaussian(given, np.full((2, 2), UNSET))
    model = LatentVariableModel(Discrete(2), Switch(parts))
    mask = {"likelihood.parts.mean": ~np.isnan(given)}
    x = clusters()
    fit = latentia.fit(model, x, fixed=mask, learner=TIGHT)
    assert fit.converged and (fit.model.likelihood.parts.mean[0] == 0).all()
    freed = np.array([1, 1, 0, 0, 1, 1, 1, 1, 1, 1]) > 0
    assert np.abs(slope(fit.model, x, freed)).max() < 1e-6
    assert np.abs(slope(fit.model, x, ~freed)).max() > 1e-3
    whole = latentia.fit(LatentVariableModel(Discrete(2), Switch(DiagonalGaussian(dim=2), 2)), x)
    assert fit.degrees_of_freedom == whole.degrees_of_freedom - 2
    assert fit.log_likelihood < whole.log_likelihood


@pytest.mark.exhaustive
def test_a_full_covariance_is_about_the_fixed_mean():
    x = clusters()
    given = Gaussian(np.array([[1.0, 1.0]]), np.full((1, 2, 2), UNSET))
    model = LatentVariableModel(Discrete(1), Switch(given))
    fit = latentia.fit(model, x, fixed=["likelihood.parts.mean"])
    np.testing.assert_allclose(
        fit.model.likelihood.parts.covariance[0], (x - 1).T @ (x - 1) / len(x), rtol=1e-9
    )


@pytest.mark.exhaustive
def test_fixed_weights_leave_what_they_leave():
    weights = np.array([0.5, UNSET, UNSET])
    model = LatentVariableModel(Discrete(weights), Switch(Gaussian(dim=2), 3))
    fit = latentia.fit(model, clusters(), fixed={"prior.weights": ~np.isnan(weights)})
    assert fit.model.prior.weights[0] == 0.5
    assert fit.model.prior.weights.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.slow
def test_loadings_fixed_to_zero_are_a_confirmatory_factor_analysis():
    rng = np.random.default_rng(1)
    truth = np.array([[0.9, 0], [0.8, 0], [0.7, 0], [0, 0.9], [0, 0.8], [0, 0.6]])
    x = rng.normal(size=(400, 2)) @ truth.T + 0.5 * rng.normal(size=(400, 6))
    given = np.where(truth == 0, 0.0, UNSET)
    likelihood = LinearGaussian(given, np.full(6, UNSET), np.full(6, UNSET))
    model = LatentVariableModel(GaussianLatent(dim=2), likelihood)
    fit = latentia.fit(model, x, fixed={"likelihood.loadings": truth == 0}, learner=TIGHT)
    assert (fit.model.likelihood.loadings[truth == 0] == 0).all()
    freed = np.concatenate([(truth != 0).ravel(), np.ones(12, bool)])
    assert np.abs(slope(fit.model, x, freed)).max() < 1e-6
    # Six loadings, six means and six variances.
    assert fit.degrees_of_freedom == 18


@pytest.mark.exhaustive
def test_tied_variances_are_the_same_in_all_states():
    x = clusters()[:, :1]
    model = LatentVariableModel(Discrete(2), Switch(DiagonalGaussian(dim=1), 2))
    fit = latentia.fit(model, x, tied=["likelihood.parts.variances"])
    same = LatentVariableModel(Discrete(2), Switch(Gaussian(dim=1, tied=True), 2))
    other = latentia.fit(same, x)
    assert np.ptp(fit.model.likelihood.parts.variances) == pytest.approx(0, abs=1e-12)
    assert fit.log_likelihood == pytest.approx(other.log_likelihood, abs=1e-3)
    assert fit.degrees_of_freedom == other.degrees_of_freedom


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fixed": ["prior.weight"]}, "'prior.weight' is none of them: they are prior.weights"),
        ({"fixed": ["likelihood.parts.rates"]}, "should have a value to keep"),
        ({"fixed": "prior.weights"}, "should be a list of names"),
        ({"fixed": {"prior.weights": np.ones(3, bool)}}, "in the shape"),
        ({"tied": ["prior.weights"]}, "locations, degrees of freedom, priors"),
    ],
)
def test_names_that_do_not_fit_are_told(options, message):
    model = LatentVariableModel(Discrete(np.array([0.5, 0.5])), Switch(Poisson(dim=1), 2))
    with pytest.raises(ValueError, match=message):
        latentia.fit(model, np.arange(20.0)[:, None], **options)


@pytest.mark.exhaustive
def test_a_student_t_about_a_location_and_with_degrees_that_are_fixed():
    x = latentia.datasets.load_faithful().data
    prior = latentia.Discrete([1.0])
    start = latentia.StudentT(x[5], np.cov(x.T), np.array(4.0))
    model = latentia.LatentVariableModel(prior, latentia.Switch(start, 1))
    names = ["likelihood.parts.df", "likelihood.parts.location"]
    held = latentia.fit(model, x, fixed=names, learner=latentia.EM(tol=1e-12, start="given"))
    part = held.model.likelihood.parts
    np.testing.assert_array_equal(part.location[0], x[5])
    assert part.df[0] == 4.0
    assert held.degrees_of_freedom == 3
    rng = np.random.default_rng(0)
    for _ in range(20):
        scatter = part.scatter[0] * (1 + 0.02 * rng.normal())
        other = latentia.Switch([latentia.StudentT(x[5], scatter, np.array(4.0))])
        value = latentia.score(latentia.LatentVariableModel(prior, other), x).sum()
        assert value <= held.log_likelihood


def test_what_is_no_average_within_a_state_cannot_be_tied():
    mixture = latentia.Mixture(2, latentia.DiagonalGaussian(dim=2))
    model = latentia.LatentVariableModel(latentia.Discrete(2), latentia.Switch(mixture, 2))
    student = latentia.LatentVariableModel(
        latentia.Discrete(2), latentia.Switch(latentia.StudentT(dim=2), 2)
    )
    x = np.random.default_rng(0).normal(size=(20, 2))
    for one, name in (
        (model, "likelihood.parts.parts.variances"),
        (student, "likelihood.parts.df"),
    ):
        with pytest.raises(ValueError, match=f"names {name}: locations, degrees of freedom"):
            latentia.fit(one, x, tied=[name])
