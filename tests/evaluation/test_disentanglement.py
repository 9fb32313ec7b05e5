import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

import latentia as lt

RNG = np.random.default_rng(0)
FACTORS = RNG.uniform(-1, 1, size=(4000, 3))
FACTORS[:, 2] *= np.pi


def test_codes_that_are_the_factors_are_told_apart():
    found = lt.disentanglement(FACTORS[:, [1, 0, 2]], FACTORS, ["a", "b", "angle"])
    np.testing.assert_allclose(found.r2, 1)
    assert found.information.argmax(axis=0).tolist() == [1, 0, 2]
    # What is left is the bias of counting: about 19^2 / (2 * 4000) nats of an entropy of log 20.
    assert 0.96 < found.gap <= 1
    assert "angle  R²  1.00  most by coordinate 2" in repr(found)


def test_rotated_codes_keep_the_linear_probe_and_lose_the_gap():
    mixed = FACTORS[:, :2] @ np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    found = lt.disentanglement(mixed, FACTORS[:, :2])
    np.testing.assert_allclose(found.r2, 1)
    assert found.gap < 0.05 and found.names == ("0", "1")


def test_an_angle_is_predicted_by_cosine_and_sine():
    codes = np.column_stack([np.cos(FACTORS[:, 2]), np.sin(FACTORS[:, 2])])
    straight = lt.disentanglement(codes, FACTORS[:, 2:], ["angle"])
    round_ = lt.disentanglement(codes, FACTORS[:, 2:], ["angle"], periodic=["angle"])
    assert straight.r2[0] < 0.7 and round_.r2[0] == pytest.approx(1)


def test_information_is_that_of_scikit_learn_and_noise_has_none():
    levels = RNG.integers(0, 4, size=(4000, 2)).astype(float)
    levels[:, 1] = np.where(RNG.random(4000) < 0.5, levels[:, 0], levels[:, 1])
    found = lt.disentanglement(levels[:, :1], levels[:, 1:])
    expected = mutual_info_score(levels[:, 0], levels[:, 1])
    assert found.information[0, 0] == pytest.approx(expected, rel=1e-9)
    noise = lt.disentanglement(RNG.normal(size=(4000, 2)), FACTORS)
    assert abs(noise.r2).max() < 0.01 and noise.gap < 0.02
    constant = lt.disentanglement(FACTORS, np.ones((4000, 1)))
    assert constant.r2[0] == 0 and constant.gap == 0


@pytest.mark.parametrize(
    ("codes", "factors", "options", "message"),
    [
        (FACTORS[:10], FACTORS[:10], {}, "codes should be a table with at least 40 rows"),
        (FACTORS[:50], FACTORS[:60], {}, "factors should have 50 rows"),
        (FACTORS * np.nan, FACTORS, {}, "codes should be finite"),
        (FACTORS, FACTORS, {"names": ["a"]}, "names should hold 3 names"),
        (FACTORS, FACTORS, {"periodic": ["hue"]}, "'hue' is none"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(codes, factors, options, message):
    with pytest.raises(ValueError, match=message):
        lt.disentanglement(codes, factors, **options)
