import pytest

import latentia
from golden.tables import golden, table
from latentia import DiagonalGaussian, LatentVariableModel, MarkovChain, PerStep, Poisson, Switch
from latentia.datasets import load_earthquakes

NUMBERS = golden("hidden_markov.json")
# In nats, for the whole series; the objective is asked for to the same distance.
SLACK = 1e-4


def hidden_markov(family, states, **options):
    return LatentVariableModel(MarkovChain(states, **options), PerStep(Switch(family, states)))


@pytest.mark.parametrize(
    "start", [pytest.param("stationary", marks=pytest.mark.exhaustive), "free"]
)
@pytest.mark.parametrize(
    "states", [2, *(pytest.param(k, marks=pytest.mark.exhaustive) for k in (3, 4))]
)
def test_earthquakes(states, start):
    x = load_earthquakes().data[:, 1:]
    model = hidden_markov(Poisson(dim=1), states, stationary=start == "stationary")
    fit = latentia.fit(model, x)
    assert fit.converged
    assert fit.log_likelihood >= NUMBERS["earthquakes_hmm"][f"{states} {start}"] - SLACK
    assert fit.degrees_of_freedom == states**2 + (start == "free") * (states - 1)


@pytest.mark.exhaustive
@pytest.mark.parametrize("states", [2, 3])
def test_faithful_as_a_series(states):
    fit = latentia.fit(hidden_markov(DiagonalGaussian(dim=2), states), table("faithful"))
    assert fit.log_likelihood >= NUMBERS["faithful_hmm"][str(states)] - SLACK
