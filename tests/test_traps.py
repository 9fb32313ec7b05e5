"""What other programs got wrong, one test each: numbers are those of PROMISES.md's list of bugs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from catalogue import CENTRES, MODELS, SHAPES, mixture
from latentia import (
    EM,
    Bernoulli,
    DiagonalGaussian,
    Discrete,
    Gaussian,
    GaussianLatent,
    LatentVariableModel,
    LinearGaussian,
    Poisson,
    SphericalGaussian,
    Switch,
    fit,
    infer,
    sample,
    score,
)
from latentia.datasets import load_carcinoma, load_faithful
from latentia.learning.status import Status
from latentia.numerics import log_sum_exp

FAITHFUL = load_faithful().data
GIVEN = EM(start="given")


def unset(family, states):
    return LatentVariableModel(Discrete(states), Switch(family, states))


@pytest.mark.parametrize("kind", [DiagonalGaussian, SphericalGaussian])
def test_1_densities_far_from_zero_keep_their_digits(kind):
    variances = np.ones(2) if kind is DiagonalGaussian else np.array(1.0)
    near, far = (mixture([kind(np.full(2, m), variances)], np.ones(1)) for m in (0.0, 1e8))
    gap = np.array([[0.5, -1.25], [2.0, 0.0]])
    np.testing.assert_allclose(score(far, 1e8 + gap), score(near, gap), rtol=1e-12)


def test_2_float32_variances_do_not_cancel():
    x = np.array([[9999.0], [0.0]], np.float32)
    found = fit(unset(SphericalGaussian(dim=1), 2), x)
    variances = found.model.likelihood.parts.variance
    assert (variances > 0).all()
    assert (variances <= 1.1e-6 * x.var()).all()
    assert found.status is Status.DEGENERATE


def test_3_score_does_not_depend_on_the_rotation_of_factors():
    model = MODELS["factor analysis"]
    x = sample(model, 0, 20).x
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    like = model.likelihood
    turned = LinearGaussian(like.loadings @ turn, like.bias, like.noise)
    np.testing.assert_allclose(
        score(LatentVariableModel(GaussianLatent(dim=2), turned), x), score(model, x), rtol=1e-12
    )


@pytest.mark.slow
def test_4_probabilistic_pca_is_the_closed_form():
    x = sample(MODELS["probabilistic pca"], 3, 500).x
    like = LinearGaussian(dim=5, latent_dim=2, isotropic=True)
    found = fit(LatentVariableModel(GaussianLatent(dim=2), like), x, learner=EM(tol=1e-12))
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    noise = values[:3].mean()
    np.testing.assert_allclose(found.model.likelihood.noise, noise, rtol=1e-5)
    closed = (vectors[:, 3:] * (values[3:] - noise)) @ vectors[:, 3:].T + noise * np.eye(5)
    expected = stats.multivariate_normal(x.mean(0), closed).logpdf(x).sum()
    np.testing.assert_allclose(found.log_likelihood, expected, rtol=1e-9)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(3))
def test_5_the_best_start_is_kept_whole(seed):
    found = fit(unset(Gaussian(dim=2), 3), FAITHFUL, key=seed)
    sound = [
        o for o, s in zip(found.starts, found.start_status, strict=True) if s != Status.DEGENERATE
    ]
    assert found.objective >= np.nanmax(sound) - 1e-9
    np.testing.assert_allclose(found.log_likelihood, score(found.model, FAITHFUL).sum(), rtol=1e-10)
    np.testing.assert_allclose(found.trace[-1], found.objective, rtol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_6_sample_returns_the_rows_asked(count):
    thirds = mixture([Gaussian(c, s) for c, s in zip(CENTRES, SHAPES, strict=True)], np.ones(3) / 3)
    assert sample(thirds, 0, count).x.shape == (count, 2)


@pytest.mark.exhaustive
def test_7_and_22_weights_sum_to_one_after_few_rows():
    found = fit(unset(Gaussian(dim=2), 1), FAITHFUL[:20].astype(np.float32))
    weights = found.model.prior.weights
    assert weights.shape == (1,)
    assert abs(float(weights.sum()) - 1) < 1e-6
    assert sample(found.model, 0, 5).x.shape == (5, 2)


def test_8_given_weights_are_not_rescaled():
    with pytest.raises(ValueError, match="sum to 1"):
        Discrete(np.array([0.5, 0.3, 0.1]))


def test_9_no_iterations_give_back_what_was_given():
    model = MODELS["gaussian mixture"]
    found = fit(model, sample(model, 0, 50).x, learner=EM(start="given", max_iter=0)).model
    for got, given in zip(jax.tree.leaves(found), jax.tree.leaves(model), strict=True):
        np.testing.assert_allclose(got, given, rtol=1e-12, atol=1e-12)


def test_11_no_noise_left_is_a_stated_case():
    x = np.random.default_rng(0).normal(size=(30, 1)) * np.array([1.0, 2.0, -1.0])
    like = LinearGaussian(dim=3, latent_dim=1)
    found = fit(LatentVariableModel(GaussianLatent(dim=1), like), x)
    assert np.isfinite(found.log_likelihood)
    assert found.verdict.level == "fail"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gaussian mixture", "bernoulli mixture", "poisson mixture"])
def test_16_an_empty_component_keeps_its_parameters_and_weight_zero(name):
    model = MODELS[name]
    weights = np.zeros(model.prior.states)
    weights[0] = 1.0
    model = LatentVariableModel(Discrete(weights), model.likelihood)
    x = sample(model, 0, 60).x
    found = fit(model, x, learner=GIVEN)
    np.testing.assert_array_equal(found.model.prior.weights, weights)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found.model))
    posterior = infer(found.model, x)
    np.testing.assert_allclose(posterior.probabilities.sum(axis=1), 1, rtol=1e-12)


def test_17_the_floor_and_the_ridge_have_an_effect():
    x = np.concatenate([FAITHFUL, np.repeat(FAITHFUL[:1], 30, axis=0)])
    model = fit(unset(DiagonalGaussian(dim=2), 2), FAITHFUL, learner=EM(n_init=1)).model
    plain, floor, ridge = (
        fit(model, x, learner=EM(start="given", **options)).model.likelihood.parts.variances
        for options in ({}, {"covariance_floor": 0.5}, {"ridge": 1.0})
    )
    assert (floor >= 0.499 * x.var(axis=0)).all()
    assert (plain < floor).any()
    assert (ridge > 1.0).all()
    assert (plain < 1.0).any()


def test_19_weights_of_the_wrong_length_are_refused():
    with pytest.raises(ValueError, match="weights"):
        fit(unset(Gaussian(dim=2), 2), FAITHFUL, weights=np.ones(3))


def test_26_a_component_that_cannot_give_x_does_not_spoil_the_others():
    model = mixture([Bernoulli(np.array([0.0])), Bernoulli(np.array([0.4]))], np.array([0.5, 0.5]))
    np.testing.assert_allclose(score(model, np.array([[1.0]])), np.log(0.2), rtol=1e-12)
    with jax.enable_x64(True):
        gradient = jax.grad(lambda m: score(m, jnp.array([1.0])))(jax.tree.map(jnp.asarray, model))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_27_structural_zeros_stay_zero():
    weights = np.array([0.5, 0.0, 0.5])
    model = LatentVariableModel(Discrete(weights), MODELS["gaussian mixture"].likelihood)
    found = fit(model, sample(model, 0, 80).x, learner=GIVEN)
    assert found.model.prior.weights[1] == 0


def test_32_the_constant_counts_once_for_each_observed_entry():
    like = LinearGaussian(np.zeros((3, 1)), np.zeros(3), np.ones(3))
    model = LatentVariableModel(GaussianLatent(dim=1), like)
    x = np.array([[0.0, np.nan, 0.0], [0.0, 0.0, 0.0], [np.nan] * 3])
    np.testing.assert_allclose(score(model, x), -0.5 * np.log(2 * np.pi) * np.array([2, 3, 0]))


def test_41_a_mixture_integrates_to_one():
    points = np.linspace(-30, 30, 20001)[:, None]
    model = mixture([Gaussian(np.array([m]), np.eye(1)) for m in (0.0, 3.0)], np.array([0.3, 0.7]))
    np.testing.assert_allclose(np.exp(score(model, points)).sum() * 0.003, 1, rtol=1e-10)


def test_43_one_row_and_one_column_are_no_broadcast():
    model = MODELS["gaussian mixture"]
    x = sample(model, 0, 3).x
    whole = score(model, x)
    np.testing.assert_allclose(score(model, x[:1]), whole[:1], rtol=1e-13)
    assert np.shape(score(model, x[0])) == ()
    assert infer(model, x[:1]).probabilities.shape == (1, 3)


@pytest.mark.parametrize("rate", [0.01, 1.0, 30.0, 1000.0, 1e5])
@pytest.mark.slow
def test_44_poisson_draws_follow_the_density(rate):
    # False alarms: 1e-5 for each rate. The variance of the mean of counts is known.
    model = mixture([Poisson(np.array([rate]))], np.ones(1))
    x = sample(model, 5, 4000).x[:, 0]
    z = (x.mean() - rate) / np.sqrt(rate / 4000)
    assert abs(z) < stats.norm.isf(0.25e-5)
    spread = (x.var() - rate) / (rate * np.sqrt((2 + 1 / rate) / 4000))
    assert abs(spread) < 6
    inside = np.exp(score(model, np.unique(x)[:, None])).sum()
    assert 0.5 < inside <= 1 + 1e-9


def test_45_a_covariance_that_is_none_gives_no_silent_number():
    model = mixture([Gaussian(np.zeros(2), np.array([[1.0, 2.0], [2.0, 1.0]]))], np.ones(1))
    found = fit(model, FAITHFUL, learner=EM(start="given", max_iter=3))
    assert found.status in (Status.NON_FINITE, Status.FELL) or np.isfinite(found.log_likelihood)
    assert found.verdict.level != "pass"


def test_46_the_gradient_of_nothing_is_zero():
    gone = jnp.full(3, -jnp.inf)
    np.testing.assert_array_equal(jax.grad(log_sum_exp)(gone), 0)


def test_47_a_singular_prior_covariance_is_sampled():
    prior = GaussianLatent(mean=np.zeros(2), covariance=np.ones((2, 2)))
    model = LatentVariableModel(prior, LinearGaussian(np.eye(2), np.zeros(2), np.full(2, 1e-12)))
    x = sample(model, 0, 50).x
    assert np.isfinite(x).all()
    np.testing.assert_allclose(x[:, 0], x[:, 1], atol=1e-4)


@pytest.mark.exhaustive
@pytest.mark.parametrize("states", [2, 5])
def test_57_duplicates_and_too_many_components_end(states):
    x = np.repeat(np.array([[0.0, 1.0], [2.0, 1.0]]), 10, axis=0)
    try:
        found = fit(unset(Gaussian(dim=2), states), x)
    except ValueError as error:
        assert str(states) in str(error)
    else:
        assert found.verdict.level == "fail"
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found.model))


@pytest.mark.exhaustive
def test_58_the_total_is_the_sum_of_the_rows():
    x = FAITHFUL.copy()
    x[::3, 0] = np.nan
    x[::9] = np.nan
    found = fit(unset(Gaussian(dim=2), 2), x)
    rows = score(found.model, x)
    assert (np.abs(rows[::9]) < 1e-14).all()
    np.testing.assert_allclose(found.log_likelihood, rows.sum(), rtol=1e-10)


def test_noise_of_1e_12_is_scored_right():
    # scikit-learn: -inf; by normal equations wrong by 1e-4.
    like = LinearGaussian(np.ones((2, 1)), np.zeros(2), np.full(2, 1e-12))
    model = LatentVariableModel(GaussianLatent(dim=1), like)
    x = np.array([[0.3, 0.3 + 1e-6]])
    total, gap = (x[0, 0] + x[0, 1]) / np.sqrt(2), (x[0, 1] - x[0, 0]) / np.sqrt(2)
    expected = stats.norm(0, np.sqrt(2 + 1e-12)).logpdf(total) + stats.norm(0, 1e-6).logpdf(gap)
    np.testing.assert_allclose(score(model, x), expected, rtol=1e-9)


@pytest.mark.exhaustive
def test_parameters_and_data_of_different_precisions():
    model = MODELS["student t mixture"]
    narrow = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), model)
    x = sample(model, 0, 200).x
    found = [fit(one, data).objective for one in (model, narrow) for data in (x, x.astype("f4"))]
    np.testing.assert_allclose(found, found[0], rtol=1e-5)


@pytest.mark.exhaustive
def test_nested_models_are_ordered():
    free, tied = (fit(unset(Gaussian(dim=2, tied=t), 2), FAITHFUL) for t in (False, True))
    assert tied.log_likelihood <= free.log_likelihood
    one = fit(unset(Bernoulli(dim=7), 1), load_carcinoma().data)
    two = fit(unset(Bernoulli(dim=7), 2), load_carcinoma().data)
    assert one.log_likelihood <= two.log_likelihood
