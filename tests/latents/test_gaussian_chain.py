"""Gaussian chains against the dense joint Gaussian of all steps together."""

import jax
import numpy as np
import pytest

from latentia import LatentVariableModel, LinearGaussian, PerStep, infer
from latentia.latents import GaussianChain
from latents.dense_chain import dense


def chain_of(size, rng, *, singular=False, diffuse=None):
    move = 0.6 * rng.normal(size=(size, size))
    root, start = rng.normal(size=(2, size, size))
    if singular:
        root[:, -1], start[:, -1] = 0, 0
    return GaussianChain(
        mean=rng.normal(size=size), covariance=start @ start.T, transition=move,
        drift=rng.normal(size=size), noise=root @ root.T, diffuse=diffuse, length=7,
    )  # fmt: skip


LEARNED = ("mean", "covariance", "transition", "drift", "noise")
CASES = {
    "one dimension": (1, 1, {}),
    "more rows than dimensions": (2, 5, {}),
    "fewer rows than dimensions": (4, 2, {}),
    "singular noise": (3, 2, {"singular": True}),
    "diffuse in part": (3, 2, {"diffuse": (True, False, True)}),
    "diffuse throughout, singular noise": (2, 1, {"diffuse": True, "singular": True}),
}


def case(name, seed=0, steps=7):
    size, columns, options = CASES[name]
    rng = np.random.default_rng(seed)
    chain = chain_of(size, rng, **options)
    emission = LinearGaussian(
        rng.normal(size=(columns, size)), rng.normal(size=columns), rng.uniform(0.2, 2, columns)
    )
    x = rng.normal(size=(steps, columns)) * 2
    x[rng.random(x.shape) < 0.25] = np.nan
    x[2] = np.nan
    return chain, emission, x


@jax.jit
def answers(model, x):
    posterior = model.prior.condition(model.likelihood.potential(x))
    return posterior.log_evidence, posterior.mean, posterior.covariance, posterior.lag_one


def test_a_single_step():
    """Nothing moves: the posterior of a Gaussian vector."""
    rng = np.random.default_rng(0)
    chain, emission = chain_of(2, rng), LinearGaussian(np.eye(2), np.zeros(2), np.ones(2))
    x = rng.normal(size=(1, 2))
    expected = dense(chain, emission, x)
    got = infer(LatentVariableModel(chain, PerStep(emission)), x)
    np.testing.assert_allclose(got.log_evidence, expected.log_evidence, rtol=1e-11)
    np.testing.assert_allclose(got.mean, expected.mean, rtol=1e-10)
    np.testing.assert_allclose(got.covariance[0], expected.covariance, rtol=1e-10)
    assert got.moments.moves.mass == 0


EVERYDAY = ("one dimension", "diffuse throughout, singular noise")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in EVERYDAY else pytest.mark.exhaustive) for n in CASES]
)
def test_smoother_is_the_dense_gaussian(name):
    chain, emission, x = case(name)
    expected = dense(chain, emission, x)
    with jax.enable_x64(True):
        got = jax.device_get(answers(LatentVariableModel(chain, PerStep(emission)), x))
    size, steps = chain.dim, len(x)
    tensor = expected.covariance.reshape(steps, size, steps, size)
    own = np.stack([tensor[t, :, t] for t in range(steps)])
    lag = np.stack([tensor[t + 1, :, t] for t in range(steps - 1)])
    np.testing.assert_allclose(got[0], expected.log_evidence, rtol=1e-11)
    np.testing.assert_allclose(got[1], expected.mean, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(got[2], own, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(got[3], lag, rtol=1e-9, atol=1e-10)


@pytest.mark.exhaustive
@pytest.mark.parametrize("learned", [LEARNED, ("noise", "drift"), ("transition", "covariance")])
def test_maximize_is_the_regression_of_each_step_on_the_one_before(learned):
    """Against the moments of the dense Gaussian, summed over the moves up to the last seen step."""
    chain, emission, x = case("more rows than dimensions")
    x[-2:] = np.nan
    chain = GaussianChain(
        mean=chain.mean, covariance=chain.covariance, transition=chain.transition,
        drift=chain.drift, noise=chain.noise, learned=learned,
    )  # fmt: skip
    size, last = chain.dim, len(x) - 2
    expected = dense(chain, emission, x)
    moments = expected.covariance + np.outer(expected.mean.ravel(), expected.mean.ravel())
    moments = moments.reshape(len(x), size, len(x), size)
    before, mixed, after = np.zeros((3, size, size))
    for t in range(last - 1):
        before += moments[t, :, t]
        mixed += moments[t + 1, :, t]
        after += moments[t + 1, :, t + 1]
    first, later = expected.mean[: last - 1].sum(axis=0), expected.mean[1:last].sum(axis=0)
    design = np.block([[before, first[:, None]], [first[None], np.array([[last - 1.0]])]])
    cross = np.concatenate([mixed, later[:, None]], axis=1)
    held = np.concatenate([chain.transition, chain.drift[:, None]], axis=1)
    free = np.array(["transition" in learned] * size + ["drift" in learned])
    slope = held.copy()
    if free.any():
        rest = cross[:, free] - held[:, ~free] @ design[np.ix_(~free, free)]
        slope[:, free] = np.linalg.solve(design[np.ix_(free, free)], rest.T).T
    noise = (after - slope @ cross.T - cross @ slope.T + slope @ design @ slope.T) / (last - 1)
    gap = np.zeros(size) if "mean" in learned else expected.mean[0] - chain.mean
    start = expected.covariance[:size, :size] + np.outer(gap, gap)
    found = {
        "mean": expected.mean[0], "covariance": start, "transition": slope[:, :-1],
        "drift": slope[:, -1], "noise": noise,
    }  # fmt: skip
    with jax.enable_x64(True):
        got = jax.device_get(one_step(chain, PerStep(emission), x))
    for name, value in found.items():
        expected_value = value if name in learned else getattr(chain, name)
        np.testing.assert_allclose(
            getattr(got, name), expected_value, rtol=1e-9, atol=1e-10, err_msg=name
        )


@jax.jit
def one_step(chain, likelihood, x):
    moments = chain.condition(likelihood.potential(x)).moments
    many = jax.tree.map(lambda leaf: leaf[None], moments)
    return chain.maximize(chain.statistics(many, np.ones(1)))
