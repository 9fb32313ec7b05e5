"""What is said about models whose posterior is hard, or was not found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import latentia as lt
from latentia.densities import Flat, HalfCauchy, Normal

QUICK = lt.Ladder(rungs=(lt.AtMode(), lt.MeanField(), lt.MomentMatching()))
SCHOOLS = {
    "y": [28.0, 8, -3, 7, -1, 1, 18, 12],
    "sigma": [15.0, 10, 16, 11, 9, 11, 10, 18],
}


def schools(x, z):
    return Normal(z["mu"] + z["tau"] * z["t"], x["sigma"]).log_prob(x["y"])


def test_a_second_mode_far_off_and_a_ring_are_not_called_improper():
    far = lt.LatentVariableModel(
        lt.Continuous({"m": Flat()}),
        lt.Custom(lambda x, z: jnp.logaddexp(-0.5 * (z["m"] - 1) ** 2, -0.5 * (z["m"] - 51) ** 2)),
    )
    # One mode lies where the other was once looked for; that no start finds it is another matter.
    assert lt.infer(far, np.zeros(1), inference=QUICK).mean["m"] == pytest.approx(1, abs=0.05)
    ring = lt.LatentVariableModel(
        lt.Continuous({"m": Normal(0, 3, shape=2)}),
        lt.Custom(lambda x, z: Normal(3.0, 0.5).log_prob(jnp.sqrt(jnp.sum(z["m"] ** 2) + 1e-9))),
    )
    posterior = lt.infer(
        ring, np.zeros(1), inference=lt.Ladder(rungs=(*QUICK.rungs, lt.Annealed()))
    )
    assert "as high along a whole curve" in posterior.path[0].verdict.reason
    np.testing.assert_allclose(posterior.mean["m"], 0, atol=0.3)
    # The density of the radius r is r exp(-r^2 / 18) N(r; 3, 1/4) up to a constant.
    r = np.linspace(0.01, 8, 2000)
    weight = r * np.exp(-(r**2) / 18) * np.exp(-2 * (r - 3) ** 2)
    square = posterior.derive(lambda z: {"r2": jnp.sum(z["m"] ** 2)}).mean["r2"]
    assert square == pytest.approx(weight @ r**2 / weight.sum(), rel=0.05)


def test_a_failed_posterior_gives_no_draws_and_says_why():
    scales = {"mu": Normal(0, 5), "tau": HalfCauchy(5)}
    model = lt.LatentVariableModel(
        lt.Continuous(scales | {"t": Normal(0, 1, shape=8)}), lt.Custom(schools)
    )
    posterior = lt.infer(model, SCHOOLS, inference=lt.Ladder(rungs=(lt.AtMode(),)))
    assert posterior.verdict.level == "fail"
    with pytest.raises(ValueError, match="Draws should come from a posterior that can be trusted"):
        posterior.sample(0)


def test_without_blackjax_the_ladder_says_what_to_install(monkeypatch):
    monkeypatch.setattr("latentia.inference.rungs.nuts.find_spec", lambda name: None)
    rungs = (lt.AtMode(), lt.NUTS())
    model = lt.LatentVariableModel(
        lt.Continuous({"a": Normal(), "b": lambda z: Normal(z["a"] ** 2, 0.1)}),
        lt.Custom(lambda x, z: 0.0 * z["a"]),
    )
    posterior = lt.infer(model, np.zeros(1), inference=lt.Ladder(rungs=rungs))
    assert posterior.verdict.level in ("suspect", "fail")
    assert "pip install 'latentia[mcmc]'" in posterior.verdict.reason


def test_values_of_z_outside_their_support_are_named():
    model = lt.LatentVariableModel(
        lt.Continuous({"tau": HalfCauchy(1)}),
        lt.Custom(
            lambda x, z: Normal(0, z["tau"]).log_prob(x),
            draw=lambda key, z: z["tau"] * jax.random.normal(key),
        ),
    )
    posterior = lt.infer(model, np.ones(3), inference=QUICK)
    for call in (posterior.log_prob, lambda z: lt.sample(model, 0, z=z)):
        with pytest.raises(ValueError, match=r"z\['tau'\] should be positive"):
            call({"tau": -1.0})
        with pytest.raises(ValueError, match="lacks 'tau'"):
            call({"sigma": 1.0})
