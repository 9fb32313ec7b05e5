"""Factors of stacks of matrices."""

import subprocess
import sys

import jax
import numpy as np
import pytest
from jax.test_util import check_grads

from latentia.numerics import factor_inverse


@pytest.mark.parametrize("shape", [(300, 12), (3, 41, 16), (2, 80)])
def test_a_large_stack_is_factored_as_each_of_its_matrices(shape):
    rng = np.random.default_rng(0)
    roots = rng.normal(size=(*shape, shape[-1]))
    stack = roots @ np.swapaxes(roots, -1, -2) / shape[-1] + np.eye(shape[-1])
    with jax.enable_x64(True):
        whitener, log_det = map(np.asarray, jax.jit(factor_inverse)(stack))
        slope = np.asarray(jax.grad(lambda m: factor_inverse(m)[1].sum())(stack))
    white = whitener @ stack @ np.swapaxes(whitener, -1, -2)
    np.testing.assert_allclose(white, np.broadcast_to(np.eye(shape[-1]), white.shape), atol=1e-9)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(stack)[1], rtol=1e-12)
    symmetric = (slope + np.swapaxes(slope, -1, -2)) / 2
    np.testing.assert_allclose(symmetric, np.linalg.inv(stack), atol=1e-9)


@pytest.mark.parametrize("size", [3, 6])
def test_derivatives_of_factors_are_those_of_differences(size):
    rng = np.random.default_rng(1)
    root = rng.normal(size=(4, size, size))
    stack = root @ np.swapaxes(root, -1, -2) / size + np.eye(size)
    with jax.enable_x64(True):
        for function in (factor_inverse, jax.vmap(factor_inverse)):
            check_grads(function, (stack,), 2, modes=["fwd", "rev"], atol=1e-5, rtol=1e-5)


AT_ONCE = """
import jax
import numpy as np
from latentia.numerics import factor_inverse
stacks = [np.stack([(2 + i) * np.eye(16, dtype="f4")] * 1024) for i in range(4)]
one = jax.vmap(factor_inverse)  # as states see it, one by one
factors = jax.jit(lambda stacks: [one(each) for each in stacks])
for _ in range(300):
    jax.block_until_ready(factors(stacks))
"""


@pytest.mark.slow
def test_large_stacks_that_are_factored_at_once_do_not_wait_for_each_other():
    subprocess.run([sys.executable, "-c", AT_ONCE], check=True, timeout=120)
