"""Simulation-based calibration of the default posterior, without NUTS: 500 replications a model."""

import jax
import jax.numpy as jnp
import numpy as np
from measure import tell

import latentia as lt
from latentia.densities import HalfCauchy, Normal

ERRORS = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


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
CHEAP = lt.Ladder(
    rungs=(lt.AtMode(), lt.MeanField(), lt.FullRank(), lt.MomentMatching(), lt.Annealed())
)


def case(name):
    model = CALIBRATED[name]
    found = lt.calibrate(model, 500, method=lambda x: lt.infer(model, x, inference=CHEAP))
    levels = ", ".join(f"{count} {level}" for level, count in found.levels.items())
    return {"model": name, "calibration": str(found.verdict), "verdicts": levels}


if __name__ == "__main__":
    tell("Simulation-based calibration", [case(name) for name in CALIBRATED])
