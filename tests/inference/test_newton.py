"""Newton's method against the root of the slope, found by bisection."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

from latentia.inference.newton import arrived, ascend
from latentia.precision import precision_of


@pytest.mark.parametrize("count", [0.0, 10.0, 1e3, 1e6])
def test_a_count_however_large_has_its_mode(count):
    # One count with rate exp(5 u), u standard normal: far from the mode the slope is exponential.
    mode = brentq(lambda u: 5 * count - 5 * np.exp(5 * u) - u, -5.0, 5.0, xtol=1e-12)

    def value(u):
        return count * 5 * u[0] - jnp.exp(5 * u[0]) - 0.5 * u @ u

    with precision_of(np.zeros(1)):
        found = ascend(value, jnp.zeros(1))
        assert bool(arrived(value, found))
    np.testing.assert_allclose(found, [mode], rtol=1e-8)
