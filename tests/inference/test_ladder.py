"""User-written models: oracles, verdicts, and what is said about models that do not work."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import genpareto, multivariate_normal

import latentia as lt
from latentia import supports
from latentia.densities import Flat, HalfCauchy, Normal
from latentia.inference.pareto import fit_tail, smooth

# Without NUTS, so that the tests need no extra and no minutes.
QUICK = lt.Ladder(rungs=(lt.AtMode(), lt.MeanField(), lt.MomentMatching()))


def regression(x, z):
    return Normal(x["X"] @ z["b"], 1.0).log_prob(x["y"])


def data(rows=40):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 3))
    return {"X": X, "y": X @ [1, 2, -1] + rng.normal(size=rows)}


CONJUGATE = lt.LatentVariableModel(
    lt.Continuous({"b": Normal(0, 2, shape=3)}), lt.Custom(regression)
)
SCHOOLS = {
    "y": [28.0, 8, -3, 7, -1, 1, 18, 12],
    "sigma": [15.0, 10, 16, 11, 9, 11, 10, 18],
}


def test_conjugate_regression_has_its_exact_moments_and_evidence():
    x = data()
    X, y = x["X"], x["y"]
    exact = multivariate_normal(np.zeros(40), 4 * X @ X.T + np.eye(40)).logpdf(y)
    covariance = np.linalg.inv(X.T @ X + np.eye(3) / 4)
    mean, sd = covariance @ X.T @ y, np.sqrt(np.diagonal(covariance))
    inside = 0
    for key in range(20):
        posterior = lt.infer(CONJUGATE, x, key=key)
        low, high = posterior.evidence_interval
        assert high - low < 0.1
        inside += low <= exact <= high
        assert posterior.verdict.level == "pass"
        assert np.all(np.abs(posterior.mean["b"] - mean) < 5 * posterior.mean_error["b"] + 1e-4)
        np.testing.assert_allclose(posterior.standard_deviation["b"], sd, rtol=0.04)
    # A nominal interval of 99 %: two misses in 20 happen once in 60 times.
    assert inside >= 18
    np.testing.assert_allclose(posterior.covariance, covariance, atol=4e-3)
    np.testing.assert_allclose(posterior.mode()["b"], mean, rtol=1e-6)
    assert posterior.exactness == "estimate"
    z = {"b": mean}
    expected = multivariate_normal(mean, covariance).logpdf(mean)
    np.testing.assert_allclose(posterior.log_prob(z), expected, atol=0.05)
    assert lt.score(CONJUGATE, x) == pytest.approx(exact, abs=0.05)
    assert "b[2]" in repr(posterior)
    assert "pass" in repr(posterior)


@pytest.mark.parametrize("rung", [lt.AtMode(), lt.MeanField(), lt.FullRank()], ids=repr)
def test_each_rung_alone_has_the_moments_of_a_conjugate_model(rung):
    x = data()
    covariance = np.linalg.inv(x["X"].T @ x["X"] + np.eye(3) / 4)
    posterior = lt.infer(CONJUGATE, x, inference=lt.Ladder(rungs=(rung,)))
    assert posterior.verdict.level == "pass"
    # A Gaussian posterior is met exactly, so that the t proposal alone decides the weights.
    assert posterior.k_hat < 0
    assert posterior.effective_size > 3000
    np.testing.assert_allclose(posterior.mean["b"], covariance @ x["X"].T @ x["y"], atol=0.01)
    np.testing.assert_allclose(posterior.covariance, covariance, atol=4e-3)


def test_each_datum_may_have_a_z_of_its_own():
    model = lt.LatentVariableModel(
        lt.Continuous(Normal(0, 1)),
        lt.Custom(lambda x, z: Normal(z, 1.0).log_prob(x), shape=()),
    )
    x = np.array([0.0, 2.0])
    exact = Normal(0, np.sqrt(2.0))
    expected = [float(exact.log_prob(value)) for value in x]
    np.testing.assert_allclose(lt.score(model, x, inference=QUICK), expected, atol=0.01)
    means = [posterior.mean for posterior in lt.infer(model, x)]
    np.testing.assert_allclose(means, x / 2, atol=0.02)
    assert lt.infer(model, 2.0).mean == pytest.approx(1, abs=0.02)
    with pytest.raises(ValueError, match=r"x should have the shape \[\] of one datum"):
        lt.infer(model, np.zeros((2, 2)))


def test_draws_quantiles_and_derived_quantities_agree():
    posterior = lt.infer(CONJUGATE, data())
    draws = posterior.sample(3, 4000)["b"]
    again = posterior.sample(3, 4000)["b"]
    np.testing.assert_array_equal(draws, again)
    np.testing.assert_allclose(draws.mean(0), posterior.mean["b"], atol=0.02)
    quantiles = posterior.quantiles([0.25, 0.75])["b"]
    assert quantiles.shape == (2, 3)
    assert np.mean(draws < quantiles[0]) == pytest.approx(0.25, abs=0.02)
    more = posterior.derive(lambda z: {"sum": jnp.sum(z["b"])})
    assert more.mean["sum"] == pytest.approx(posterior.mean["b"].sum())
    assert posterior.sample(0)["b"].shape == (3,)
    assert len(posterior.summary()) == 3


def test_exact_route_switched_off_gives_the_same_evidence():
    rng = np.random.default_rng(1)
    model = lt.LatentVariableModel(
        lt.GaussianLatent(dim=2), lt.LinearGaussian(rng.normal(size=(3, 2)), np.ones(3), np.ones(3))
    )
    x = lt.sample(model, key=0, n=2).x
    estimated = lt.score(model, x, inference=QUICK)
    np.testing.assert_allclose(estimated, lt.score(model, x), atol=0.02)


@pytest.mark.parametrize("shape", [0.2, 0.9])
def test_pareto_shape_is_found(shape):
    excess = np.sort(genpareto(shape).rvs(4000, random_state=0))
    found, scale = fit_tail(excess)
    assert found == pytest.approx(shape, abs=0.08)
    assert scale == pytest.approx(1, abs=0.1)
    # Ratios whose tail is that of a Pareto distribution, of which a fifth is fitted.
    ratios = np.random.default_rng(0).pareto(1 / shape, 20000) + 1
    logs, k_hat = smooth(np.log(ratios))
    assert k_hat == pytest.approx(shape, abs=0.25)
    assert logs.max() <= np.log(ratios.max())


def test_no_tail_is_no_number_or_minus_infinity():
    assert np.isnan(smooth(np.full(100, -np.inf))[1])
    assert smooth(np.zeros(100))[1] == -np.inf


def schools(x, z):
    return Normal(z["mu"] + z["tau"] * z["t"], x["sigma"]).log_prob(x["y"])


def centred(x, z):
    return Normal(z["theta"], x["sigma"]).log_prob(x["y"])


def test_eight_schools_pass_without_centres_and_not_with_them():
    scales = {"mu": Normal(0, 5), "tau": HalfCauchy(5)}
    free = lt.LatentVariableModel(
        lt.Continuous(scales | {"t": Normal(0, 1, shape=8)}), lt.Custom(schools)
    )
    posterior = lt.infer(free, SCHOOLS)
    assert posterior.verdict.level == "pass"
    assert [step.verdict.level for step in posterior.path] == ["fail", "pass"]
    # The reference draws of posteriordb.
    assert posterior.mean["mu"] == pytest.approx(4.4, abs=0.1)
    assert posterior.mean["tau"] == pytest.approx(3.6, abs=0.15)
    assert list(posterior.draws) == ["mu", "tau", "t"]
    bound = lt.LatentVariableModel(
        lt.Continuous(scales | {"theta": lambda z: Normal(z["mu"], z["tau"], shape=8)}),
        lt.Custom(centred),
    )
    posterior = lt.infer(bound, SCHOOLS, inference=QUICK)
    assert posterior.verdict.level in ("suspect", "fail")
    assert all(step.verdict.level != "pass" for step in posterior.path)
    assert "still rises along tau" in posterior.path[0].verdict.reason
    with pytest.raises(lt.UntrustedPosterior, match="best verdict is"):
        lt.infer(bound, SCHOOLS, inference=lt.Ladder(rungs=QUICK.rungs, raise_on="suspect"))


def two_means(x, z):
    first, second = (jax.scipy.stats.norm.logpdf(x, z["m"][i]) for i in (0, 1))
    return jnp.sum(jnp.logaddexp(first, second))


def test_separate_starts_that_disagree_are_suspect():
    rng = np.random.default_rng(0)
    x = np.r_[rng.normal(-2, 1, 20), rng.normal(2, 1, 20)]
    model = lt.LatentVariableModel(
        lt.Continuous({"m": Normal(0, 3, shape=2)}), lt.Custom(two_means)
    )
    posterior = lt.infer(model, x)
    assert posterior.verdict.level == "suspect"
    assert "separate starts disagree" in posterior.verdict.reason
    # Both orders of the means have their share.
    assert posterior.mean["m"] == pytest.approx([posterior.mean["m"].mean()] * 2, abs=0.2)


def test_improper_posteriors_are_called_so():
    x = data()
    unused = lt.Continuous({"b": Normal(0, 2, shape=3), "c": Flat()})
    with pytest.raises(lt.UntrustedPosterior, match="looks improper.*along c"):
        lt.infer(lt.LatentVariableModel(unused, lt.Custom(regression)), x)
    rising = lt.Continuous({"b": Normal(0, 2, shape=3), "c": Flat(supports.positive)})
    with pytest.raises(lt.UntrustedPosterior, match="still rises along c"):
        lt.infer(lt.LatentVariableModel(rising, lt.Custom(regression)), x, inference=QUICK)


BAD = {
    "nan": (lambda x, z: Normal(z["m"], 1).log_prob(x), "likelihood is nan.*x holds nan at .1."),
    "log": (lambda x, z: jnp.sum(jnp.log(z["m"] - 30)), "finite somewhere near the start"),
    "slope": (lambda x, z: jnp.sqrt(z["m"] * 0), "finite slope and curvature.*along m"),
    "infinite": (lambda x, z: jnp.where(z["m"] > 0, jnp.inf, 0.0), "finite or minus infinity"),
    "nothing": (lambda x, z: None, "but returns None: end it with return"),
    "huge": (lambda x, z: 1e18 * Normal(z["m"], 1).log_prob(x[0]), "is -9.19e.17 at its highest"),
    "vector": (lambda x, z: x * z["m"], "should return one number"),
    "name": (lambda x, z: z["n"], "it raised KeyError.*z has m"),
    "shape": (lambda x, z: jnp.sum(x + jnp.zeros(3)), "it raised TypeError.*x .2."),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_density_that_does_not_work_is_one_sentence(kind):
    function, message = BAD[kind]
    model = lt.LatentVariableModel(lt.Continuous({"m": Normal(0, 3)}), lt.Custom(function))
    with pytest.raises(ValueError, match=message):
        lt.infer(model, np.array([1.0, np.nan]))


def test_densities_outside_of_jax_are_named():
    prior = lt.Continuous({"m": Normal(0, 3)})
    for function in (
        lambda x, z: np.log(np.asarray(z["m"])),
        lambda x, z: 1.0 if z["m"] > 0 else 0,
    ):
        with pytest.raises(TypeError, match=r"should be written in jax\.numpy"):
            lt.infer(lt.LatentVariableModel(prior, lt.Custom(function)), np.zeros(2))


def test_models_and_values_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="should be a density of real numbers"):
        lt.LatentVariableModel(lt.Discrete(2), lt.Custom(regression))
    with pytest.raises(ValueError, match="should take x, z"):
        lt.Custom(lambda x: x)
    with pytest.raises(ValueError, match="supports should name latent variables of shapes"):
        lt.Continuous({"m": Normal()}, supports={"m": supports.positive})
    with pytest.raises(ValueError, match="use only latent variables before it"):
        lt.Continuous({"t": lambda z: Normal(0, z["tau"]), "tau": HalfCauchy(1)})
    prior = lt.Continuous({"tau": HalfCauchy(1)})
    with pytest.raises(ValueError, match=r"z\['tau'\] should be positive"):
        prior.free({"tau": -1.0})
    with pytest.raises(TypeError, match=r"x\['a'\] should hold numbers"):
        lt.infer(CONJUGATE, {"a": ["b"]})
    with pytest.raises(ValueError, match="draws should be a multiple"):
        lt.Ladder(draws=100)
    with pytest.raises(TypeError, match="inference should be a Ladder"):
        lt.infer(CONJUGATE, data(), inference="nuts")


def test_sampling_goes_down_the_densities():
    model = lt.LatentVariableModel(
        lt.Continuous({"mu": Normal(0, 5), "t": lambda z: Normal(z["mu"], 0.1, shape=3)}),
        lt.Custom(
            lambda x, z: Normal(z["t"], 1.0).log_prob(x),
            draw=lambda key, z: z["t"] + jax.random.normal(key, (3,)),
        ),
    )
    draw = lt.sample(model, key=0, n=500)
    assert draw.x.shape == (500, 3)
    assert np.std(draw.z["mu"]) == pytest.approx(5, rel=0.2)
    assert np.std(draw.z["t"][:, 0] - draw.z["mu"]) == pytest.approx(0.1, rel=0.2)
    assert "t[3]" in repr(model)
