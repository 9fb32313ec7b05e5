"""Dynamic factor models on series that were drawn from one."""

import jax
import numpy as np
import pytest

import latentia as lt

LOADINGS = np.random.default_rng(3).normal(size=(8, 2))
FIRST, SECOND = np.array([[0.6, 0.2], [-0.2, 0.5]]), np.array([[0.25, 0.0], [0.0, -0.3]])


def drawn(lags, steps=250, effects=0.0, seed=0):
    """Series, a covariate and the factors."""
    rng = np.random.default_rng(seed)
    factors = np.zeros((steps + 2, 2))
    for t in range(2, steps + 2):
        factors[t] = FIRST @ factors[t - 1] + rng.normal(size=2)
        factors[t] += (lags > 1) * SECOND @ factors[t - 2]
    u = rng.normal(size=(steps, 1))
    x = factors[2:] @ LOADINGS.T + np.arange(8.0) + 0.6 * rng.normal(size=(steps, 8))
    return x + effects * u, u, factors[2:]


def explained(model, x, factors, **options):
    """The share of every factor's variance that the smoothed factors explain."""
    means = lt.infer(model, x, **options).mean[:, :2]
    design = np.column_stack([means, np.ones(len(x))])
    left = factors - design @ np.linalg.lstsq(design, factors)[0]
    return 1 - left.var(axis=0) / factors.var(axis=0)


def test_draws_follow_the_autoregression():
    """With two lags and hardly any noise of the series."""
    made = lt.dynamic_factors(8, 2, lags=2)
    transition = made.prior.transition.copy()
    transition[:2] = np.concatenate([FIRST, SECOND], axis=1)
    chain = lt.GaussianChain(
        transition=transition, variances=[1.0], groups=made.prior.groups, length=2000
    )
    loadings = np.concatenate([LOADINGS, np.zeros((8, 2))], axis=1)
    emission = lt.LinearGaussian(loadings, np.zeros(8), np.full(8, 1e-12))
    x = lt.sample(lt.LatentVariableModel(chain, lt.PerStep(emission)), 0).x
    factors = np.linalg.lstsq(LOADINGS, x.T)[0].T
    before = np.concatenate([factors[1:-1], factors[:-2]], axis=1)
    slopes, _, _, _ = np.linalg.lstsq(before, factors[2:])
    # Five standard errors of a regression on 2000 steps.
    np.testing.assert_allclose(slopes.T, transition[:2], atol=5 / np.sqrt(2000))


@pytest.mark.exhaustive
@pytest.mark.parametrize("lags", [1, 2])
def test_em_climbs_to_the_space_of_the_factors(lags):
    x, _, factors = drawn(lags)
    # A series that begins late, one that is seen every third step, and single gaps.
    x[:60, 0], x[np.arange(250) % 3 > 0, 1], x[100, 2:] = np.nan, np.nan, np.nan
    model = lt.dynamic_factors(8, 2, lags=lags)
    found = lt.fit_dynamic_factors(model, x, learner=lt.EM(n_init=1))
    assert found.converged, found.status
    assert np.diff(found.trace).min() >= -1e-9 * abs(found.trace[-1])
    assert (explained(found.model, x, factors) > 0.9).all()
    chain, emission = found.model.prior, found.model.likelihood.emission
    values = np.sort_complex(np.linalg.eigvals(chain.transition))
    companion = np.block([[FIRST, SECOND], [np.eye(2), np.zeros((2, 2))]])
    true = np.sort_complex(np.linalg.eigvals(companion if lags > 1 else FIRST))
    np.testing.assert_allclose(values, true, atol=0.25)
    # What the form of the model says stays so to the last bit, and the loadings are orthogonal.
    np.testing.assert_array_equal(chain.transition[2:], np.eye(2 * lags, k=-2)[2:])
    np.testing.assert_array_equal(emission.loadings[:, 2:], 0)
    np.testing.assert_array_equal(chain.noise_covariance, np.diag([1, 1] + [0, 0] * (lags - 1)))
    scaled = emission.loadings[:, :2] / np.sqrt(emission.noise)[:, None]
    square = scaled.T @ scaled
    np.testing.assert_allclose(square[0, 1], 0, atol=1e-8 * square[0, 0])
    assert square[0, 0] > square[1, 1]
    # Turning the factors changes nothing.
    score = lt.score(found.model, x)
    assert score == pytest.approx(found.log_likelihood, rel=1e-9)
    assert found.degrees_of_freedom == 8 * 4 - 1 + 4 * lags
    assert lt.forecast(found.model, x, 3).mean.shape == (3, 8)


@pytest.mark.exhaustive
def test_regressors_and_several_panels():
    x, u, factors = drawn(1, effects=2.0)
    other = drawn(1, steps=120, effects=2.0, seed=1)
    model = lt.dynamic_factors(8, 2, regressors=1)
    found = lt.fit_dynamic_factors(model, [x, other[0]], given=[u, other[1]])
    assert found.converged, found.status
    np.testing.assert_allclose(found.model.likelihood.emission.coefficients, 2.0, atol=0.25)
    assert (explained(found.model, x, factors, given=u) > 0.9).all()
    assert found.degrees_of_freedom == 8 * 5 - 1 + 4
    coming = lt.forecast(found.model, x, 2, given=np.concatenate([u, [[10.0], [-10.0]]]))
    assert (coming.mean[0] - coming.mean[1] > 30).all()


@pytest.mark.exhaustive
def test_the_gradient_ends_where_em_does():
    x = drawn(1, steps=120)[0]
    model = lt.dynamic_factors(8, 2)
    by_em = lt.fit_dynamic_factors(model, x, learner=lt.EM(n_init=1, tol=1e-9))
    by_gradient = lt.fit_dynamic_factors(model, x, learner=lt.Gradient(n_init=1))
    assert by_gradient.log_likelihood == pytest.approx(by_em.log_likelihood, abs=1e-3)


def test_what_does_not_fit_is_told():
    model, x = lt.dynamic_factors(4, 2, lags=3), np.zeros((9, 4))
    for call, message in (
        (lambda: lt.dynamic_factors(4, 0), "factors should be a whole number from 1 up"),
        (lambda: lt.dynamic_factors(4, 5), "no more than the 4 series, but is 5"),
        (lambda: lt.dynamic_factors(4, 2, lags=1.5), "lags should be"),
        (lambda: lt.dynamic_factors(4, 2, regressors=-1), "regressors should be"),
        (lambda: lt.fit_dynamic_factors(model, x[:, :3]), "x should have 4 columns"),
        (lambda: lt.fit_dynamic_factors(model, x[:7]), "more than 6 moves"),
        (lambda: lt.fit_dynamic_factors(model, x, given=x), "given should be None"),
        (
            lambda: lt.fit_dynamic_factors(model, x, learner=lt.Gradient()),
            "learner should be EM for a model with lags",
        ),
        (
            lambda: lt.fit_dynamic_factors(lt.dynamic_factors(4, 1, regressors=2), x),
            "given should hold the 2 covariates",
        ),
        (lambda: lt.fit_dynamic_factors(lt.structural(regressors=0, period=4), x), "1 column"),
        (
            lambda: lt.fit_dynamic_factors(
                lt.LatentVariableModel(
                    lt.GaussianChain(2), lt.PerStep(lt.LinearGaussian(dim=4, latent_dim=2))
                ),
                x,
            ),
            "one of dynamic_factors",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(model))
