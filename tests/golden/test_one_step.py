"""One M-step, and weighted EM, against mclust."""

import jax
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from golden.tables import golden, iris
from golden.test_mixtures import SLACK, mixture, part
from latentia import EM, Discrete, LatentVariableModel, Switch, fit
from latentia.testing.support import no_limits

SPECIES = np.repeat(np.arange(3), 50)
KINDS = ["full", "tied", "diagonal", "spherical"]


def one_step(kind, assignment, weight):
    x = iris()
    with jax.enable_x64(True):
        begun = Switch(part(kind, 4), 3).begin(
            x, assignment, weight, no_limits(4, x.dtype), jax.random.key(0)
        )
        prior = Discrete(3).begin(assignment, weight)
        return jax.device_get(LatentVariableModel(prior, begun))


def covariances(parts, kind):
    if kind in ("full", "tied"):
        return parts.covariance
    if kind == "diagonal":
        return np.stack([np.diag(v) for v in parts.variances])
    return np.stack([v * np.eye(4) for v in parts.variance])


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_at_least_as_high_as_that_of_mclust(kind):
    expected = golden("mclust_mstep_iris.json")["models"][kind]
    z = 0.8 * np.eye(3)[SPECIES] + 0.2 / 3
    found = one_step(kind, z, np.ones(150))
    parts, weights = found.likelihood.parts, found.prior.weights
    sigma = covariances(parts, kind)
    q = sum(
        z[:, k] @ (np.log(weights[k]) + multivariate_normal(parts.mean[k], sigma[k]).logpdf(iris()))
        for k in range(3)
    )
    assert q >= expected["Q"] - 1e-7
    np.testing.assert_allclose(parts.mean, expected["mean"], rtol=1e-9)
    np.testing.assert_allclose(sigma, expected["sigma"], rtol=1e-7, atol=1e-10)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", KINDS[:3])
def test_weighted_em(kind):
    expected = golden("mclust_weighted_iris.json")["loglik"][kind]
    weight = (1 + np.arange(1, 151) % 5) / 5
    start = one_step(kind, np.eye(3)[SPECIES], weight)
    found = fit(start, iris(), weights=weight, learner=EM(start="given", tol=1e-10))
    assert found.log_likelihood >= expected - 1e-4
    assert found.log_likelihood <= expected + SLACK
    assert mixture(part(kind, 4), 3).conjugate
