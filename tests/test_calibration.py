"""Simulation-based calibration passes right posteriors and catches wrong ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import latentia as lt
from latentia.densities import HalfCauchy, Normal
from latentia.verdict import Verdict

ERRORS = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def one_mean(x, z):
    return Normal(z["m"], 1.0).log_prob(x)


MODEL = lt.LatentVariableModel(
    lt.Continuous({"m": Normal(0, 1, shape=2)}),
    lt.Custom(one_mean, draw=lambda key, z: z["m"] + jax.random.normal(key, (2,))),
)


@pytest.mark.parametrize(("width", "level"), [(1.0, "pass"), (0.7, "fail"), (1.6, "fail")])
def test_the_width_of_posteriors_is_judged(width, level):
    rng = np.random.default_rng(0)

    def method(x):
        return {"m": x / 2 + width * np.sqrt(0.5) * rng.normal(size=(400, 2))}

    calibration = lt.calibrate(MODEL, 200, method=method)
    assert calibration.verdict.level == level
    assert calibration.places.shape == (200, 2)
    assert calibration.names == ("m[0]", "m[1]")


def test_the_picture_has_a_line_for_each_entry(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    from matplotlib.figure import Figure

    rng = np.random.default_rng(0)
    places = np.stack([rng.uniform(size=300), rng.beta(3, 3, 300)], axis=1)
    calibration = lt.Calibration(("a", "b"), places, np.ones(2), {}, Verdict("pass", ""))
    display = calibration.plot(Figure().subplots())
    # The one that departs most comes first.
    assert [line.get_label() for line in display.lines_] == ["b", "a"]


def test_too_few_replications_are_named():
    with pytest.raises(ValueError, match="n should be at least 100"):
        lt.calibrate(MODEL, 10)


def schools(x, z):
    return Normal(z["mu"] + z["tau"] * z["t"], ERRORS).log_prob(x)


def draw_schools(key, z):
    return z["mu"] + z["tau"] * z["t"] + ERRORS * jax.random.normal(key, (8,))


COVARIATES = np.linspace(-1, 1, 30)


def counts(x, z):
    eta = z["a"] + z["b"] * COVARIATES
    return jnp.sum(x * eta - jnp.exp(eta) - jax.scipy.special.gammaln(x + 1.0))


def draw_counts(key, z):
    return jax.random.poisson(key, jnp.exp(z["a"] + z["b"] * COVARIATES)).astype(float)


CALIBRATED = {
    "eight schools": lt.LatentVariableModel(
        lt.Continuous({"mu": Normal(0, 5), "tau": HalfCauchy(5), "t": Normal(0, 1, shape=8)}),
        lt.Custom(schools, draw=draw_schools),
    ),
    "poisson regression": lt.LatentVariableModel(
        lt.Continuous({"a": Normal(0, 1), "b": Normal(0, 1)}), lt.Custom(counts, draw=draw_counts)
    ),
}
# Without NUTS, which takes ten seconds for each of the few data sets that would need it.
CHEAP = lt.Ladder(rungs=(lt.AtMode(), lt.MeanField(), lt.FullRank(), lt.MomentMatching()))


@pytest.mark.slow
@pytest.mark.parametrize("name", CALIBRATED)
def test_the_default_posterior_is_calibrated(name):
    model = CALIBRATED[name]
    calibration = lt.calibrate(model, 500, method=lambda x: lt.infer(model, x, inference=CHEAP))
    assert calibration.verdict.level == "pass", calibration.verdict
    assert calibration.levels["pass"] >= 400, calibration.levels
