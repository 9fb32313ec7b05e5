"""Models that can be solved, in the clothes of a variational autoencoder."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

import latentia as lt
from latentia.inference.amortized import parts_of_model, proposed
from latentia.networks import MLP
from latentia.precision import precision_of

WEIGHTS, MEANS, SCALES = np.array([0.3, 0.7]), np.array([-1.5, 1.0]), np.array([0.5, 0.8])
SLOPES, NOISE = np.array([1.0, -0.6, 0.4]), 0.9
X = np.random.default_rng(0).normal(size=(5, 3)).astype("f4")


def mixture_model():
    """A mixture of two Gaussians with factors, and an encoder at random."""
    decoder = MLP(1, 3, ())
    decoder = eqx.tree_at(
        lambda network: network.layers[0].weight, decoder, jnp.asarray(SLOPES[None], jnp.float32)
    )
    prior = lt.MixtureLatent(
        weights=WEIGHTS.astype("f4"), means=MEANS[:, None].astype("f4"),
        scales=SCALES[:, None].astype("f4"),
    )  # fmt: skip
    output = lt.GaussianOutput(scale=NOISE)
    likelihood = lt.Neural(decoder, output, 3, 1, offset=0.0, unit=1.0)
    inference = lt.Amortized(MLP(3, 2, (4,), key=3), centre=np.zeros(3), scale=np.ones(3))
    return lt.LatentVariableModel(prior, likelihood, inference)


def test_of_a_mixture_the_bound_is_the_evidence_less_the_divergence():
    """Both in one dimension, so that sums over points give them to all digits."""
    model = jax.tree.map(lambda leaf: np.asarray(leaf, float), mixture_model())
    with precision_of(model):
        _compare(parts_of_model(jax.tree.map(jnp.asarray, model)))


def _compare(parts):
    nodes = np.linspace(-9, 9, 3001)
    shares = norm.pdf(nodes) * (nodes[1] - nodes[0])
    z = np.linspace(-12, 12, 20_001)
    prior = logsumexp(np.log(WEIGHTS) + norm.logpdf(z[:, None], MEANS, SCALES), axis=1)
    for x in X.astype(float):
        q = proposed(parts, jnp.asarray(x))

        def log_weight(noise, x=x, q=q):
            u = q.at(noise)
            joint = parts.likelihood.log_prob(x, parts.prior.place(u)) + parts.prior.log_prob_at(u)
            return joint - q.log_prob(u)

        found = jax.vmap(log_weight)(jnp.asarray(nodes[:, None]))
        bound = shares @ np.asarray(found, float)
        joint = prior + norm.logpdf(x, z[:, None] * SLOPES, NOISE).sum(axis=1)
        evidence = logsumexp(joint) + np.log(z[1] - z[0])
        mean, scale = (float(np.squeeze(part)) for part in (q.mean, q.scale))
        density = norm.logpdf(z, mean, scale)
        divergence = np.exp(density) @ (density - joint + evidence) * (z[1] - z[0])
        assert divergence > 0.01
        assert bound == pytest.approx(evidence - divergence, abs=1e-5)
