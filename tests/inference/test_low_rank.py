"""LowRank and Pathfinder: covariances that are met exactly, and posteriors in many dimensions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der

import latentia as lt
from latentia.densities import HalfCauchy, Normal
from latentia.inference.factored import low_rank
from latentia.inference.quasi_newton import ascend
from latentia.inference.rungs.low_rank import Shape, bound_of
from latentia.inference.rungs.pathfinder import gaussians
from latentia.inference.target import Surface, Target


def test_factored_roots_are_those_of_the_dense_covariance():
    rng = np.random.default_rng(0)
    scale, factor = rng.uniform(0.5, 2, 6), rng.normal(size=(6, 2))
    root = low_rank(scale, factor)
    dense = root.apply(np.eye(6)).T
    covariance = np.diag(scale**2) + factor @ factor.T
    np.testing.assert_allclose(dense @ dense.T, covariance, atol=1e-12)
    np.testing.assert_allclose(root.apply_transposed(np.eye(6)).T, dense.T, atol=1e-12)
    np.testing.assert_allclose(root.solve(np.eye(6)).T, np.linalg.inv(dense), atol=1e-12)
    assert root.log_volume == pytest.approx(0.5 * np.linalg.slogdet(covariance)[1])


def test_quasi_newton_climbs_out_of_a_curved_valley():
    path = ascend(lambda at: (-rosen(at), -rosen_der(at)), np.array([-1.2, 1.0, -0.5]))
    assert path.converged
    assert np.all(np.diff(path.values) >= 0)
    np.testing.assert_allclose(path.points[-1], 1, atol=1e-4)
    # A cliff on the way is no obstacle.
    cliff = ascend(lambda at: (float(np.log(at[0]) - at[0]), 1 / at - 1), np.array([1e-3]))
    assert cliff.points[-1] == pytest.approx([1], abs=1e-4)


def test_paths_know_the_curvature_of_a_quadratic():
    curvature = np.array([[5.0, 1, 0], [1, 2, 0.5], [0, 0.5, 0.3]])
    path = ascend(
        lambda at: (-0.5 * at @ curvature @ at, -curvature @ at), np.ones(3), enough=1e-14
    )
    mean, factor = gaussians(path)[-1]
    root = factor.apply(np.eye(3)).T
    np.testing.assert_allclose(root @ root.T @ curvature, np.eye(3), atol=0.05)
    np.testing.assert_allclose(mean, 0, atol=1e-6)


def test_the_slope_of_the_bound_is_right():
    prior = lt.Continuous({"m": Normal(0, 1, shape=3), "s": HalfCauchy(1)})
    likelihood = lt.Custom(lambda x, z: Normal(z["m"], z["s"]).log_prob(x))
    with jax.enable_x64(True):
        surface = Surface(Target(prior, likelihood.potential(np.array([1.0, 2, -1]))))
        rng = np.random.default_rng(0)
        bound = bound_of(
            surface,
            lambda free: Shape(free[:4], free[4:8], free[8:].reshape(4, 2)),
            np.ones(4),
            rng.normal(size=(16, 6)),
        )
        at = 0.3 * rng.normal(size=16)
        slope = bound(at)[1]
        steps = 1e-6 * np.eye(16)
        numeric = [(bound(at + step)[0] - bound(at - step)[0]) / 2e-6 for step in steps]
    np.testing.assert_allclose(slope, numeric, atol=1e-6)


def groups(x, z):
    return Normal(z["mu"] + z["tau"] * z["t"], 1.0).log_prob(x)


def hierarchy(dim):
    prior = lt.Continuous(
        {"mu": Normal(0, 5), "tau": HalfCauchy(2), "t": Normal(0, 1, shape=dim - 2)}
    )
    x = np.random.default_rng(0).normal(2, np.sqrt(1.25), dim - 2)
    return lt.LatentVariableModel(prior, lt.Custom(groups)), x


def quadrature(x):
    """Mean and standard deviation of mu, where the t are integrated out."""
    mu, log_tau = np.meshgrid(np.linspace(1, 3, 401), np.linspace(-6, 2, 801), indexing="ij")
    tau = np.exp(log_tau)
    variance = 1 + tau**2
    logs = -0.5 * mu**2 / 25 - np.log1p(tau**2 / 4) + log_tau
    square = np.sum(x**2) - 2 * mu * x.sum() + len(x) * mu**2
    logs += -0.5 * len(x) * np.log(variance) - 0.5 * square / variance
    mass = np.exp(logs - logs.max())
    mass /= mass.sum()
    mean = np.sum(mass * mu)
    return mean, np.sqrt(np.sum(mass * (mu - mean) ** 2)), np.sum(mass * tau)


@pytest.mark.exhaustive
def test_a_hierarchy_of_many_groups_has_the_moments_of_quadrature():
    model, x = hierarchy(200)
    posterior = lt.infer(model, x, inference=lt.Ladder(rungs=(lt.LowRank(),)))
    mean, sd, tau = quadrature(x)
    assert posterior.verdict.level in ("pass", "suspect")
    assert posterior.mean["mu"] == pytest.approx(mean, abs=0.1 * sd)
    assert posterior.standard_deviation["mu"] == pytest.approx(sd, rel=0.1)
    assert posterior.mean["tau"] == pytest.approx(tau, abs=0.05)


@pytest.mark.exhaustive
def test_more_free_numbers_than_curvatures_allow():
    dim = 1600
    scales = np.linspace(0.5, 2, dim)
    model = lt.LatentVariableModel(
        lt.Continuous({"b": Normal(0, scales)}),
        lt.Custom(lambda x, z: Normal(jnp.mean(z["b"]), 0.01).log_prob(x)),
    )
    posterior = lt.infer(model, 0.1, inference=lt.Ladder(rungs=(lt.AtMode(), lt.LowRank())))
    assert "not tried with 1600 free numbers" in posterior.path[0].verdict.reason
    # The data say something about the mean alone.
    gain = scales**2 / dim / (np.sum(scales**2) / dim**2 + 1e-4)
    sds = np.sqrt(scales**2 - gain * scales**2 / dim)
    assert posterior.verdict.level == "pass"
    assert np.all(np.abs(posterior.mean["b"] - 0.1 * gain) < 0.1 * sds)
    np.testing.assert_allclose(posterior.standard_deviation["b"], sds, rtol=0.1)
