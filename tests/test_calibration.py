"""Simulation-based calibration passes right posteriors and catches wrong ones."""

from dataclasses import replace

import jax
import numpy as np
import pytest

import latentia as lt
from latentia.densities import Normal
from latentia.verdict import Verdict


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


def test_posteriors_that_do_not_pass_are_counted_and_set_aside():
    failed = iter(range(1000))
    centred = lt.infer(MODEL, np.zeros(2), inference=lt.Ladder(rungs=(lt.AtMode(),)))

    def method(x):
        # The verdict of every fifth is a suspect one, and of every fifth there is none at all.
        number = next(failed) % 5
        if number == 0:
            raise lt.UntrustedPosterior("No method found a posterior.")
        posterior = replace(centred, values={"m": centred.values["m"] + x / 2})
        if number > 1:
            return posterior
        # Set aside, or the test would see that it is wrong.
        wrong = replace(posterior, values={"m": posterior.values["m"] + 9})
        return replace(wrong, verdict=Verdict("suspect", "made so"))

    calibration = lt.calibrate(MODEL, 250, method=method)
    assert calibration.levels == {"pass": 150, "suspect": 50, "fail": 50}
    assert calibration.verdict.level == "pass"
    assert "100 more were set aside" in calibration.verdict.reason
    assert calibration.places.shape == (150, 2)
    few = lt.calibrate(MODEL, 150, method=method)
    assert few.verdict.level == "suspect"
    assert "60 of 150 posteriors did not pass" in few.verdict.reason


def test_too_few_replications_are_named():
    with pytest.raises(ValueError, match="n should be at least 100"):
        lt.calibrate(MODEL, 10)
