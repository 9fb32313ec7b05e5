"""Models written for NumPyro against the same ones written here, and against NumPyro itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import latentia as lt
from latentia.densities import HalfCauchy, Normal

numpyro = pytest.importorskip("numpyro")
dist = pytest.importorskip("numpyro.distributions")

EFFECT = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
ERROR = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def schools(J, sigma, y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("J", J):
        t = numpyro.sample("t", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(mu + tau * t, sigma), obs=y)


def ours():
    prior = lt.Continuous({"mu": Normal(0, 5), "tau": HalfCauchy(5), "t": Normal(0, 1, shape=8)})
    return lt.LatentVariableModel(
        prior,
        lt.Custom(lambda x, z: Normal(z["mu"] + z["tau"] * z["t"], x["sigma"]).log_prob(x["y"])),
    )


@pytest.mark.exhaustive
def test_eight_schools_are_those_of_ones_own_statement():
    model, x = lt.from_numpyro(schools, 8, ERROR, y=EFFECT)
    assert model.prior.part_names == ("mu", "tau", "t")
    with jax.enable_x64(True):
        theirs, mine = lt.log_density(model, x), lt.log_density(ours(), x)
        assert theirs.names == mine.names
        points = np.random.default_rng(0).normal(size=(5, 10))
        values = jax.jit(jax.vmap(theirs))(points)
        np.testing.assert_allclose(values, jax.vmap(mine)(points), rtol=1e-12)
        np.testing.assert_allclose(
            jax.grad(theirs)(points[0]), jax.grad(mine)(points[0]), atol=1e-10
        )
        kwargs = {"sigma": ERROR, "y": EFFECT}
        for point, value in zip(points[:2], values[:2], strict=True):
            z = mine.constrain(point)
            np.testing.assert_allclose(theirs.unconstrain(z), point, atol=1e-12)
            joint, _ = numpyro.infer.util.log_density(schools, (8,), kwargs, z)
            energy = numpyro.infer.util.potential_energy(
                schools, (8,), kwargs, {"mu": point[0], "tau": point[1], "t": point[2:]}
            )
            assert float(value) == pytest.approx(float(joint) + point[1], rel=1e-10)
            assert float(value) == pytest.approx(-float(energy), rel=1e-10)


@pytest.mark.slow
def test_eight_schools_have_the_posterior_of_ones_own_statement():
    told, own = (
        lt.infer(model, x)
        for model, x in (
            lt.from_numpyro(schools, 8, ERROR, y=EFFECT),
            (ours(), {"sigma": ERROR, "y": EFFECT}),
        )
    )
    assert told.verdict.level == "pass"
    np.testing.assert_allclose(told.mean["t"], own.mean["t"], atol=1e-6)
    assert told.log_evidence == pytest.approx(own.log_evidence, abs=1e-6)


def test_priors_and_data_can_be_sampled():
    model, x = lt.from_numpyro(schools, 8, ERROR, y=EFFECT)
    draws = lt.sample(model, 0, 400)
    assert draws.z["t"].shape == draws.x["y"].shape == (400, 8)
    assert np.std(draws.z["mu"]) == pytest.approx(5, rel=0.15)
    noise = draws.x["y"] - draws.z["mu"][:, None] - draws.z["tau"][:, None] * draws.z["t"]
    np.testing.assert_allclose(np.std(noise, axis=0), ERROR, rtol=0.15)
    np.testing.assert_array_equal(draws.x["sigma"][3], ERROR)
    # A draw can be inferred from, like the data.
    again = jax.tree.map(lambda leaf: leaf[0], draws.x)
    with jax.enable_x64(True):
        density = lt.log_density(model, again)
        theirs = lt.log_density(
            lt.from_numpyro(schools, 8, ERROR, y=again["y"])[0], again | {"J": 8}
        )
        point = jnp.zeros(10)
        assert float(density(point)) == pytest.approx(float(theirs(point)), rel=1e-9)


def twins(a, b):
    m = numpyro.sample("m", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(m + a, 1), obs=b)


def test_of_equal_arguments_the_one_that_was_observed_is_drawn():
    model, _ = lt.from_numpyro(twins, np.zeros(3), np.zeros(3))
    drawn = lt.sample(model, 0).x
    np.testing.assert_array_equal(drawn["a"], 0)
    assert np.all(drawn["b"] != 0)
    same = np.zeros(3)
    with pytest.raises(ValueError, match="may be any of a, b, which are equal"):
        lt.sample(lt.from_numpyro(twins, same, same)[0], 0)


def many_supports():
    numpyro.sample("p", dist.Dirichlet(jnp.array([2.0, 3, 4])))
    numpyro.sample("u", dist.Uniform(-1, 2).expand([2]))
    numpyro.sample("root", dist.LKJCholesky(3, 2.0))
    numpyro.factor("extra", 0.0)


@pytest.mark.exhaustive
def test_all_supports_keep_their_total():
    model, x = lt.from_numpyro(many_supports)
    assert x == {}
    density = lt.log_density(model, {})
    assert density.dim == 2 + 2 + 3
    z = density.constrain(jnp.zeros(7))
    assert z["root"].shape == (3, 3)
    np.testing.assert_allclose(density.unconstrain(z), 0, atol=1e-6)
    # All densities are proper, so the evidence of no data is one.
    posterior = lt.infer(model, {}, inference=lt.Ladder(rungs=(lt.AtMode(), lt.FullRank())))
    assert posterior.verdict.level == "pass"
    assert posterior.log_evidence == pytest.approx(0, abs=0.03)
    np.testing.assert_allclose(posterior.mean["p"], np.array([2, 3, 4]) / 9, atol=0.01)


def discrete():
    numpyro.sample("k", dist.Categorical(jnp.ones(2) / 2))


def parameter():
    numpyro.param("m", 1.0)


def moving():
    top = numpyro.sample("top", dist.HalfNormal(1))
    numpyro.sample("below", dist.Uniform(0, top))


def part():
    with numpyro.plate("rows", 10, subsample_size=2):
        numpyro.sample("z", dist.Normal(0, 1))


def loose(*data):
    numpyro.sample("m", dist.Normal(0, 1))


BAD = {
    discrete: "'k' is discrete",
    parameter: "'m' is a param",
    moving: "that of 'below' depends on other sites",
    part: "'rows' takes 2 of 10",
    loose: "arguments with names",
    lambda: None: "without observations, but has none",
}


@pytest.mark.parametrize("function", BAD, ids=lambda f: f.__name__)
def test_what_cannot_be_translated_is_named(function):
    with pytest.raises(ValueError, match=BAD[function]):
        lt.from_numpyro(function)


def test_log_densities_name_what_does_not_fit():
    model, x = ours(), {"sigma": ERROR, "y": EFFECT}
    with pytest.raises(ValueError, match="vector of 10 unconstrained numbers"):
        lt.log_density(model, x)(jnp.zeros(3))
    with pytest.raises(ValueError, match="should be positive"):
        lt.log_density(model, x).unconstrain({"mu": 0.0, "tau": -1.0, "t": np.zeros(8)})
    mixture = lt.LatentVariableModel(lt.Discrete(2), lt.Switch(lt.Gaussian(dim=1), 2))
    with pytest.raises(TypeError, match="density of real numbers"):
        lt.log_density(mixture, np.zeros(1))
