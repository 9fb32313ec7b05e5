import numpy as np
import pytest

from latentia.datasets import doges


def test_pictures_and_factors_have_the_shapes_and_ranges_promised():
    drawn = doges(5, seed=3, size=24)
    assert drawn.images.shape == (5, 24, 24, 3) and drawn.images.dtype == np.float32
    assert drawn.images.min() >= 0 and drawn.images.max() <= 1
    assert drawn.factors.shape == (5, len(drawn.names)) == (5, 9)


def test_equal_seeds_draw_equal_pictures_however_many_are_drawn_at_once():
    many = doges(300, seed=1, size=16)
    np.testing.assert_array_equal(many.images, doges(300, seed=1, size=16).images)
    assert np.unique(many.images.reshape(300, -1), axis=0).shape[0] == 300


def test_every_factor_moves_the_picture_smoothly():
    still = dict.fromkeys(doges(1).names, 0.0) | {
        "size": 1.0,
        "hue": 0.5,
        "mouth": 0.5,
        "light": 0.5,
    }
    for name, step in [("turn", 0.05), ("tilt", 0.02), ("ears", 0.1), ("mouth", 0.05),
                       ("hue", 0.1), ("size", 0.02), ("across", 0.01), ("down", 0.01),
                       ("light", 0.05)]:  # fmt: skip
        pair = doges(2, factors=still | {name: still[name] + np.array([0.0, step])}).images
        change = np.abs(pair[1] - pair[0])
        assert 0 < change.mean() < 0.02, name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n should be a whole number of at least 1"),
        ({"n": 2, "size": 4}, "size should be"),
        ({"n": 2, "factors": {"tail": 1.0}}, "factors should be among"),
        ({"n": 2, "factors": {"mouth": 2.0}}, r"factors\['mouth'\] should be"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        doges(**arguments)
