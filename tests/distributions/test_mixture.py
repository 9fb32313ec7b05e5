import numpy as np
import pytest

import latentia
from latentia import Bernoulli, Discrete, Gaussian, LatentVariableModel, Mixture, Poisson, Switch
from latentia.datasets import load_faithful
from latentia.learning.status import Status

TIGHT = latentia.EM(tol=1e-12, max_iter=5000)


def alone(family, states=1):
    return LatentVariableModel(Discrete(states), Switch(family, states))


@pytest.mark.exhaustive
def test_as_the_only_state_it_is_the_mixture_model():
    """The part is a latent variable of the family here and of the model there."""
    x = load_faithful().data
    inner = latentia.fit(alone(Mixture(2, Gaussian(dim=2))), x, learner=TIGHT)
    outer = latentia.fit(alone(Gaussian(dim=2), 2), x, learner=TIGHT)
    assert inner.log_likelihood == pytest.approx(outer.log_likelihood, abs=1e-6)
    assert inner.degrees_of_freedom == outer.degrees_of_freedom
    found = inner.model.likelihood.parts
    np.testing.assert_allclose(np.sort(found.weights[0]), np.sort(outer.model.prior.weights), 1e-4)
    np.testing.assert_allclose(latentia.score(inner.model, x), latentia.score(outer.model, x), 1e-4)


@pytest.mark.exhaustive
def test_states_of_several_parts_are_found():
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0], [4, 0], [0, 30], [4, 33]])
    x = centres[rng.integers(0, 4, 400)] + rng.normal(size=(400, 2)) * 0.5
    fit = latentia.fit(alone(Mixture(2, latentia.DiagonalGaussian(dim=2)), 2), x)
    means = fit.model.likelihood.parts.parts.mean.reshape(4, 2)
    gaps = np.abs(means[:, None] - centres).max(axis=-1)
    assert (gaps.min(axis=0) < 0.3).all(), means


@pytest.mark.exhaustive
def test_parts_of_any_family_and_inside_a_product():
    rng = np.random.default_rng(1)
    x = np.column_stack([rng.poisson([1.0, 12.0], (300, 2)).ravel(), rng.integers(0, 2, 600)]) * 1.0
    family = latentia.Product(Mixture(2, Poisson(dim=1)), Bernoulli(dim=1))
    rates = latentia.fit(alone(family), x).model.likelihood.parts.parts[0].parts.rates
    np.testing.assert_allclose(np.sort(rates.ravel()), [1.0, 12.0], atol=0.4)


@pytest.mark.exhaustive
def test_ties_hold_within_each_mixture():
    x = load_faithful().data
    fit = latentia.fit(alone(Mixture(2, Gaussian(dim=2, tied=True)), 2), x)
    covariance = fit.model.likelihood.parts.parts.covariance
    np.testing.assert_array_equal(covariance[:, 0], covariance[:, 1])
    assert not np.allclose(covariance[0, 0], covariance[1, 0])
    assert fit.degrees_of_freedom == 1 + 2 * (1 + 4 + 3)


@pytest.mark.exhaustive
def test_a_collapsed_part_is_flagged():
    x = np.concatenate([np.random.default_rng(0).normal(size=50), np.full(50, 7.0)])[:, None]
    fit = latentia.fit(alone(Mixture(2, Gaussian(dim=1))), x)
    assert fit.status is Status.DEGENERATE


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mixture(0, Gaussian(dim=2)), "weights should be at least 1 part"),
        (lambda: Mixture([0.4, 0.4], [Gaussian(dim=2)] * 2), "weights should be probabilities"),
        (lambda: Mixture([0.4, 0.6], [Gaussian(dim=2)] * 3), "parts of Mixture should be 2"),
        (lambda: Mixture(2, [Gaussian(dim=2), Gaussian(dim=3)]), "of the same kind and size"),
    ],
)
def test_wrong_parts_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_what_is_no_family_is_refused():
    with pytest.raises(TypeError, match="parts of Mixture should be distributions"):
        Mixture(2, Discrete(2))
