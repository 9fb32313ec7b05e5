"""Minibatches: exact answers, those of all data at once, and likelihoods that are no sums."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import latentia as lt
from latentia.densities import Normal
from latentia.inference.ladder import surface_of
from latentia.inference.rungs import Climb
from latentia.inference.subsampling import SomeRows

ALONE = lt.Ladder(rungs=(lt.Stochastic(batch=64),))


def regression(x, z):
    return Normal(x["X"] @ z["b"], 1.5).log_prob(x["y"])


def logistic(x, z):
    eta = x["X"] @ z["b"]
    return jnp.sum(x["y"] * eta - jax.nn.softplus(eta))


PRIOR = lt.Continuous({"b": Normal(0, 10, shape=3)})


def data(rows=6000):
    rng = np.random.default_rng(0)
    # Raw units, which defeat optimisers with one step size for all.
    X = np.column_stack([np.ones(rows), rng.normal(50, 10, rows), rng.normal(0, 100, rows)])
    eta = X @ [-5, 0.1, 0.01]
    return X, eta, rng


@pytest.mark.exhaustive
def test_the_steps_alone_find_the_exact_gaussian():
    X, eta, rng = data()
    y = eta + 1.5 * rng.normal(size=len(eta))
    covariance = np.linalg.inv(X.T @ X / 2.25 + np.eye(3) / 100)
    potential = lt.Custom(regression).potential({"X": X, "y": y})
    with jax.enable_x64(True):
        climb = Climb(surface_of(PRIOR, potential), 4096, 0, time.monotonic() + 100)
        mean, found = lt.Stochastic(batch=64).attempt(climb).proposal.moments()
    sd = np.sqrt(np.diagonal(covariance))
    np.testing.assert_allclose((mean - covariance @ X.T @ y / 2.25) / sd, 0, atol=0.05)
    np.testing.assert_allclose(found / np.outer(sd, sd), covariance / np.outer(sd, sd), atol=0.04)


def test_a_conjugate_regression_has_its_exact_moments():
    X, eta, rng = data()
    y = eta + 1.5 * rng.normal(size=len(eta))
    covariance = np.linalg.inv(X.T @ X / 2.25 + np.eye(3) / 100)
    mean, sd = covariance @ X.T @ y / 2.25, np.sqrt(np.diagonal(covariance))
    posterior = lt.infer(
        lt.LatentVariableModel(PRIOR, lt.Custom(regression)), {"X": X, "y": y}, inference=ALONE
    )
    assert posterior.verdict.level == "pass"
    # The steps found the posterior before importance sampling did: nearly all draws count.
    assert posterior.effective_size > 0.75 * len(posterior.weights)
    np.testing.assert_allclose((posterior.mean["b"] - mean) / sd, 0, atol=0.03)
    np.testing.assert_allclose(posterior.standard_deviation["b"], sd, rtol=0.03)
    root = np.linalg.slogdet(covariance)[1] / 2
    gap = y - X @ mean
    exact = -0.5 * gap @ gap / 2.25 - len(y) * np.log(1.5 * np.sqrt(2 * np.pi))
    exact += -0.5 * mean @ mean / 100 - 3 * np.log(10) + root
    assert posterior.log_evidence == pytest.approx(exact, abs=0.02)


@pytest.mark.slow
def test_a_logistic_regression_is_that_of_all_data_at_once():
    X, eta, rng = data()
    x = {"X": X, "y": (rng.uniform(size=len(eta)) < 1 / (1 + np.exp(-eta))).astype(float)}
    model = lt.LatentVariableModel(PRIOR, lt.Custom(logistic))
    few, all_ = (lt.infer(model, x, inference=ladder) for ladder in (ALONE, None))
    assert few.verdict.level == all_.verdict.level == "pass"
    assert few.log_evidence == pytest.approx(all_.log_evidence, abs=0.02)
    sd = all_.standard_deviation["b"]
    np.testing.assert_allclose((few.mean["b"] - all_.mean["b"]) / sd, 0, atol=0.03)
    np.testing.assert_allclose(few.standard_deviation["b"], sd, rtol=0.03)


def test_evidence_of_all_pieces_adds_up():
    X, eta, _ = data(60)
    whole = lt.Custom(regression).potential({"X": X, "y": eta})
    z = {"b": jnp.array([0.1, 0.1, 0.02])}
    pieces = [SomeRows(whole, jnp.arange(i, i + 20), jnp.ones(())) for i in (0, 20, 40)]
    assert sum(float(piece(z)) for piece in pieces) == pytest.approx(float(whole(z)), rel=1e-5)
    tripled = SomeRows(whole, jnp.arange(20), jnp.full((), 3.0))
    assert float(tripled(z)) == pytest.approx(3 * float(pieces[0](z)), rel=1e-5)


def test_likelihoods_that_are_no_sum_over_rows_are_refused():
    X, eta, _ = data(200)
    x = {"X": X, "y": eta}

    def averaged(x, z):
        return regression(x, z) / len(x["y"])

    with pytest.raises(ValueError, match="should be a sum over the rows of x"):
        lt.infer(lt.LatentVariableModel(PRIOR, lt.Custom(averaged)), x, inference=ALONE)
    model = lt.LatentVariableModel(PRIOR, lt.Custom(regression))
    with pytest.raises(ValueError, match=r"x\['X'\] has 200 rows and x\['scale'\] 3"):
        lt.infer(model, x | {"scale": np.ones(3)}, inference=ALONE)
    with pytest.raises(ValueError, match="batch should be"):
        lt.Stochastic(batch=0)
