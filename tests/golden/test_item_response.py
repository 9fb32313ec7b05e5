import numpy as np
import pytest

from golden.tables import golden
from latentia import (
    EM,
    BinaryResponse,
    GaussianLatent,
    GeneralizedLinear,
    GuessedResponse,
    ItemResponse,
    LatentVariableModel,
    fit,
    infer,
)

LSAT = golden("item_response.json")
X, COUNTS = np.array(LSAT["patterns"], float), np.array(LSAT["counts"], float)
TIGHT = EM(tol=1e-10, max_iter=3000)


def traits(response, **options):
    return LatentVariableModel(GaussianLatent(dim=1), GeneralizedLinear(response, **options))


@pytest.fixture(scope="module")
def fits():
    models = {
        "rasch_a1": traits(BinaryResponse(dim=5), loadings=np.ones((5, 1)), slopes="fixed"),
        "rasch": traits(BinaryResponse(dim=5), slopes="common"),
        "2PL": traits(BinaryResponse(dim=5)),
        "3PL": traits(GuessedResponse(dim=5)),
    }
    return {name: fit(model, X, weights=COUNTS, learner=TIGHT) for name, model in models.items()}


@pytest.mark.exhaustive
def test_lsat_reaches_the_maximum(fits):
    for name, found in fits.items():
        assert found.converged, name
        assert found.log_likelihood >= LSAT["log_likelihood"][name] - 1e-6, name
        assert found.error < 1e-8, name
    # Where the other program is exact to its quadrature, so are we.
    assert fits["rasch"].log_likelihood == pytest.approx(LSAT["log_likelihood"]["rasch"], abs=1e-6)
    assert fits["rasch_a1"].log_likelihood == pytest.approx(
        LSAT["log_likelihood"]["rasch_a1"], abs=1e-5
    )
    assert fits["2PL"].log_likelihood == pytest.approx(LSAT["dense_2PL"], abs=1e-6)


@pytest.mark.slow
def test_larger_models_fit_no_worse(fits):
    order = [fits[name].log_likelihood for name in ("rasch_a1", "rasch", "2PL", "3PL")]
    assert (np.diff(order) > -1e-6).all()
    assert [fits[name].degrees_of_freedom for name in fits] == [5, 6, 10, 15]


def test_scores_are_those_of_ltm():
    difficulty, slope = np.array(LSAT["coef_2PL"]).T
    model = traits(BinaryResponse(-slope * difficulty), loadings=slope[:, None])
    posterior = infer(model, X)
    eap, eap_error = np.array(LSAT["eap"]).T
    np.testing.assert_allclose(posterior.mean[:, 0], eap, atol=2e-5)
    np.testing.assert_allclose(np.sqrt(posterior.covariance[:, 0, 0]), eap_error, atol=2e-5)


def test_estimator_scores_are_those_of_ltm():
    model = ItemResponse("2pl").fit(X, sample_weight=COUNTS)
    # Its own fit stopped 7e-6 short of the maximum, which moves scores by less than 1e-3.
    for method in ("eap", "map"):
        value, error = np.array(LSAT[method]).T
        scores = model.scores(X, method)
        np.testing.assert_allclose(scores.value[:, 0], value, atol=1e-3)
        np.testing.assert_allclose(scores.error[:, 0], error, atol=1e-3)
