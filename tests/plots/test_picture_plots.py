import numpy as np
import pytest

import latentia as lt
from latentia import plots
from latentia.networks import MLP


def model(shape=(4, 5, 3)):
    size = int(np.prod(shape))
    likelihood = lt.Neural(MLP(2, size, ()), lt.GaussianOutput(), shape, 2, offset=0.5, unit=1.0)
    inference = lt.Amortized(MLP(size, 4, ()), draws=4)
    return lt.LatentVariableModel(lt.GaussianLatent(2), likelihood, inference)


def test_grids_have_a_place_for_every_picture():
    pictures = np.linspace(0, 1, 10 * 4 * 5).reshape(10, 4, 5)
    display = plots.plot_pictures(pictures, columns=4, title="Ten")
    assert display.pictures.shape == (3, 4, 4, 5, 1)
    assert display.array.shape == (3 * 4 + 2, 4 * 5 + 3, 3)
    np.testing.assert_allclose(display.array[:4, :5, 0], pictures[0])


@pytest.mark.slow
def test_draws_reconstructions_and_walks_of_a_model():
    assert plots.plot_draws(model(), n=6, columns=3).pictures.shape == (2, 3, 4, 5, 3)
    data = lt.sample(model(), 0, 3).x
    assert plots.plot_reconstructions(model(), data).pictures.shape == (2, 3, 4, 5, 3)
    walk = plots.plot_traversal(model(), np.zeros(2), steps=5)
    assert walk.pictures.shape == (2, 5, 4, 5, 3)
    # In the middle of every row stands the picture of the z itself.
    np.testing.assert_allclose(walk.pictures[0, 2], walk.pictures[1, 2], atol=1e-6)


def test_flat_rows_are_square_pictures_or_none():
    assert plots.plot_draws(model((9,)), n=2).pictures.shape == (1, 2, 3, 3, 1)
    with pytest.raises(ValueError, match="should be of pictures"):
        plots.plot_draws(model((8,)), n=2)
    with pytest.raises(ValueError, match="should have the shape"):
        plots.plot_pictures(np.zeros((2, 3, 3, 2)))
