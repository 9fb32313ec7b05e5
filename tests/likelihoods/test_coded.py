"""Codes with a learned prior: the bound against enumeration."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import latentia as lt
from latentia.inference.amortized import parts_of_model, proposed
from latentia.networks import MLP
from latentia.precision import precision_of
from latentia.testing import cast

START = np.array([0.2, 0.5, 0.3])
MOVES = np.array([[0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.3, 0, 0.7]])


def coded(**options):
    decoder = lt.Neural(MLP(4, 6, (8,), key=1), lt.GaussianOutput(0.7), 6, 4, offset=0.0, unit=1.0)
    chain = lt.MarkovChain(START, MOVES, length=2)
    likelihood = lt.Coded(decoder, 3, 2)
    return lt.LatentVariableModel(chain, likelihood, lt.Amortized(MLP(6, 4, (8,)), **options))


def every_code(model, x):
    """Of all pairs of codes the log joint density, and the log probability by the encoder."""
    codes = np.array(list(itertools.product(range(3), repeat=2)))
    with precision_of(model):

        @jax.jit
        def ask(model, x):
            parts = parts_of_model(model)
            q = proposed(parts, x)
            return jax.vmap(lambda z: model.log_joint(x, z))(codes), jax.vmap(q.log_prob)(codes)

        return codes, *jax.device_get(ask(jax.tree.map(jnp.asarray, model), x))


@pytest.mark.slow
def test_the_bound_is_that_of_all_codes_and_its_rate_is_exact():
    model = cast(coded(), np.float64)
    x = np.random.default_rng(0).normal(size=6)
    _, joint, log_q = every_code(model, x)
    assert np.exp(log_q).sum() == pytest.approx(1)
    with precision_of(model):

        @jax.jit
        def ask(model, x):
            return lt.ELBO(draws=4000).terms(parts_of_model(model), x[None], jax.random.key(0))

        terms = jax.device_get(ask(model, x))
    some = log_q > -np.inf
    prior = np.log(START[:, None] * MOVES + 1e-300).ravel()
    rate = np.sum(np.exp(log_q[some]) * (log_q - prior)[some])
    assert terms.rate[0] == pytest.approx(rate, abs=1e-8)
    # Of 4,000 draws; a false alarm once in 10^5 runs, and the seed is fixed.
    each = (joint - prior)[some]
    share = np.exp(log_q[some])
    fit = share @ each
    spread = np.sqrt(share @ (each - fit) ** 2 / 4000)
    assert abs(-terms.distortion[0] - fit) < 4.5 * spread
    assert fit - rate < np.logaddexp.reduce(joint[some])


@pytest.mark.exhaustive
def test_codes_are_learned_with_their_prior_and_answer_the_four_questions():
    rng = np.random.default_rng(0)
    x = np.sign(rng.normal(size=(300, 2))) @ rng.normal(size=(2, 6))
    x = x + 0.1 * rng.normal(size=x.shape)
    learner = lt.StochasticGradient(epochs=60, batch=50, learning_rate=0.02)
    fit = lt.fit(coded(draws=200), x, learner=learner)
    assert fit.epochs[-1].held_out > fit.epochs[0].held_out + 1 and fit.is_bound
    model = fit.model
    assert np.abs(model.prior.transitions - MOVES).max() > 0.05
    assert lt.sample(model, 0, 4).z.shape == (4, 2)
    found = lt.score(model, x[:5])
    exact = [np.logaddexp.reduce(every_code(model, row.astype("f4"))[1]) for row in x[:5]]
    np.testing.assert_allclose(found, exact, atol=0.05)
    posterior = lt.infer(model, x[:5])
    assert posterior.probabilities.shape == (5, 2, 3)
    assert lt.map_estimate(model, x[:5]).shape == (5, 2)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda d: lt.Coded(d, 1, 2), "codes of Coded"),
        (lambda d: lt.Coded(d, 3, 3), "a multiple of size"),
        (
            lambda d: lt.LatentVariableModel(
                lt.MarkovChain(START, MOVES, length=3), lt.Coded(d, 3, 2), lt.Amortized(MLP(6, 4))
            ),
            "length of MarkovChain should be 2",
        ),
        (
            lambda d: lt.LatentVariableModel(
                lt.MarkovChain(4, length=2), lt.Coded(d, 3, 2), lt.Amortized(MLP(6, 4))
            ),
            "MarkovChain of 3 states",
        ),
    ],
)
def test_what_does_not_fit_is_named(build, message):
    decoder = coded().likelihood.decoder
    with pytest.raises(ValueError, match=message):
        build(decoder)
