import numpy as np
import pytest

from golden.tables import codes, golden, grid, numbers, table
from latentia import (
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    Discrete,
    Gaussian,
    LatentVariableModel,
    Poisson,
    SphericalGaussian,
    Switch,
    fit,
)
from latentia.datasets import load_carcinoma

# Log-likelihoods are to be reached less this, in nats.
SLACK = 0.01


def part(kind, columns):
    if kind in ("full", "tied"):
        return Gaussian(dim=columns, tied=kind == "tied")
    return (DiagonalGaussian if kind == "diagonal" else SphericalGaussian)(dim=columns)


def mixture(family, states):
    return LatentVariableModel(Discrete(states), Switch(family, states))


def gaussian_mixture(x, kind, states):
    return fit(mixture(part(kind, x.shape[1]), states), x)


GRID = grid()
SUBSET = {("faithful", "full", "2"), ("iris", "spherical", "3"), ("faithful_waiting", "tied", "3")}


def cells(*, quick):
    for row in GRID:
        name = row["dataset"], row["kind"], row["components"]
        if (name in SUBSET) == quick:
            yield pytest.param(row, id="-".join(name))


def reach(row):
    states = int(row["components"])
    found = gaussian_mixture(table(row["dataset"]), row["kind"], states)
    assert found.log_likelihood >= float(row["loglik"]) - SLACK, found.verdict
    assert found.degrees_of_freedom == int(row["degrees_of_freedom"])


@pytest.mark.parametrize("row", list(cells(quick=True)))
def test_mclust_grid_some(row):
    reach(row)


@pytest.mark.slow
@pytest.mark.parametrize("row", list(cells(quick=False))[::12])
def test_mclust_grid_some_more(row):
    reach(row)


@pytest.mark.exhaustive
@pytest.mark.parametrize("row", list(cells(quick=False)))
def test_mclust_grid(row):
    reach(row)


@pytest.mark.slow
def test_iris_tied_with_four_components_reaches_what_mclust_misses():
    assert gaussian_mixture(table("iris"), "tied", 4).log_likelihood >= -223.05 - SLACK


@pytest.mark.slow
def test_galaxies_do_not_stop_on_the_plateau():
    x = numbers("galaxies", ["velocity"]) / 1000
    assert gaussian_mixture(x, "tied", 2).log_likelihood >= -230.352 - SLACK


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("kind", "states", "best"), [("diagonal", 2, -2437.20), ("spherical", 4, -2512.77)]
)
def test_diabetes_needs_many_starts(kind, states, best):
    x = numbers("diabetes_mclust_corrected", ["fpg", "glucose", "insulin"])
    assert gaussian_mixture(x, kind, states).log_likelihood >= best - SLACK


@pytest.mark.parametrize(
    "states",
    [1, 2, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)],
)
def test_carcinoma(states):
    expected = golden("latent_class.json")[f"carcinoma_{states}"]
    x = load_carcinoma().data
    found = fit(mixture(Bernoulli(dim=7), states), x)
    assert found.log_likelihood >= expected["llik"] - SLACK
    assert found.degrees_of_freedom == expected["npar"]
    if abs(found.log_likelihood - expected["llik"]) < 1e-3:
        np.testing.assert_allclose(found.bic, expected["bic"], atol=2e-3)
        np.testing.assert_allclose(found.aic, expected["aic"], atol=2e-3)
    if states == 2:
        np.testing.assert_allclose(
            found.model.prior.weights, sorted(expected["P"])[::-1], atol=1e-3
        )


@pytest.mark.slow
@pytest.mark.parametrize("states", [1, 2])
def test_cheating(states):
    expected = golden("latent_class.json")[f"cheating_{states}"]
    x = numbers("polca_cheating", ["LIEEXAM", "LIEPAPER", "FRAUD", "COPYEXAM"]) - 1
    found = fit(mixture(Bernoulli(dim=4), states), x)
    assert found.log_likelihood >= expected["llik"] - SLACK


@pytest.mark.slow
def test_gss82_with_four_classes():
    x = codes("polca_gss82")
    levels = tuple(int(v) for v in x.max(axis=0) + 1)
    assert levels == (3, 2, 2, 3)
    found = fit(mixture(Categorical(levels=levels), 4), x)
    assert found.log_likelihood >= -2746.6208 - SLACK


@pytest.mark.exhaustive
@pytest.mark.parametrize("states", ["1", "2", "3", "4"])
def test_poisson_mixtures_of_earthquakes(states):
    expected = golden("mixtures.json")["earthquakes_poisson"][states]
    found = fit(mixture(Poisson(dim=1), int(states)), numbers("earthquakes", ["n"]))
    assert found.log_likelihood >= expected["loglik"] - SLACK
    if states == "2":
        rates = np.sort(found.model.likelihood.parts.rates[:, 0])
        np.testing.assert_allclose(rates, expected["lam"], rtol=2e-3)


@pytest.mark.slow
def test_waiting_times_with_a_common_variance():
    expected = golden("mixtures.json")["faithful_waiting_common_sigma"]
    found = gaussian_mixture(table("faithful_waiting"), "tied", 2)
    assert abs(found.log_likelihood - expected["loglik"]) < 1e-3
    parts = found.model.likelihood.parts
    order = np.argsort(parts.mean[:, 0])
    np.testing.assert_allclose(parts.mean[order, 0], expected["mu"], rtol=1e-3)
    np.testing.assert_allclose(np.sqrt(parts.covariance[order, 0, 0]), expected["sigma"], rtol=2e-3)
    np.testing.assert_allclose(found.model.prior.weights[order], expected["pi"], rtol=3e-3)
