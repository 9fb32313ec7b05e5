"""Discrete latents that are summed out, against enumeration and quadrature."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.stats import norm
from scipy import stats
from scipy.special import logsumexp

import latentia as lt
from latentia.densities import Dirichlet, Normal

WEIGHTS, CENTRES = np.array([0.3, 0.7]), np.array([-1.5, 1.5])
X = np.array([-2.3, -0.4, 0.1, 1.2, 2.0, 2.9])


def near(x, z):
    return norm.logpdf(x, z["m"][z["k"]], 1.0)


MIXTURE = lt.LatentVariableModel(
    lt.Continuous({"m": Normal(CENTRES, 1.0)}), lt.Enumerated(near, states={"k": WEIGHTS})
)


def enumerated():
    """Log evidence, and P(k_i = 1|x), by a sum over all assignments, each of which is conjugate."""
    logs, codes = [], list(itertools.product((0, 1), repeat=len(X)))
    for code in codes:
        total = np.log(WEIGHTS[list(code)]).sum()
        for k in (0, 1):
            mine = X[np.equal(code, k)]
            if len(mine):
                covariance = np.eye(len(mine)) + 1.0
                prior = np.full(len(mine), CENTRES[k])
                total += stats.multivariate_normal(prior, covariance).logpdf(mine)
        logs.append(total)
    return logsumexp(logs), np.exp(logs - logsumexp(logs)) @ np.array(codes)


def test_a_mixture_has_the_evidence_and_the_probabilities_of_enumeration():
    evidence, ones = enumerated()
    posterior = lt.infer(MIXTURE, X)
    assert posterior.verdict.level == "pass"
    low, high = posterior.evidence_interval
    assert low < evidence < high
    found = posterior.probabilities["k"]
    assert found.shape == (6, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)
    # Averages of 4096 draws of numbers that differ little: a thousandth is many errors.
    np.testing.assert_allclose(found[:, 1], ones, atol=2e-3)


def test_the_sum_over_states_is_exact_for_each_z():
    z = {"m": np.array([-1.0, 0.5])}
    densities = WEIGHTS * stats.norm(z["m"], 1).pdf(X[:, None])
    with jax.enable_x64(True):
        value = MIXTURE.likelihood.log_prob(X, z)
        found = MIXTURE.likelihood.probabilities(X, z)["k"]
    assert value == pytest.approx(np.log(densities.sum(axis=1)).sum(), abs=1e-12)
    np.testing.assert_allclose(found, densities / densities.sum(1, keepdims=True), atol=1e-12)


def test_one_k_for_all_data_is_a_choice_between_models():
    # The data share a mean, which is one of two.
    model = lt.LatentVariableModel(
        lt.Continuous({"m": Normal(CENTRES, 1.0)}),
        lt.Enumerated(lambda x, z: jnp.sum(near(x, z)), states={"k": WEIGHTS}),
    )
    n = len(X)
    each = np.log(WEIGHTS) + [
        stats.multivariate_normal(np.full(n, centre), np.eye(n) + 1.0).logpdf(X)
        for centre in CENTRES
    ]
    posterior = lt.infer(model, X)
    low, high = posterior.evidence_interval
    assert low < logsumexp(each) < high
    expected = np.exp(each - logsumexp(each))
    np.testing.assert_allclose(posterior.probabilities["k"], expected, atol=5e-3)


def two_names(x, z):
    return norm.logpdf(x, z["m"][z["k"]], jnp.array([0.5, 2.0, 4.0])[z["scale"]])


def test_several_names_are_summed_jointly_and_told_apart():
    rows = np.random.default_rng(0).dirichlet(np.ones(3), len(X))
    likelihood = lt.Enumerated(two_names, states={"k": lambda z: z["w"], "scale": rows})
    z = {"m": np.array([-1.0, 0.5]), "w": WEIGHTS}
    spread = np.array([0.5, 2, 4])
    joint = (
        WEIGHTS[:, None] * rows[:, None, :]
        * stats.norm(z["m"][:, None], spread).pdf(X[:, None, None])
    )  # fmt: skip
    with jax.enable_x64(True):
        value, found = likelihood.log_prob(X, z), likelihood.probabilities(X, z)
    total = joint.sum(axis=(1, 2))
    assert value == pytest.approx(np.log(total).sum(), abs=1e-12)
    np.testing.assert_allclose(found["k"], joint.sum(2) / total[:, None], atol=1e-12)
    np.testing.assert_allclose(found["scale"], joint.sum(1) / total[:, None], atol=1e-12)


@pytest.mark.slow
def test_states_are_drawn_by_their_probabilities():
    model = lt.LatentVariableModel(
        lt.Continuous({"m": Normal(CENTRES, 0.01), "w": Dirichlet(500 * WEIGHTS)}),
        lt.Enumerated(
            near,
            states={"k": lambda z: jnp.tile(z["w"], (6, 1))},
            draw=lambda key, z: z["m"][z["k"]] + 0.01 * jax.random.normal(key, (6,)),
        ),
    )
    drawn = lt.sample(model, key=0, n=400)
    assert drawn.x.shape == (400, 6)
    # 2400 draws, whose share has a standard error of 0.01.
    assert np.mean(drawn.x > 0) == pytest.approx(0.7, abs=0.04)
    assert "summed over the states of k" in repr(model)


def test_states_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"states\['k'\] should be probabilities that sum to 1"):
        lt.Enumerated(near, states={"k": [0.3, 0.3]})
    with pytest.raises(ValueError, match="should name at least one discrete latent"):
        lt.Enumerated(near, states={})
    with pytest.raises(ValueError, match=r"for each number that the function returns.*\[6\]"):
        lt.infer(
            lt.LatentVariableModel(
                MIXTURE.prior, lt.Enumerated(near, states={"k": np.tile(WEIGHTS, (5, 1))})
            ),
            X,
        )
    with pytest.raises(ValueError, match="both name 'm'"):
        lt.infer(
            lt.LatentVariableModel(MIXTURE.prior, lt.Enumerated(near, states={"m": WEIGHTS})), X
        )
    loose = lt.Enumerated(near, states={"k": lambda z: jnp.exp(z["m"])})
    with pytest.raises(ValueError, match="log likelihood is nan"):
        lt.infer(lt.LatentVariableModel(MIXTURE.prior, loose), X)
    plain = lt.LatentVariableModel(
        lt.Continuous({"m": Normal()}), lt.Custom(lambda x, z: jnp.sum(norm.logpdf(x, z["m"])))
    )
    with pytest.raises(ValueError, match="should have discrete latent variables"):
        _ = lt.infer(plain, X).probabilities
