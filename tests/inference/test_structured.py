"""Encoders for latent structures: the bound against dense Gaussians and enumeration."""

import itertools

import jax
import numpy as np
import pytest
from scipy.stats import multivariate_normal

import latentia as lt
from catalogue import MODELS
from latentia.evaluation import measuring
from latentia.inference.amortized import parts_of_model, proposed
from latentia.networks import MLP
from latentia.precision import precision_of
from latentia.testing import cast

RNG = np.random.default_rng(0)
STEPS = 3
CHAIN = MODELS["linear dynamical system"]
HIDDEN = MODELS["gaussian hidden markov model"]
CLASSES = MODELS["latent classes"]


def with_encoder(model, outputs, **options):
    inputs = model.likelihood.dim
    encoder = cast(MLP(inputs, outputs, (), key=3), np.float64)
    return lt.LatentVariableModel(model.prior, model.likelihood, lt.Amortized(encoder, **options))


def bound_and_proposal(model, x):
    """The terms of the ELBO of one x, and what the encoder proposes."""
    with precision_of(model):

        @jax.jit
        def ask(model, x):
            parts = parts_of_model(model)
            terms = lt.ELBO().terms(parts, x[None], jax.random.key(0))
            return terms, proposed(parts, x)

        return jax.device_get(ask(model, x))


def dense_chain(prior, steps):
    """Mean and covariance of the whole path of a chain with one dimension."""
    a, b, q = (float(np.squeeze(v)) for v in (prior.transition, prior.drift, prior.noise))
    mean, covariance = np.zeros(steps), np.zeros((steps, steps))
    mean[0], covariance[0, 0] = float(prior.mean[0]), float(prior.covariance[0, 0])
    for t in range(1, steps):
        mean[t] = a * mean[t - 1] + b
        covariance[t, :t] = covariance[:t, t] = a * covariance[t - 1, :t]
        covariance[t, t] = a * a * covariance[t - 1, t - 1] + q
    return mean, covariance


def divergence(mean, covariance, other_mean, other_covariance):
    inverse = np.linalg.inv(other_covariance)
    gap = other_mean - mean
    log_det = np.linalg.slogdet(other_covariance)[1] - np.linalg.slogdet(covariance)[1]
    return 0.5 * (np.trace(inverse @ covariance) + gap @ inverse @ gap - len(mean) + log_det)


def given(mean, covariance, design, target):
    """A dense Gaussian conditioned on ``target = design z + standard normal noise``."""
    precision = np.linalg.inv(covariance) + design.T @ design
    found = np.linalg.inv(precision)
    return found @ (np.linalg.solve(covariance, mean) + design.T @ target), found


def test_of_a_gaussian_chain_the_bound_is_the_evidence_less_the_divergence():
    model = with_encoder(CHAIN, 2)
    x = RNG.normal(size=(STEPS, 3))
    terms, q = bound_and_proposal(model, x)
    mean, covariance = dense_chain(CHAIN.prior, STEPS)
    emission = CHAIN.likelihood.emission
    loadings, bias = emission.loadings, emission.bias
    wide = np.kron(np.eye(STEPS), loadings)
    noise = np.kron(np.eye(STEPS), np.diag(np.full(3, 0.3)))
    evidence = multivariate_normal(
        wide @ mean + np.tile(bias, STEPS), wide @ covariance @ wide.T + noise
    ).logpdf(x.ravel())
    root = np.linalg.inv(np.linalg.cholesky(noise))
    exact = given(mean, covariance, root @ wide, root @ (x - bias).ravel())
    design = np.diag(np.ravel(q.potential.steps.design))
    found = given(mean, covariance, design, np.ravel(q.potential.steps.target))
    np.testing.assert_allclose(q.posterior.mean.ravel(), found[0], atol=1e-10)
    assert terms.bound[0] == pytest.approx(evidence - divergence(*found, *exact), abs=1e-5)
    assert terms.rate[0] == pytest.approx(divergence(*found, mean, covariance), abs=1e-5)
    assert evidence - terms.bound[0] > 0.1


@pytest.mark.slow
def test_of_a_markov_chain_the_bound_is_the_evidence_less_the_divergence():
    model = with_encoder(HIDDEN, 2)
    x = RNG.normal(size=(4, 2)) + 2
    terms, q = bound_and_proposal(model, x)
    paths = np.array(list(itertools.product(range(2), repeat=4)))
    with precision_of(model):
        whole = jax.tree.map(jax.numpy.asarray, (HIDDEN, q.posterior))
        joint = np.asarray(jax.vmap(lambda path: whole[0].log_joint(x, path))(paths))
        log_q = np.asarray(jax.vmap(whole[1].log_prob)(paths))
    assert np.exp(log_q).sum() == pytest.approx(1)
    assert terms.bound[0] == pytest.approx(np.exp(log_q) @ (joint - log_q), abs=1e-5)
    evidence = np.logaddexp.reduce(joint)
    assert evidence == pytest.approx(float(lt.score(HIDDEN, x)), abs=1e-8)
    assert evidence - terms.bound[0] > 0.01


def test_of_a_mixture_the_bound_is_the_evidence_less_the_divergence():
    model = with_encoder(CLASSES, 2, masked=False)
    x = np.array([1.0, 2.0])
    terms, q = bound_and_proposal(model, x)
    exact = lt.infer(CLASSES, x)
    share = np.exp(np.asarray(q.posterior.log_probs))
    gap = share @ (np.log(share) - np.asarray(exact.log_probs))
    assert terms.bound[0] == pytest.approx(float(exact.log_evidence - gap), abs=1e-8) and gap > 0.01


@pytest.mark.exhaustive
def test_a_chain_in_vae_clothes_answers_the_four_questions():
    model = with_encoder(CHAIN, 2, draws=20_000)
    x = [lt.sample(CHAIN, seed, 1).x[0, :n] for seed, n in ((1, 2), (2, 3))]
    found = lt.infer(model, x)
    assert [one.mean.shape for one in found] == [(2, 1), (3, 1)]
    exact = np.asarray(lt.score(CHAIN, x))
    np.testing.assert_allclose(lt.score(model, x), exact, atol=0.15)
    assert all(one.verdict.level == "pass" for one in found)
    np.testing.assert_allclose([one.log_evidence for one in found], lt.score(model, x))
    modes = lt.map_estimate(model, x)
    for one, path in zip(lt.infer(CHAIN, x), modes, strict=True):
        np.testing.assert_allclose(path, one.mean, atol=1e-6)
    assert "Kalman" in found[0].method and found[0].exactness == "estimate"


def structured(masked=False, family=None):
    likelihood = lt.PerStep(lt.Neural(MLP(2, 5, (8,)), lt.GaussianOutput(), 5, 2))
    encoder = MLP(10 if masked else 5, 4, (8,))
    chain = lt.GaussianChain(2, transition=0.9 * np.eye(2), length=6)
    return lt.LatentVariableModel(chain, likelihood, lt.Amortized(encoder, masked=masked))


@pytest.mark.exhaustive
@pytest.mark.parametrize("objective", [lt.ELBO(), lt.ImportanceBound(5)])
def test_a_structured_vae_learns_and_its_bounds_agree(objective):
    rng = np.random.default_rng(1)
    z = lt.sample(CHAIN, 0, 60).z
    bent = np.concatenate([z, z**2, np.sin(z)], axis=-1)
    x = np.concatenate([bent, bent[..., :2]], axis=-1) + 0.2 * rng.normal(size=(60, 3, 5))
    x = [row[: 2 + i % 2] for i, row in enumerate(x)]
    learner = lt.StochasticGradient(
        objective, epochs=60, batch=20, learning_rate=0.02, held_out=0.2
    )
    fit = lt.fit(structured(), x, learner=learner)
    assert fit.epochs[-1].held_out > fit.epochs[0].held_out + 1
    assert fit.epochs[0].active == -1
    found = lt.evaluate(fit.model, x, k=200)
    assert found.elbo <= found.log_likelihood and np.isfinite(found.error)
    climbed = lt.map_estimate(fit.model, x[:2])
    with precision_of(fit.model):
        for one, path in zip(lt.infer(fit.model, x[:2]), climbed, strict=True):
            row = np.asarray(one.x, np.float32)
            best = fit.model.log_joint(row, path)
            assert best >= fit.model.log_joint(row, one.mean) - 1e-3


def neural(size):
    return lt.PerStep(lt.Neural(MLP(size, 5, ()), lt.GaussianOutput(), 5, size))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: with_encoder(CHAIN, 3), "should give 2 numbers"),
        (lambda: with_encoder(HIDDEN, 5), "should give 2 numbers"),
        (
            lambda: lt.LatentVariableModel(
                CHAIN.prior, CHAIN.likelihood.emission, lt.Amortized(MLP(3, 2, ()))
            ),
            "should be a PerStep",
        ),
        (
            lambda: lt.LatentVariableModel(
                lt.Topics(3), CLASSES.likelihood, lt.Amortized(MLP(3, 2, ()))
            ),
            "a chain of either",
        ),
        (
            lambda: lt.LatentVariableModel(HIDDEN.prior, neural(1), lt.Amortized(MLP(5, 2, ()))),
            "draws of states have no slope",
        ),
        (
            lambda: lt.LatentVariableModel(CHAIN.prior, neural(2), lt.Amortized(MLP(5, 2, ()))),
            "latent_dim of Neural should be 1",
        ),
        (
            lambda: lt.LatentVariableModel(CHAIN.prior, neural(1)),
            r"inference should be Amortized\(encoder\)",
        ),
        (lambda: lt.score(with_encoder(CHAIN, 2), np.zeros((4, 2))), "should have 3 columns"),
        (
            lambda: lt.score(with_encoder(CHAIN, 2), np.where(np.eye(4, 3) > 0, np.nan, 1.0)),
            "masked=True",
        ),
        (
            lambda: lt.fit(
                with_encoder(HIDDEN, 2),
                np.zeros((8, 4, 2)),
                learner=lt.StochasticGradient(lt.ImportanceBound(5), batch=2, held_out=0.0),
            ),
            "objective should be ELBO",
        ),
    ],
)
def test_what_does_not_fit_is_named(build, message):
    with pytest.raises((ValueError, TypeError), match=message):
        build()


@pytest.mark.exhaustive
def test_of_states_no_coordinates_are_told_and_whole_sequences_count_for_memory(monkeypatch):
    asked, block = [], measuring._block

    def watched(*args, size, **options):
        asked.append(size)
        return block(*args, size=size, **options)

    monkeypatch.setattr(measuring, "_block", watched)
    x = np.asarray(lt.sample(HIDDEN, 0, 4).x)
    monkeypatch.setattr(measuring, "_ROOM", measuring._ROWS * 4 * x[0].size * 3)
    found = lt.evaluate(with_encoder(HIDDEN, 2), x, k=20)
    assert set(asked) == {3}
    assert found.active == -1 and np.isnan(found.activity).all()
    assert "coordinates" not in repr(found) and "collapse" not in repr(found)
