import numpy as np
import pytest

from golden.tables import golden, iris, numbers, text
from latentia import (
    EM,
    Discrete,
    Gaussian,
    GaussianLatent,
    LatentVariableModel,
    LinearGaussian,
    Switch,
    fit,
)

LOG_2PI = np.log(2 * np.pi)


def factor_analysis(columns, factors):
    return LatentVariableModel(
        GaussianLatent(dim=factors), LinearGaussian(dim=columns, latent_dim=factors)
    )


def shares(model):
    """Uniquenesses: the part of each variance that is noise."""
    like = model.likelihood
    return like.noise / (np.sum(like.loadings**2, axis=1) + like.noise)


def rows_with(covariance, total):
    """Rows whose mean is zero and whose covariance (divided by their number) is this one."""
    dim = len(covariance)
    root = np.linalg.cholesky(covariance) * np.sqrt(dim)
    rows = np.concatenate([root.T, -root.T])
    return rows, np.full(2 * dim, total / (2 * dim))


def supremum(covariance, total):
    """The log-likelihood of the covariance that is the sample's own."""
    dim = len(covariance)
    return -0.5 * total * (np.linalg.slogdet(covariance)[1] + dim * (1 + LOG_2PI))


@pytest.mark.parametrize("factors", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_ability_covariances(factors):
    expected = golden("factor_analysis.json")[f"ability_{factors}"]
    names = ["general", "picture", "blocks", "maze", "reading", "vocab"]
    covariance = np.array(text("ability_cov", names), float)
    x, weights = rows_with(covariance, 112)
    found = fit(factor_analysis(6, factors), x, weights=weights, learner=EM(tol=1e-9))
    reached = supremum(covariance, 112) - 112 / 2 * expected["criterion"]
    assert found.log_likelihood >= reached - 0.01
    np.testing.assert_allclose(shares(found.model), expected["uniquenesses"], atol=2e-3)


@pytest.mark.parametrize(
    "factors", [pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow), 3]
)
def test_holzinger_swineford(factors):
    expected = golden("factor_analysis.json")[f"HS9_{factors}"]
    x = numbers("holzinger_swineford1939", [f"x{i}" for i in range(1, 10)])
    found = fit(factor_analysis(9, factors), x)
    assert found.log_likelihood >= expected["loglik"] - 0.01
    np.testing.assert_allclose(shares(found.model), expected["uniquenesses"], atol=0.01)


def test_iris_with_one_factor_is_a_heywood_case():
    found = fit(factor_analysis(4, 1), iris())
    assert np.isfinite(found.log_likelihood)
    assert -422.405219 - 0.01 <= found.log_likelihood <= -422.378 + 0.01
    assert found.verdict.level == "fail", found.verdict


@pytest.mark.slow
def test_airquality_with_missing_values():
    expected = golden("factor_analysis.json")["airquality_gaussian_missing"]
    x = numbers("airquality", ["Ozone", "Solar.R", "Wind", "Temp"])
    assert np.isnan(x).sum() == 44
    model = LatentVariableModel(Discrete(1), Switch(Gaussian(dim=4), 1))
    found = fit(model, x, learner=EM(tol=1e-10))
    assert abs(found.log_likelihood - expected["fit"]["logl"]) < 1e-4
    parts = found.model.likelihood.parts
    np.testing.assert_allclose(parts.mean[0], expected["mean"], rtol=1e-4)
    np.testing.assert_allclose(parts.covariance[0], expected["cov"], rtol=2e-3)
