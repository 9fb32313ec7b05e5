import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate2d

import latentia as lt
from latentia.networks import (
    MLP,
    BottomUp,
    BroadcastDecoder,
    ConvDecoder,
    ConvEncoder,
    Dense,
    ResidualMLP,
    as_network,
)
from latentia.networks.convolutional import convolved
from latentia.networks.products import product


# Fewer outputs than channels are added up in another order.
@pytest.mark.parametrize("outputs", [1, 3])
def test_a_convolution_is_the_sum_over_neighbours_and_channels(outputs):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(5, 4, 2)), rng.normal(size=(3, 3, 2, outputs))
    weight = jnp.asarray(kernel.reshape(18, outputs), jnp.float32)
    layer = Dense(weight, jnp.ones(outputs, jnp.float32))
    found = convolved(layer, jnp.asarray(x, jnp.float32))
    for out in range(outputs):
        expected = 1 + sum(
            correlate2d(x[:, :, c], kernel[:, :, c, out], mode="same") for c in range(2)
        )
        np.testing.assert_allclose(found[:, :, out], expected, atol=1e-5)
    every_other = convolved(layer, jnp.asarray(x, jnp.float32), stride=2)
    np.testing.assert_allclose(every_other, found[::2, ::2], atol=1e-5)


@pytest.mark.parametrize(
    "ask",
    [
        lambda f, w, x: f(w, x[0]),
        lambda f, w, x: jax.grad(f)(w, x[0]),
        lambda f, w, x: jax.grad(lambda w: jax.vmap(lambda x: f(w, x))(x).sum())(w),
        lambda f, w, x: jax.vmap(jax.grad(f, (0, 1)), (None, 0))(w, x),
        lambda f, w, x: jax.vmap(jax.hessian(f, (0, 1)), (None, 0))(w, x),
        lambda f, w, x: jax.vmap(f)(jnp.stack([w, 2 * w]), x[:2]),
        lambda f, w, x: jax.vmap(f, (0, None))(jnp.stack([w, 2 * w]), x[0]),
        lambda f, w, x: jax.jit(jax.vmap(jax.vmap(f, (None, 0)), (0, None)))(jnp.stack([w, -w]), x),
    ],
    ids=["one", "slope", "slope_of_all", "slope_of_each", "curvature", "pairs", "weights", "grid"],
)
def test_products_of_rows_are_those_of_matrices(ask):
    rng = np.random.default_rng(1)
    w, x = (jnp.asarray(rng.normal(size=size), jnp.float32) for size in ((3, 2), (4, 5, 3)))
    found = ask(lambda w, x: jnp.sin(product(x, w)).sum(), w, x)
    expected = ask(lambda w, x: jnp.sin(x @ w).sum(), w, x)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.exhaustive
@pytest.mark.parametrize("shape", [(8, 8, 3), (7, 5, 1)])
def test_pictures_of_any_size_come_in_and_out(shape):
    encoder = ConvEncoder(shape, 6, (2, 3), key=1)
    assert encoder(jnp.zeros(shape)).shape == (6,)
    assert ConvEncoder(shape, 6, (2, 3), (4,), key=1)(jnp.zeros(shape)).shape == (6,)
    assert ConvDecoder(4, shape, (3, 2), key=1)(jnp.zeros(4)).shape == shape
    for widths in ((3, 2), ()):
        assert BroadcastDecoder(4, shape, widths, (5,), key=1)(jnp.zeros(4)).shape == shape


def test_a_broadcast_decoder_is_one_function_of_z_and_of_the_place():
    network = BroadcastDecoder(2, (5, 3, 1), (), (4,), key=2)
    z = jnp.array([0.3, -0.7], jnp.float32)
    image = network(z)
    first, last = network.grid
    for row, down in enumerate(np.linspace(-2, 2, 5)):
        for column, across in enumerate(np.linspace(-2, 2, 3)):
            seen = np.array([*z, down, across]) @ np.asarray(first.weight) + first.bias
            expected = jax.nn.silu(seen) @ last.weight + last.bias
            np.testing.assert_allclose(image[row, column], expected, rtol=1e-5, atol=1e-6)


def test_networks_of_vectors_and_of_ones_own():
    assert MLP(6, 2, (3,))(jnp.zeros((2, 3))).shape == (2,)
    assert ResidualMLP(6, 2, 4, 1)(jnp.zeros(6)).shape == (2,)
    assert as_network(jnp.sum, "network")(jnp.ones(3)) == 3
    with pytest.raises(TypeError, match="network should be a network"):
        as_network(3, "network")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MLP(0, 2), "should be a whole number of at least 1"),
        (lambda: ConvEncoder((8, 8), 2), "shape should be"),
        (lambda: ResidualMLP(2, 2, depth=0), "depth of a network"),
        (lambda: Dense(np.zeros((2, 3)), np.zeros(2)), "bias of Dense"),
    ],
)
def test_wrong_sizes_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_deep_model_is_a_file_of_data(tmp_path):
    shape = (4, 4, 1)
    inference = lt.Amortized(ConvEncoder(shape, 4, (3,)))
    for prior, decoder in (
        (lt.GaussianLatent(2), BroadcastDecoder(2, shape, (3,), (4,))),
        (lt.MixtureLatent(3, 2), ConvDecoder(2, shape, (3,))),
        (lt.FlowLatent(2, 2, 4), ConvDecoder(2, shape, (3,))),
    ):
        likelihood = lt.Neural(decoder, lt.BernoulliOutput(), shape, 2, offset=0.0, unit=1.0)
        model = lt.LatentVariableModel(prior, likelihood, inference)
        lt.save(model, tmp_path / "model")
        again = lt.load(tmp_path / "model")
        assert repr(again) == repr(model)
        z = jnp.array([0.3, -0.4], jnp.float32)
        np.testing.assert_array_equal(again.likelihood.mean(z), likelihood.mean(z))


def test_the_levels_of_an_encoder_of_layers_see_the_one_below():
    network = BottomUp(5, (3, 2), 8)
    x = jnp.linspace(-1, 1, 5)
    out = network(x)
    assert out.shape == (2, 5)
    # The upper head sees x through the lower level only.
    cut = eqx.tree_at(lambda n: n.levels[0].layers[-1].weight, network, replace_fn=jnp.zeros_like)
    np.testing.assert_array_equal(cut(x), cut(0 * x))
    first = BottomUp(5, (3, 2), 8, first=MLP(5, 8, ()))
    assert first(x).shape == (2, 5) and "3, 2" in first.describe()
    with pytest.raises(ValueError, match="sizes of a network"):
        BottomUp(5, (3, 0))
