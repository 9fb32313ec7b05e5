"""Reports on fits: the order of states."""

import jax
import numpy as np
import pytest

from latentia.learning.reporting import _in_order


@pytest.mark.parametrize(("rows", "keys"), [(1, 4), (7, 3), (40, 200)])
def test_states_are_in_lexicographic_order_and_ties_stay_as_they_are(rows, keys):
    rng = np.random.default_rng(rows)
    values = rng.integers(2, size=(rows, keys)).astype("f4")
    values[rows // 2 :] = values[: rows - rows // 2]
    # numpy takes the last key first.
    expected = np.lexsort(values.T[::-1])
    np.testing.assert_array_equal(jax.jit(_in_order)(values), expected)


def test_programs_stay_small_however_many_keys_there_are():
    few, many = (
        jax.jit(_in_order).lower(np.zeros((16, keys), "f4")).as_text().count("\n")
        for keys in (3, 1057)
    )
    assert many == few
