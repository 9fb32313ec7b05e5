"""The first operation that goes wrong is found, with its entry and its line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import latentia as lt
from latentia.densities import Normal
from latentia.inference.forensics import first_broken


def logs(z):
    gaps = z - np.arange(4.0)
    return jnp.sum(jnp.log(gaps))


def test_the_entry_and_the_line_are_named():
    line = logs.__code__.co_firstlineno + 2
    told = first_broken(logs, jnp.array(2.5))
    assert told == f"log of -0.5, entry [3], is nan, in line {line} of test_forensics.py"
    assert first_broken(logs, jnp.array(3.5)) == ""


def test_nan_comes_before_an_infinity_that_may_be_meant():
    def masked(z):
        there = jnp.where(z > 0, jnp.log(jnp.zeros(())), 0.0)
        return jnp.exp(there) + jnp.sqrt(z - 5.0)

    assert first_broken(masked, jnp.array(1.0)).startswith("sqrt of -4 is nan")
    assert first_broken(masked, jnp.array(6.0)).startswith("log of 0 is -inf")


def test_slopes_and_compiled_parts_are_searched_too():
    root = jax.jit(lambda z: jnp.sqrt(z * 0))
    assert first_broken(jax.grad(root), jnp.array(2.0)).startswith("div of 0.5 and 0 is inf")


def reciprocal(x, z):
    scale = z["m"] - x
    return jnp.sum(jnp.log(scale))


def test_infer_says_which_operation_and_which_datum():
    model = lt.LatentVariableModel(lt.Continuous({"m": Normal(0, 0.1)}), lt.Custom(reciprocal))
    line = reciprocal.__code__.co_firstlineno + 2
    told = rf"log of -9, entry \[2\], is nan, in line {line} of test_forensics.py"
    with pytest.raises(ValueError, match=told):
        lt.infer(model, np.array([-20.0, -30, 9]))


def test_infer_says_which_operation_has_no_slope():
    model = lt.LatentVariableModel(
        lt.Continuous({"m": Normal(0, 3)}), lt.Custom(lambda x, z: jnp.sqrt(z["m"] * 0))
    )
    with pytest.raises(ValueError, match=r"not along m.*\(first, .* is inf, in line \d+"):
        lt.infer(model, np.zeros(1))
