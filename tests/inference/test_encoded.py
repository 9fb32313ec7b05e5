"""The kinds of posteriors that encoders propose, against dense Gaussians and integrals."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

import latentia as lt
from latentia.inference.amortized import parts_of_model, proposed
from latentia.inference.encoded.top_down import TopDownProposal
from latentia.networks import MLP, First
from latentia.precision import precision_of
from latentia.testing import cast

X = np.random.default_rng(2).normal(size=4)


def bent(network):
    """A network with outputs that are not zero, as after some training."""

    def wave(leaf):
        return leaf + 0.3 * jnp.sin(jnp.arange(1.0, leaf.size + 1)).reshape(leaf.shape)

    return jax.tree.map(wave, network)


COUPLING = lt.CouplingPosterior(2, 2, 8, 3)
COUPLING = lt.CouplingPosterior(context=3, networks=tuple(map(bent, COUPLING.networks)))
LAYERS = lt.LayeredLatent(networks=(bent(MLP(1, 2, (4,))),))


def model(family=None, prior=None, outputs=4, **options):
    prior = prior or lt.GaussianLatent(2)
    likelihood = lt.Neural(MLP(2, 4, (), key=1), lt.GaussianOutput(0.5, learned=False), 4, 2,
                           offset=0.3, unit=1.0)  # fmt: skip
    encoder = MLP(4, outputs, (), key=2)
    inference = lt.Amortized(encoder, family=family, **options)
    return lt.LatentVariableModel(prior, likelihood, inference)


MODELS = {
    "diagonal": model(),
    "full": model(lt.FullPosterior(), outputs=5),
    "coupling": model(COUPLING, outputs=7),
    "top-down": model(prior=LAYERS),
}


TIERS = {"diagonal": pytest.mark.exhaustive, "coupling": pytest.mark.slow}
CASES = [pytest.param(name, marks=TIERS.get(name, ())) for name in MODELS]


@pytest.mark.parametrize("name", CASES)
def test_a_proposal_is_a_density_its_draws_follow_it_and_its_rate_is_the_divergence(name):
    wide = cast(MODELS[name], np.float64)
    axis = np.linspace(-9, 9, 361)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    volume = (axis[1] - axis[0]) ** 2
    with precision_of(wide):

        @jax.jit
        def ask(model, x):
            parts = parts_of_model(model)
            q = proposed(parts, x)
            u = jax.vmap(q.at)(q.noise(jax.random.key(0), (4000,)))
            prior = jax.vmap(parts.prior.log_prob_at)(grid)
            return jax.vmap(q.log_prob)(grid), prior, u, q.rates(parts.prior, u).total

        log_q, log_p, u, rate = jax.device_get(ask(wide, X))
    q = np.exp(log_q) * volume
    assert q.sum() == pytest.approx(1, abs=1e-4)
    mean = q @ grid
    spread = np.sqrt(q @ (grid - mean) ** 2)
    # A false alarm once in 10^5 runs; the seed is fixed.
    assert (np.abs(u.mean(axis=0) - mean) < 4.5 * spread / np.sqrt(4000)).all()
    np.testing.assert_allclose(u.std(axis=0), spread, rtol=0.12)
    divergence = q @ (log_q - log_p)
    tolerance = 1e-4 if name in ("diagonal", "full") else 0.1 * divergence
    assert rate == pytest.approx(divergence, abs=tolerance)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["full", "coupling", "top-down"])
def test_every_family_is_learned_and_answers_the_four_questions(name):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 2))
    loadings = np.array([[1.0, 0.9], [0.8, 0.9], [0.1, 1.0], [1.0, 0.2]])
    x = z @ loadings.T + 0.5 * rng.normal(size=(300, 4)) + 0.3
    learner = lt.StochasticGradient(epochs=300, batch=60, learning_rate=0.02, patience=300)
    fit = lt.fit(MODELS[name], x, learner=learner)
    assert fit.epochs[-1].held_out > fit.epochs[0].held_out
    found = lt.evaluate(fit.model, x[:60], k=200)
    assert found.elbo <= found.log_likelihood + 0.01
    likelihood = fit.model.likelihood
    if name == "full":
        weight = np.asarray(likelihood.network.layers[0].weight, float).T
        mean = np.asarray(likelihood.network.layers[0].bias + likelihood.offset[:, 0], float)
        exact = multivariate_normal(mean, weight @ weight.T + 0.25 * np.eye(4)).logpdf(x[:60])
        # The posterior of a linear model is a Gaussian, so nothing is left of the gap.
        assert found.log_likelihood == pytest.approx(exact.mean(), abs=0.02)
        assert found.elbo == pytest.approx(exact.mean(), abs=0.1)
    posterior = lt.infer(fit.model, x[0])
    draws = np.stack([posterior.sample(jax.random.key(i)) for i in range(200)])
    np.testing.assert_allclose(draws.mean(axis=0), posterior.mean, atol=0.3)
    density = [posterior.log_prob(np.asarray(z)) for z in (posterior.mean, posterior.mean + 5)]
    assert density[0] > density[1] + 5
    assert lt.map_estimate(fit.model, x[:2]).shape == (2, 2)


def test_a_decoder_may_see_the_bottom_layer_alone():
    network = First(MLP(1, 4, ()), 1)
    z = jnp.array([0.5, 2.0])
    np.testing.assert_array_equal(network(z), network(z.at[1].set(-7.0)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: model(lt.FullPosterior()), "should give 5 numbers, for a full Gaussian"),
        (lambda: model(lt.FullPosterior(), outputs=5, refinement=3), "refinement of Amortized"),
        (lambda: model(lt.CouplingPosterior(3), outputs=20), "dim of CouplingPosterior"),
        (lambda: lt.CouplingPosterior(1), "dim of CouplingPosterior"),
        (lambda: lt.CouplingPosterior(2, 0), "layers of CouplingPosterior"),
        (lambda: model(lt.TopDownPosterior()), "with a LayeredLatent"),
        (lambda: model(lt.ConditionedPosterior()), "leave family out"),
        (lambda: model(lt.FullPosterior(), lt.VampPrior(3, 2, 4), 5), "made without an encoder"),
    ],
)
def test_what_does_not_fit_is_named(build, message):
    with pytest.raises((ValueError, TypeError), match=message):
        build()


@pytest.mark.parametrize("name", ["full", "coupling", "top-down"])
def test_a_model_file_keeps_them(name, tmp_path):
    path = tmp_path / "model.safetensors"
    lt.io.save(MODELS[name], path)
    found = lt.io.load(path)
    assert jax.tree.structure(found) == jax.tree.structure(MODELS[name])
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(MODELS[name]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_layer_and_the_encoder_meet_by_their_precisions():
    flat = jax.tree.map(jnp.zeros_like, MLP(1, 2, (4,)))
    flat = eqx.tree_at(lambda n: n.layers[-1].bias, flat, jnp.array([0.7, 0.4]))
    prior = lt.LayeredLatent(networks=(flat,))
    q = TopDownProposal(prior, jnp.array([1.5, -0.5]), jnp.array([2.0, 3.0]))
    own = np.exp(-2 * 3 * np.tanh(0.4 / 3))
    middle = prior.place(q.at(jnp.zeros(2)))
    expected = [(0.7 * own + 1.5 * 2) / (own + 2), -0.5 * 3 / (1 + 3)]
    np.testing.assert_allclose(middle, expected, rtol=1e-5)
    width = prior.place(q.at(jnp.ones(2))) - middle
    np.testing.assert_allclose(width, [(own + 2) ** -0.5, 0.5], rtol=1e-5)


@pytest.mark.exhaustive
@pytest.mark.parametrize("family", [None, lt.FullPosterior()])
def test_of_layers_a_gaussian_of_u_is_no_gaussian_of_z(family):
    family = family or lt.DiagonalPosterior()
    deep = model(family, LAYERS, 4 if isinstance(family, lt.DiagonalPosterior) else 5, draws=4000)
    found = lt.infer(deep, X.astype("f4"))
    parts = parts_of_model(deep)
    q = proposed(parts, jnp.asarray(X, jnp.float32))
    noise = jax.random.normal(jax.random.key(1), (20000, 2))
    z = np.asarray(jax.vmap(lambda e: LAYERS.place(q.at(e)))(noise))
    # Five standard errors of 4000 draws.
    assert (np.abs(found.mean - z.mean(axis=0)) < 5 * z.std(axis=0) / np.sqrt(4000)).all()
    np.testing.assert_allclose(found.covariance, np.cov(z.T), atol=0.1 * np.var(z, axis=0).max())
    # By the map's own slopes, which the posterior does not use.
    u = q.at(noise[0])
    stretched = jnp.linalg.slogdet(jax.jacfwd(LAYERS.place)(u))[1]
    density = float(found.log_prob(LAYERS.place(u)))
    assert density == pytest.approx(float(q.log_prob(u) - stretched), abs=1e-4)
