import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import energy_distance

import latentia as lt


def test_the_distance_is_the_energy_distance():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(30, 1)), rng.normal(0.5, 2, size=(50, 1))
    # SciPy gives the root of the same number, for one column only.
    found = lt.two_sample(a, b, permutations=1).distance
    assert found == pytest.approx(energy_distance(a[:, 0], b[:, 0]) ** 2, rel=1e-9)
    a, b = rng.normal(size=(12, 3)), rng.normal(size=(9, 3)) + 1e4
    expected = 2 * cdist(a, b).mean() - cdist(a, a).mean() - cdist(b, b).mean()
    assert lt.two_sample(a, b, permutations=1).distance == pytest.approx(expected, rel=1e-7)


def test_equal_distributions_have_even_p_values_and_others_small_ones():
    rng = np.random.default_rng(1)
    values = [
        lt.two_sample(rng.normal(size=(20, 2)), rng.normal(size=(30, 2)), permutations=99, key=i)
        for i in range(200)
    ]
    share = np.mean([one.p_value <= 0.1 for one in values])
    # Binomial with 200 trials of 0.1: outside by chance once in 2,000 seeds.
    assert 0.03 <= share <= 0.18
    # Means and variances agree, the dependence does not.
    line = rng.normal(size=(200, 1)) * np.ones(2)
    assert lt.two_sample(line, rng.normal(size=(200, 2))).p_value < 0.01


def test_the_same_table_twice_is_as_near_as_can_be():
    x = np.random.default_rng(2).normal(size=(40, 3))
    found = lt.two_sample(x, x[::-1])
    assert abs(found.distance) < 1e-9 and found.p_value == 1
    assert "p = 1" in repr(found)


@pytest.mark.parametrize(
    ("first", "second", "options", "message"),
    [
        (np.zeros((1, 2)), np.zeros((5, 2)), {}, "first should be a table"),
        (np.zeros((5, 2)), np.zeros((5, 3)), {}, "second should have 2 columns"),
        (np.full((5, 2), np.nan), np.zeros((5, 2)), {}, "first should be finite"),
        (np.zeros((5, 2)), np.zeros((5, 2)), {"permutations": 0}, "permutations should be"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(first, second, options, message):
    with pytest.raises(ValueError, match=message):
        lt.two_sample(first, second, **options)


@pytest.mark.parametrize("table", [np.array([["a", "b"]] * 3), [], np.zeros(4), None])
def test_what_is_no_table_is_named(table):
    with pytest.raises((ValueError, TypeError), match="second should"):
        lt.two_sample(np.zeros((5, 2)), table)
