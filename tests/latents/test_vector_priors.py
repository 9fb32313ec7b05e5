"""Priors of vectors beside which an encoder stands: their draws follow their density."""

from typing import NamedTuple

import jax
import numpy as np
import pytest

import latentia as lt
from latentia.networks import MLP
from latentia.precision import precision_of
from latentia.testing import DENSITY_LAWS, Grid, cast

WEIGHTS, MEANS = np.array([0.3, 0.7]), np.array([[0.0, 1.0], [2.0, -1.0]])
SCALES = np.array([[1.0, 0.5], [0.7, 1.2]])
OVER_ALL_Z = ("density_integrates_to_one", "sampler_matches_density")
LAWS = [law for law in DENSITY_LAWS if law.__name__ in (*OVER_ALL_Z, "precisions_agree")]


class Proposed(NamedTuple):
    mean: object
    scale: object


def flow():
    """With couplings that bend, as after some training."""
    networks = [MLP(2, 4, (8,), key=seed) for seed in range(2)]
    return lt.FlowLatent(networks=tuple(jax.tree.map(lambda leaf: 0.5 * leaf, networks)))


def propose(x):
    return Proposed(x, 0 * x + 1)


def layers():
    """Two layers of one dimension each, the lower of which bends with the upper."""
    network = MLP(1, 2, (8,), key=5)
    return lt.LayeredLatent(networks=(jax.tree.map(lambda leaf: 0.8 * leaf, network),))


PRIORS = {
    "layers": layers(),
    "mixture": lt.MixtureLatent(weights=WEIGHTS, means=MEANS, scales=SCALES),
    "flow": flow(),
    "posteriors of pseudo-inputs": lt.VampPrior(MEANS.astype("f4"), 2).prepare(
        lambda x: Proposed(x, 0 * x + 1)
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", PRIORS)
def test_draws_follow_a_density_that_integrates_to_one(name, dtype):
    # The tails of what lies below a layer are longer than a Gaussian's.
    reach = 28 if name == "layers" else 14
    axis = np.linspace(-reach, reach, 20 * reach + 1)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    grid = Grid(points, np.full(len(points), 2 * np.log(axis[1] - axis[0])))
    for law in LAWS:
        law(cast(PRIORS[name], dtype), *((0, grid) if law.__name__ in OVER_ALL_Z else ()))


def test_the_cluster_of_a_vector_follows_bayes_rule():
    z = np.random.default_rng(0).normal(size=(20, 2))
    each = -0.5 * ((z[:, None] - MEANS) / SCALES) ** 2 - np.log(SCALES)
    joint = WEIGHTS * np.exp(each.sum(axis=2))
    with precision_of(z):
        found = jax.vmap(cast(PRIORS["mixture"], np.float64).clusters)(z)
    np.testing.assert_allclose(found, joint / joint.sum(axis=1, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize("name", PRIORS)
def test_lift_undoes_place(name):
    prior = cast(PRIORS[name], np.float64)
    u = np.random.default_rng(1).normal(size=2)
    with precision_of(u):
        np.testing.assert_allclose(prior.lift(prior.place(u)), u, rtol=1e-10)


def test_layers_have_sizes():
    prior = lt.LayeredLatent((3, 2, 1), (4,))
    assert prior.sizes == (3, 2, 1) and prior.dim == 6
    with pytest.raises(ValueError, match="sizes of LayeredLatent"):
        lt.LayeredLatent((3,))
