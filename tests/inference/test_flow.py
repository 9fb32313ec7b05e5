"""Flows: posteriors that no Gaussian is like, against quadrature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import latentia as lt
from latentia.densities import HalfCauchy, Normal
from latentia.inference.transport import Transport

CHEAP = (lt.AtMode(), lt.MeanField(), lt.FullRank(), lt.MomentMatching())


def transport(dim=3):
    """A transport with random weights in every layer."""
    start = Transport.start(dim, 3, 4, 0)
    leaves, structure = jax.tree.flatten(start)
    rng = np.random.default_rng(0)
    return jax.tree.unflatten(
        structure, [leaf + 0.3 * rng.normal(size=leaf.shape) for leaf in leaves]
    )


@pytest.mark.slow
def test_transports_are_inverted_and_tell_their_volume():
    with jax.enable_x64(True):
        moved, u = transport(), np.random.default_rng(1).normal(size=(4, 3))
        z, volume = jax.jit(jax.vmap(moved.push))(u)
        back, again = jax.jit(jax.vmap(moved.pull))(z)
        np.testing.assert_allclose(back, u, atol=1e-9)
        np.testing.assert_allclose(again, volume, atol=1e-9)
        jacobian = jax.jit(jax.jacobian(lambda v: moved.push(v)[0]))(u[0])
        np.testing.assert_allclose(volume[0], np.linalg.slogdet(jacobian)[1], atol=1e-9)
        # Every coordinate moves with every other one.
        assert (np.abs(jacobian) > 1e-6).all()
        same, none = Transport.start(3, 3, 4, 0).push(u[0])
        np.testing.assert_array_equal(same, u[0])
        assert none == 0


def banana_density(z):
    return Normal(z["a"] ** 2, 0.2)


def observed(x, z):
    return Normal(z["b"] + z["a"], 4.0).log_prob(x)


@pytest.mark.exhaustive
def test_a_banana_passes_by_a_flow_and_has_the_moments_of_quadrature():
    prior = lt.Continuous({"a": Normal(0, 1), "b": banana_density})
    model, x = lt.LatentVariableModel(prior, lt.Custom(observed)), np.array(3.0)
    a, b = np.meshgrid(np.linspace(-6, 6, 1201), np.linspace(-4, 30, 3401), indexing="ij")
    logs = -0.5 * a**2 - 0.5 * (b - a**2) ** 2 / 0.04 - np.log(2 * np.pi * 0.2)
    logs += -0.5 * (x - a - b) ** 2 / 16 - np.log(4 * np.sqrt(2 * np.pi))
    mass = np.exp(logs) * 0.01 * 0.01
    means = [np.sum(mass * each) / mass.sum() for each in (a, b)]
    sds = [
        np.sqrt(np.sum(mass * (each - mean) ** 2) / mass.sum())
        for each, mean in zip((a, b), means, strict=True)
    ]
    before = lt.infer(model, x, inference=lt.Ladder(rungs=CHEAP))
    assert before.verdict.level != "pass"
    posterior = lt.infer(model, x, inference=lt.Ladder(rungs=(*CHEAP, lt.Flow()), draws=16384))
    assert posterior.verdict.level == "pass"
    assert posterior.rung == "normalising flow"
    assert posterior.log_evidence == pytest.approx(np.log(mass.sum()), abs=0.02)
    for name, mean, sd in zip(("a", "b"), means, sds, strict=True):
        assert posterior.mean[name] == pytest.approx(mean, abs=0.03 * sd)
        assert posterior.standard_deviation[name] == pytest.approx(sd, rel=0.03)


def funnel_density(z):
    return Normal(0, jnp.exp(z["v"] / 2), shape=2)


@pytest.mark.exhaustive
def test_neals_funnel_passes_by_a_flow():
    # Neal 2003: v is normal with standard deviation 3, and the evidence is 1.
    prior = lt.Continuous({"v": Normal(0, 3), "x": funnel_density})
    model = lt.LatentVariableModel(prior, lt.Custom(lambda x, z: jnp.zeros(())))
    ladder = lt.Ladder(rungs=(*CHEAP, lt.Flow()))
    posterior = lt.infer(model, 0.0, inference=ladder)
    assert posterior.verdict.level == "pass"
    assert posterior.rung == "normalising flow"
    assert posterior.log_evidence == pytest.approx(0, abs=0.02)
    assert posterior.mean["v"] == pytest.approx(0, abs=0.1)
    assert posterior.standard_deviation["v"] == pytest.approx(3, rel=0.03)


EFFECT = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
ERROR = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
SCALES = {"mu": Normal(0, 5), "tau": HalfCauchy(5)}


@pytest.mark.exhaustive
def test_centred_eight_schools_agree_with_the_other_form_where_they_pass():
    free = lt.LatentVariableModel(
        lt.Continuous(SCALES | {"t": Normal(0, 1, shape=8)}),
        lt.Custom(lambda x, z: Normal(z["mu"] + z["tau"] * z["t"], ERROR).log_prob(x)),
    )
    bound = lt.LatentVariableModel(
        lt.Continuous(SCALES | {"theta": lambda z: Normal(z["mu"], z["tau"], shape=8)}),
        lt.Custom(lambda x, z: Normal(z["theta"], ERROR).log_prob(x)),
    )
    easy = lt.infer(free, EFFECT, inference=lt.Ladder(draws=16384))
    easy = easy.derive(lambda z: {"theta": z["mu"] + z["tau"] * z["t"]})
    hard = lt.infer(bound, EFFECT, inference=lt.Ladder(rungs=(*CHEAP, lt.Flow())))
    assert [step.verdict.level == "pass" for step in hard.path[:-1]] == [False] * 4
    # The flow reaches into the neck, but where it is thinnest draws cannot move on, and it is said.
    assert hard.verdict.level == "suspect" and "stuck" in hard.verdict.reason
    low, high = hard.evidence_interval
    assert low - 0.02 < easy.log_evidence < high + 0.02
    for name in ("mu", "tau", "theta"):
        sd = easy.standard_deviation[name]
        np.testing.assert_allclose((hard.mean[name] - easy.mean[name]) / sd, 0, atol=0.1)
        np.testing.assert_allclose(hard.standard_deviation[name], sd, rtol=0.08)


def test_flows_are_named_where_they_cannot_be():
    model = lt.LatentVariableModel(
        lt.Continuous({"m": Normal(0, 1)}), lt.Custom(lambda x, z: Normal(z["m"], 1).log_prob(x))
    )
    with pytest.raises(lt.UntrustedPosterior, match="couplings need two"):
        lt.infer(model, 0.0, inference=lt.Ladder(rungs=(lt.Flow(),)))
    with pytest.raises(ValueError, match="blocks and width of Flow should be"):
        lt.Flow(blocks=0)
