"""The models of nine posteriors of stan-dev/posteriordb, as a user of latentia writes them."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import latentia as lt
from latentia import supports
from latentia.densities import Beta, Flat, HalfCauchy, HalfNormal, Normal


def regression(x, z):
    return Normal(x["X"] @ z["beta"], z["sigma"]).log_prob(x["y"])


def regression_model(columns, beta=None, sigma=None):
    prior = lt.Continuous(
        {"beta": beta or Flat(shape=columns), "sigma": sigma or Flat(supports.positive)}
    )
    return lt.LatentVariableModel(prior, lt.Custom(regression))


def design(*columns):
    return np.stack([np.ones(len(columns[0])), *columns], axis=1)


def kidiq(d):
    x = {"X": design(d["mom_iq"]), "y": d["kid_score"]}
    return regression_model(2, sigma=HalfCauchy(2.5)), x, ["beta", "sigma"]


def autoregression(d):
    y, order = np.array(d["y"]), d["K"]
    lags = [y[order - k : len(y) - k] for k in range(1, order + 1)]
    x = {"X": design(*lags), "y": y[order:]}
    model = regression_model(1 + order, Normal(0, 10, shape=1 + order), HalfCauchy(2.5))
    return model, x, ["beta", "sigma"]


def two_normals(x, z):
    first = jax.scipy.stats.norm.logpdf(x, z["mu"][0], z["sigma"][0])
    second = jax.scipy.stats.norm.logpdf(x, z["mu"][1], z["sigma"][1])
    return jnp.sum(jnp.logaddexp(jnp.log(z["theta"]) + first, jnp.log1p(-z["theta"]) + second))


def gauss_mix(d):
    prior = lt.Continuous({
        "mu": lt.densities.Sorted(Normal(0, 2, shape=2)),
        "sigma": HalfNormal(2, shape=2),
        "theta": Beta(5, 5),
    })  # fmt: skip
    return (
        lt.LatentVariableModel(prior, lt.Custom(two_normals)),
        np.array(d["y"]),
        ["mu", "sigma", "theta"],
    )


def forward(x, z):
    moves = jnp.log(jnp.stack([z["theta1"], z["theta2"]]))
    emit = jax.scipy.stats.norm.logpdf(x[:, None], z["mu"], 1.0)

    def step(alpha, row):
        return jax.nn.logsumexp(alpha[:, None] + moves, axis=0) + row, None

    return jax.nn.logsumexp(jax.lax.scan(step, emit[0], emit[1:])[0])


def ordered_means(z):
    return Normal(np.array([3.0, 10.0]), 1.0).log_prob(z["mu"])


def hidden_markov(d):
    prior = lt.Continuous(
        {"theta1": lt.densities.Dirichlet(1.0, shape=2), "theta2": lt.densities.Dirichlet(1.0, 2)},
        shapes={"mu": 2},
        supports={"mu": supports.positive_ordered},
        log_prob=ordered_means,
    )
    model = lt.LatentVariableModel(prior, lt.Custom(forward))
    return model, np.array(d["y"]), ["theta1", "theta2", "mu"]


def schools(x, z):
    return Normal(z["mu"] + z["tau"] * z["t"], x["sigma"]).log_prob(x["y"])


def school_effects(z):
    """What the reference reports in place of the standardised effects."""
    return {"theta": z["mu"] + z["tau"] * z["t"]}


def centred_schools(x, z):
    return Normal(z["theta"], x["sigma"]).log_prob(x["y"])


def theta_of(z):
    return Normal(z["mu"], z["tau"], shape=8)


def eight_schools(d):
    prior = lt.Continuous({"t": Normal(0, 1, shape=8), "mu": Normal(0, 5), "tau": HalfCauchy(5)})
    x = {"y": d["y"], "sigma": d["sigma"]}
    return lt.LatentVariableModel(prior, lt.Custom(schools)), x, ["theta", "mu", "tau"]


def eight_schools_centred(d):
    prior = lt.Continuous({"mu": Normal(0, 5), "tau": HalfCauchy(5), "theta": theta_of})
    x = {"y": d["y"], "sigma": d["sigma"]}
    return lt.LatentVariableModel(prior, lt.Custom(centred_schools)), x, ["mu", "tau", "theta"]


def earnings(d):
    height, male = np.array(d["height"]), np.array(d["male"])
    x = {"X": design(height, male, height * male), "y": np.log(d["earn"])}
    return regression_model(4), x, ["beta", "sigma"]


def mesquite(d):
    logs = [np.log(d[k]) for k in ("diam1", "diam2", "canopy_height", "total_height", "density")]
    x = {"X": design(*logs, np.array(d["group"])), "y": np.log(d["weight"])}
    return regression_model(7), x, ["beta", "sigma"]


def nes(d):
    ages = [np.equal(d["age_discrete"], age).astype(float) for age in (2, 3, 4)]
    columns = [d["real_ideo"], d["race_adj"], *ages, d["educ1"], d["gender"], d["income"]]
    x = {"X": design(*map(np.array, columns)), "y": np.array(d["partyid7"], float)}
    return regression_model(9), x, ["beta", "sigma"]


def sblrc(d):
    x = {"X": np.array(d["X"]), "y": np.array(d["y"])}
    return regression_model(5, Normal(0, 10, shape=5), HalfNormal(10)), x, ["beta", "sigma"]


MODELS = {
    "kidiq-kidscore_momiq": kidiq,
    "arK-arK": autoregression,
    "low_dim_gauss_mix-low_dim_gauss_mix": gauss_mix,
    "hmm_example-hmm_example": hidden_markov,
    "eight_schools-eight_schools_noncentered": eight_schools,
    "earnings-logearn_interaction": earnings,
    "mesquite-logmesquite": mesquite,
    "nes1972-nes": nes,
    "sblrc-blr": sblrc,
}


def load(folder: Path, name: str):
    """The model, the data, the order of the reference's parameters, and the reference."""
    reference = json.loads((folder / "reference_moments.json").read_text())[name]
    model, x, order = MODELS[name](json.loads((folder / reference["data"]).read_text()))
    return model, x, order, reference
