"""Bijections and their Jacobians against numeric ones, and densities against SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st

from latentia import densities as de
from latentia import supports as su

CASES = [
    (su.real, (2,)),
    (su.positive, (3,)),
    (su.interval(-1, 4), (2,)),
    (su.interval(-np.inf, 2), (2,)),
    (su.simplex, (2, 3)),
    (su.ordered, (4,)),
    (su.positive_ordered, (3,)),
    (su.positive_definite, (3, 3)),
    (su.correlation, (4, 4)),
]


def coordinates(support, value):
    """The numbers that determine a value."""
    if isinstance(support, su.Simplex):
        value = value[..., :-1]
    if isinstance(support, su.PositiveDefinite):
        value = value[..., *np.tril_indices(value.shape[-1])]
    if isinstance(support, su.Correlation):
        value = value[..., *np.tril_indices(value.shape[-1], -1)]
    return np.ravel(value)


@pytest.mark.parametrize(("support", "shape"), CASES, ids=lambda case: str(case)[:30])
def test_bijection_and_its_volume(support, shape):
    with jax.enable_x64(True):
        size = support.size(shape)
        free = np.random.default_rng(0).normal(size=size).reshape(support.free_shape(shape))
        bind = jax.jit(support.bind)
        value, volume = bind(free)
        assert value.shape == shape
        assert support.contains(np.asarray(value))
        np.testing.assert_allclose(support.free(value), free, rtol=1e-9, atol=1e-10)
        steps = 1e-5 * np.eye(size).reshape(size, *free.shape)
        columns = [
            coordinates(support, np.asarray(bind(free + step)[0]))
            - coordinates(support, np.asarray(bind(free - step)[0]))
            for step in steps
        ]
        _, numeric = np.linalg.slogdet(np.array(columns) / 2e-5)
        np.testing.assert_allclose(volume, numeric, atol=1e-7)


PEERS = [
    (de.Normal(1.0, 2.0), st.norm(1, 2)),
    (de.Cauchy(1.0, 2.0), st.cauchy(1, 2)),
    (de.StudentT(3.0, 1.0, 2.0), st.t(3, 1, 2)),
    (de.HalfNormal(2.0), st.halfnorm(0, 2)),
    (de.HalfCauchy(2.0), st.halfcauchy(0, 2)),
    (de.LogNormal(0.5, 0.8), st.lognorm(0.8, scale=np.exp(0.5))),
    (de.Gamma(2.5, 3.0), st.gamma(2.5, scale=1 / 3)),
    (de.InverseGamma(2.5, 3.0), st.invgamma(2.5, scale=3)),
    (de.Exponential(3.0), st.expon(scale=1 / 3)),
    (de.Uniform(-1.0, 3.0), st.uniform(-1, 4)),
    (de.Beta(2.0, 3.0), st.beta(2, 3)),
]


@pytest.mark.parametrize(("density", "peer"), PEERS, ids=lambda case: type(case).__name__)
def test_density_is_that_of_scipy_and_of_its_draws(density, peer):
    with jax.enable_x64(True):
        places = peer.ppf([0.05, 0.4, 0.9])
        np.testing.assert_allclose(density.log_prob(places), peer.logpdf(places).sum(), rtol=1e-9)
        draws = jax.vmap(density.sample)(jax.random.split(jax.random.key(0), 2000))
        # Fails by chance once in 100,000 times.
        assert st.kstest(np.asarray(draws), peer.cdf).pvalue > 1e-5


@pytest.mark.exhaustive
def test_simplex_and_matrix_densities():
    with jax.enable_x64(True):
        x = np.array([0.2, 0.5, 0.3])
        dirichlet = de.Dirichlet(np.array([1.0, 2.0, 3.0]))
        np.testing.assert_allclose(dirichlet.log_prob(x), st.dirichlet([1, 2, 3]).logpdf(x))
        # In two dimensions the correlation is a Beta on (-1, 1).
        matrix = np.array([[1.0, 0.3], [0.3, 1.0]])
        expected = st.beta(2.5, 2.5, loc=-1, scale=2).logpdf(0.3)
        np.testing.assert_allclose(de.LKJ(2, 2.5).log_prob(matrix), expected)
        draws = jax.vmap(de.LKJ(3, 2.0).sample)(jax.random.split(jax.random.key(0), 2000))
        marginal = st.beta(2.5, 2.5, loc=-1, scale=2)
        for place in ((0, 1), (1, 2)):
            assert st.kstest(np.asarray(draws[:, *place]), marginal.cdf).pvalue > 1e-5
        ordered = de.Sorted(de.Normal(0, 2, shape=2)).log_prob(jnp.array([-1.0, 2.0]))
        np.testing.assert_allclose(ordered, np.log(2) + st.norm(0, 2).logpdf([-1, 2]).sum())


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="sd should be positive"):
        de.Normal(0, -1)
    with pytest.raises(ValueError, match="shape should hold the parameters"):
        de.Normal(np.zeros(3), 1, shape=2)
    with pytest.raises(TypeError, match="mean should be a number"):
        de.Normal("a")
    with pytest.raises(ValueError, match="low of an interval should be below high"):
        su.interval(2, 1)
    with pytest.raises(ValueError, match="Flat density cannot be sampled"):
        de.Flat().sample(jax.random.key(0))
