"""Covariances above a floor, and their derivatives, against differences."""

import jax
import numpy as np
import pytest

import latentia as lt
from catalogue import MODELS
from latentia.distributions.spectrum import floor_spectrum

FLOOR = np.array([0.5, 1.0, 2.0])
TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]


def covariance(*values):
    """With these eigenvalues in units of the floor."""
    unit = np.sqrt(FLOOR)
    return (TURN * np.array(values)) @ TURN.T * np.outer(unit, unit)


@pytest.mark.parametrize("values", [(0.2, 0.7, 3.0), (0.4, 0.4, 0.4)])
def test_derivatives_are_those_of_the_clipped_eigenvalues(values):
    """Also where some eigenvalues agree, and a derivative of each alone does not exist."""
    moved = np.random.default_rng(1).normal(size=(2, 3, 3))
    moved = moved + np.swapaxes(moved, 1, 2)
    stack = np.stack([covariance(*values), covariance(0.1, 1.5, 5.0)])
    with jax.enable_x64(True):
        ask = jax.jit(jax.vmap(floor_spectrum, (0, None)))
        slope = jax.jit(jax.grad(lambda s: (moved * ask(s, FLOOR)).sum()))(stack)
        step = 1e-6 * np.random.default_rng(2).normal(size=stack.shape)
        step = step + np.swapaxes(step, 1, 2)
        change = (moved * (np.asarray(ask(stack + step, FLOOR)) - ask(stack - step, FLOOR))).sum()
    assert (np.asarray(slope) * 2 * step).sum() == pytest.approx(float(change), rel=1e-6)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["gaussian mixture", "gaussian hidden markov model"])
def test_the_gradient_reaches_what_em_reaches(name):
    model = MODELS[name]
    x = lt.sample(model, 0, 80).x
    x[::7, ..., 0] = np.nan
    em = lt.fit(model, x, learner=lt.EM(start="given", tol=1e-10))
    gradient = lt.fit(model, x, learner=lt.Gradient(start="given", max_iter=200))
    assert gradient.converged, gradient.status
    assert gradient.log_likelihood == pytest.approx(em.log_likelihood, abs=1e-4)
