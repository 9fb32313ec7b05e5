"""The annual flow of the Nile as KFAS, StructTS and MARSS see it, each in its own convention."""

import numpy as np
import pytest

from golden.tables import golden
from latentia import GaussianChain, LatentVariableModel, LinearGaussian, PerStep, infer, score
from latentia.datasets import load_nile

NILE = golden("state_space_nile.json")
KFAS = NILE["KFAS_Nile"]
LIMIT = {"rtol": 0, "atol": 1e-6}


@pytest.fixture(scope="module")
def flow():
    return load_nile().data[:, 1:]


def local_level(noise, variance, **start):
    return LatentVariableModel(
        GaussianChain(transition=np.eye(1), variances=np.array([variance]), **start),
        PerStep(LinearGaussian(np.eye(1), np.zeros(1), np.array([noise]))),
    )


def durbin_koopman():
    return local_level(KFAS["DK"]["H"], KFAS["DK"]["Q"], diffuse=True)


def test_exact_diffuse_start(flow):
    best = score(local_level(KFAS["H"], KFAS["Q"], diffuse=True), flow)
    np.testing.assert_allclose(best, KFAS["diffuse_logLik"], **LIMIT)
    posterior = infer(durbin_koopman(), flow)
    np.testing.assert_allclose(posterior.log_evidence, KFAS["DK"]["logLik"], **LIMIT)
    np.testing.assert_allclose(posterior.mean[:, 0], KFAS["DK"]["smooth"], **LIMIT)
    np.testing.assert_allclose(posterior.covariance[:, 0, 0], KFAS["DK"]["V"], **LIMIT)


def test_filter(flow):
    filtered = infer(durbin_koopman(), flow).filtered
    # KFAS lists predictions, the last of them a forecast; a random walk predicts its last level.
    np.testing.assert_allclose(filtered.mean[:, 0], KFAS["DK"]["a_pred"][1:], **LIMIT)
    predicted = filtered.covariance[:, 0, 0] + KFAS["DK"]["Q"]
    np.testing.assert_allclose(predicted, KFAS["DK"]["P_pred"][1:], **LIMIT)


def test_forty_missing_values(flow):
    expected = NILE["KFAS_Nile_missing"]
    gaps = flow.copy()
    gaps[20:40], gaps[60:80] = np.nan, np.nan
    posterior = infer(durbin_koopman(), gaps)
    np.testing.assert_allclose(posterior.log_evidence, expected["logLik"], **LIMIT)
    np.testing.assert_allclose(posterior.mean[:, 0], expected["smooth"], **LIMIT)
    np.testing.assert_allclose(posterior.covariance[:, 0, 0], expected["V"], **LIMIT)


def test_marginal_likelihood(flow):
    """KFAS's ``marginal`` takes the start as a coefficient, whose regressor is a column of ones."""
    diffuse = score(local_level(KFAS["H"], KFAS["Q"], diffuse=True), flow)
    marginal = diffuse + 0.5 * np.log(len(flow))
    np.testing.assert_allclose(marginal, KFAS["marginal"], **LIMIT)


def test_start_before_the_first_year_with_a_wide_variance(flow):
    """StructTS: the level a year before the series is as its first value, and hardly known."""
    noise, level = (NILE["StructTS_Nile_level"]["coef"][name] for name in ("epsilon", "level"))
    wide = np.array([[1e4 * np.var(flow, ddof=1) + level]])
    got = score(local_level(noise, level, mean=flow[0], covariance=wide), flow)
    np.testing.assert_allclose(got, NILE["StructTS_Nile_level"]["loglik"], **LIMIT)


def test_estimated_start(flow):
    """MARSS: the level a year before the series is a parameter."""
    expected = NILE["MARSS_Nile_level_EM"]
    noise, level, start = (expected["coef"][name] for name in ("R", "Q", "x0"))
    model = local_level(noise, level, mean=np.array([start]), covariance=np.array([[level]]))
    np.testing.assert_allclose(score(model, flow), expected["logLik"], **LIMIT)
