"""Gaussian chains that covariates drive, against the dense joint Gaussian of all steps."""

import jax
import numpy as np
import pytest
from scipy import stats

import latentia as lt
from latentia.precision import precision_of
from latents.dense_chain import dense

EVERYTHING = ("mean", "covariance", "transition", "drift", "noise")
RNG = np.random.default_rng(5)
MOVE = np.array([[0.8, 0.3], [-0.2, 0.7]])
ROOT, START = RNG.normal(size=(2, 2, 2))
CONTROLS = np.array([[1.5, 0.0], [-1.0, 2.0]])
COEFFICIENTS = np.array([[0.7], [0.0], [-1.2]])
LOADINGS = RNG.normal(size=(3, 2))
BIAS, NOISE = np.array([1.0, -1.0, 0.5]), np.array([0.4, 0.3, 0.6])
PLAIN = lt.LinearGaussian(LOADINGS, BIAS, NOISE)


def chain(learned=EVERYTHING, **options):
    return lt.GaussianChain(
        mean=np.array([0.5, -1.0]), covariance=START @ START.T, transition=MOVE,
        drift=np.array([0.3, -0.2]), noise=ROOT @ ROOT.T, learned=learned, **options,
    )  # fmt: skip


def model(learned=EVERYTHING, driven=("controls",), effects=True, **options):
    prior = lt.DrivenGaussianChain(chain(learned, **options), CONTROLS, learned=driven)
    emission = PLAIN
    if effects:
        emission = lt.LinearGaussianRegression(LOADINGS, COEFFICIENTS, BIAS, NOISE)
    return lt.LatentVariableModel(prior, lt.PerStep(emission, drivers=2))


def series(steps=7, seed=0):
    """One with gaps, the covariates of its emission and of its chain side by side."""
    rng = np.random.default_rng(seed)
    x, u = 2 * rng.normal(size=(steps, 3)), rng.normal(size=(steps, 3))
    x[rng.random(x.shape) < 0.2] = np.nan
    # Nothing is seen of these steps, but their covariates move the chain.
    x[2], x[-1] = np.nan, np.nan
    return x, u


def joint(x, u, **options):
    return dense(chain(**options), PLAIN, x - u[:, :1] @ COEFFICIENTS.T, u[:, 1:] @ CONTROLS.T)


def test_answers_are_those_of_the_dense_gaussian():
    x, u = series()
    expected, got = joint(x, u), lt.infer(model(), x, given=u)
    tensor = expected.covariance.reshape(7, 2, 7, 2)
    own = np.stack([tensor[t, :, t] for t in range(7)])
    np.testing.assert_allclose(got.log_evidence, expected.log_evidence, rtol=1e-11)
    np.testing.assert_allclose(got.mean, expected.mean, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(got.covariance, own, rtol=1e-9, atol=1e-10)


@pytest.mark.exhaustive
def test_neighbours_the_filter_draws_and_densities_are_those_of_the_dense_gaussian():
    x, u = series()
    expected, got = joint(x, u), lt.infer(model(), x, given=u)
    tensor = expected.covariance.reshape(7, 2, 7, 2)
    lag = np.stack([tensor[t + 1, :, t] for t in range(6)])
    np.testing.assert_allclose(got.lag_one, lag, rtol=1e-9, atol=1e-10)
    # What is known at step 4 without the steps after it.
    until = joint(x[:5], u[:5])
    np.testing.assert_allclose(got.filtered.mean[4], until.mean[4], rtol=1e-9)
    joined = stats.multivariate_normal(expected.mean.ravel(), expected.covariance)
    with precision_of(x):
        drawn = np.asarray(jax.vmap(got.sample)(jax.random.split(jax.random.key(0), 3000)))
        logs = jax.vmap(got.log_prob)(drawn[:5])
    np.testing.assert_allclose(logs, joined.logpdf(drawn[:5].reshape(5, -1)), rtol=1e-8)
    # Three thousand draws: five standard errors.
    error = np.sqrt(np.diagonal(expected.covariance).reshape(7, 2) / 3000)
    assert (np.abs(drawn.mean(axis=0) - expected.mean) < 5 * error).all()


@pytest.mark.exhaustive
def test_a_diffuse_start_and_the_filter():
    x, u = series(9)
    expected = joint(x, u, diffuse=(True, False))
    got = lt.infer(model(diffuse=(True, False)), x, given=u)
    np.testing.assert_allclose(got.log_evidence, expected.log_evidence, rtol=1e-10)
    np.testing.assert_allclose(got.mean, expected.mean, rtol=1e-8, atol=1e-9)
    until = joint(x[:6], u[:6], diffuse=(True, False))
    np.testing.assert_allclose(got.filtered.mean[5], until.mean[5], rtol=1e-8)


@jax.jit
def one_step(prior, likelihood, rows):
    moments = prior.condition(likelihood.potential(rows)).moments
    many = jax.tree.map(lambda leaf: leaf[None], moments)
    return prior.maximize(prior.statistics(many, np.ones(1)))


@pytest.mark.parametrize(
    ("learned", "driven"),
    [
        pytest.param(EVERYTHING, ("controls",), marks=pytest.mark.exhaustive),
        pytest.param(("transition",), ("controls",), marks=pytest.mark.exhaustive),
        pytest.param(("drift", "noise"), (), marks=pytest.mark.exhaustive),
    ],
)
def test_maximize_is_the_regression_on_the_step_before_and_the_covariates(learned, driven):
    """Against the moments of the dense Gaussian, summed over the moves up to the last seen step."""
    x, u = series()
    expected, last = joint(x, u), 6
    second = expected.covariance + np.outer(expected.mean.ravel(), expected.mean.ravel())
    second = second.reshape(7, 2, 7, 2)
    design, cross, square = np.zeros((5, 5)), np.zeros((2, 5)), np.zeros((2, 2))
    for t in range(last - 1):
        known = np.append(u[t + 1, 1:], 1.0)
        design[:2, :2] += second[t, :, t]
        design[:2, 2:] += np.outer(expected.mean[t], known)
        design[2:, :2] += np.outer(known, expected.mean[t])
        design[2:, 2:] += np.outer(known, known)
        cross[:, :2] += second[t + 1, :, t]
        cross[:, 2:] += np.outer(expected.mean[t + 1], known)
        square += second[t + 1, :, t + 1]
    begun = chain()
    slope = np.column_stack([begun.transition, CONTROLS, begun.drift])
    free = np.array(
        ["transition" in learned] * 2 + ["controls" in driven] * 2 + ["drift" in learned]
    )
    rest = cross[:, free] - slope[:, ~free] @ design[np.ix_(~free, free)]
    slope[:, free] = np.linalg.solve(design[np.ix_(free, free)], rest.T).T
    left = square - slope @ cross.T - cross @ slope.T + slope @ design @ slope.T
    noise = left / (last - 1) if "noise" in learned else begun.noise
    start = model(learned, driven)
    rows = np.concatenate([x, u], axis=1)
    with jax.enable_x64(True):
        got = jax.device_get(one_step(start.prior, start.likelihood, rows))
    np.testing.assert_allclose(got.chain.transition, slope[:, :2], rtol=1e-7)
    np.testing.assert_allclose(got.controls, slope[:, 2:4], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(got.chain.drift, slope[:, 4], rtol=1e-7)
    np.testing.assert_allclose(got.chain.noise, noise, rtol=1e-7, atol=1e-9)


def test_forecast_is_the_dense_gaussian_of_the_steps_to_come():
    x, u = series()
    ahead = np.concatenate([x[:4], np.full((3, 3), np.nan)])
    expected = joint(ahead, u)
    coming = lt.forecast(model(), x[:4], 3, given=u)
    mean = expected.mean[4:] @ LOADINGS.T + BIAS + u[4:, :1] @ COEFFICIENTS.T
    tensor = expected.covariance.reshape(7, 2, 7, 2)
    spread = [LOADINGS @ tensor[t, :, t] @ LOADINGS.T for t in range(4, 7)]
    np.testing.assert_allclose(coming.mean, mean, rtol=1e-9)
    np.testing.assert_allclose(coming.variance, np.diagonal(spread, 0, 1, 2) + NOISE, rtol=1e-9)


@pytest.mark.exhaustive
def test_sequences_of_any_lengths_are_the_single_ones():
    made = [series(n, n) for n in (5, 8, 8)]
    x, u = [one[0] for one in made], [one[1] for one in made]
    scores = lt.score(model(), x, given=u)
    singly = [joint(a, b).log_evidence for a, b in made]
    np.testing.assert_allclose(scores, singly, rtol=1e-11)
    # Complete ones share their covariances, whatever drives them.
    x, u = np.nan_to_num(np.stack(x[1:])), np.stack(u[1:])
    singly = [joint(a, b).log_evidence for a, b in zip(x, u, strict=True)]
    np.testing.assert_allclose(lt.score(model(), x, given=u), singly, rtol=1e-11)


def simulated(sequences, steps, seed=0):
    u = np.random.default_rng(seed).normal(size=(sequences, steps, 2))
    drawn = lt.sample(model(effects=False), seed, sequences, given=u)
    assert drawn.z.shape == (sequences, steps, 2) and drawn.x.shape == (sequences, steps, 3)
    return drawn.x, u


@pytest.mark.exhaustive
@pytest.mark.parametrize("learner", [lt.EM(start="given", tol=1e-9), lt.Gradient(start="given")])
def test_the_system_is_found_again(learner):
    x, u = simulated(4, 150)
    x[0, 20:40], x[1, ::3, 0] = np.nan, np.nan
    ragged = [*x[:3], x[3][:90]], [*u[:3], u[3][:90]]
    prior = lt.DrivenGaussianChain(
        lt.GaussianChain(transition=0.5 * np.eye(2), noise=ROOT @ ROOT.T), covariates=2
    )
    start = lt.LatentVariableModel(prior, lt.PerStep(PLAIN, drivers=2))
    # As many coordinates as these leave free, so that the controls are what they were.
    fixed = ["likelihood.emission.loadings", "likelihood.emission.bias"]
    found = lt.fit(start, ragged[0], given=ragged[1], fixed=fixed, learner=learner)
    assert found.converged, found.status
    assert np.diff(found.trace).min() >= -1e-9 * abs(found.trace[-1])
    np.testing.assert_allclose(found.model.prior.controls, CONTROLS, atol=0.25)
    np.testing.assert_allclose(found.model.prior.chain.transition, MOVE, atol=0.1)
    # Start, transition and controls.
    assert found.model.prior.degrees_of_freedom() == 2 + 3 + 4 + 4
    for change in (-1e-3, 1e-3):
        controls = found.model.prior.controls.copy()
        controls[0, 1] += change
        other = lt.DrivenGaussianChain(found.model.prior.chain, controls)
        tried = lt.LatentVariableModel(other, found.model.likelihood)
        assert lt.score(tried, ragged[0], given=ragged[1]).sum() <= found.log_likelihood + 1e-6


@pytest.mark.exhaustive
def test_a_fit_from_nothing_climbs_with_a_prior_and_covariates_that_repeat_each_other():
    x, u = simulated(2, 60)
    u = np.concatenate([u, u[..., :1], np.ones_like(u[..., :1])], axis=-1)
    prior = lt.DrivenGaussianChain(
        lt.GaussianChain(2, learned=("mean", "transition", "drift")), covariates=4
    )
    start = lt.LatentVariableModel(
        prior, lt.PerStep(lt.LinearGaussian(dim=3, latent_dim=2), drivers=4)
    )
    for count in (0.0, 2.0):
        found = lt.fit(start, x, given=u, learner=lt.EM(n_init=1, pseudo_count=count, max_iter=60))
        assert np.isfinite(found.log_likelihood)
        assert np.diff(found.trace).min() >= -1e-9 * abs(found.trace[-1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lt.DrivenGaussianChain(2, CONTROLS), "should be a GaussianChain"),
        (lambda: lt.DrivenGaussianChain(chain()), "whole number of at least 1, but is None"),
        (lambda: lt.DrivenGaussianChain(chain(), np.ones((3, 2))), r"should have shape \(2, P\)"),
        (lambda: lt.DrivenGaussianChain(chain(), CONTROLS, covariates=3), "leave it out"),
        (lambda: lt.DrivenGaussianChain(chain(), CONTROLS, learned="drift"), "learned of Driven"),
        (
            lambda: lt.LatentVariableModel(model().prior, lt.PerStep(PLAIN, drivers=1)),
            "do not fit",
        ),
        (lambda: lt.sample(model(), 0), "given should hold the 3 covariates"),
        (lambda: lt.score(model(), np.ones((4, 3))), "given should hold the 3 covariates"),
        (lambda: lt.score(model(), np.ones((4, 3)), given=np.ones((3, 3))), r"shape \(4, 3\)"),
        (
            lambda: lt.score(model(), np.full((4, 3), np.nan), given=np.full((4, 3), np.nan)),
            "row 0 has one",
        ),
        (lambda: lt.forecast(model(), np.ones((4, 3)), 2), r"shape \(4 \+ 2, 3\)"),
        (
            lambda: lt.forecast(model(), np.ones((4, 3)), 2, given=np.ones((2, 3))),
            r"should have the shape \(4 \+ 2, 3\)",
        ),
    ],
)
def test_what_does_not_fit_is_told(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
