from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.patches import Ellipse

import latentia as lt
from latentia import plots
from latentia.networks import MLP


def model():
    likelihood = lt.Neural(MLP(2, 5, ()), lt.GaussianOutput(), 5, 2, offset=0.5, unit=1.0)
    inference = lt.Amortized(MLP(5, 4, ()), draws=4)
    return lt.LatentVariableModel(lt.GaussianLatent(2), likelihood, inference)


def test_ellipses_hold_half_of_each_posterior(ax):
    rng = np.random.default_rng(0)
    covariance = np.array([[2.0, 0.8], [0.8, 0.5]])
    display = plots.LatentPlaneDisplay(np.zeros((1, 2)), covariance[None]).plot(ax)
    assert display.ax_ is ax and len(display.ellipses_) == 1
    inside = _share(display.ellipses_[0], rng.multivariate_normal(np.zeros(2), covariance, 20_000))
    # Five standard errors.
    assert inside == pytest.approx(0.5, abs=5 * 0.5 / 20_000**0.5)


def _share(ellipse: Ellipse, points: np.ndarray) -> float:
    angle = np.radians(ellipse.angle)
    turned = points @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return float(np.mean(np.sum((2 * turned / [ellipse.width, ellipse.height]) ** 2, axis=1) < 1))


@pytest.mark.slow
def test_the_plane_of_a_model_is_that_of_its_posteriors(ax):
    data = lt.sample(model(), 0, 400).x
    display = plots.plot_latent_plane(model(), data, values=np.arange(400), name="row", ax=ax)
    posterior = lt.infer(model(), data)
    np.testing.assert_allclose(display.means, posterior.mean)
    np.testing.assert_allclose(display.covariances, posterior.covariance)
    assert len(display.ellipses_) == 300
    other = plots.plot_latent_plane(model(), data[:3], dimensions=[1, 0])
    assert other.labels == ("z1", "z0")
    np.testing.assert_allclose(other.means, posterior.mean[:3, ::-1], rtol=1e-5)
    for wrong in ([0], [0, 0], [0, 2], []):
        with pytest.raises(ValueError, match="dimensions should be two different"):
            plots.plot_latent_plane(model(), data[:3], dimensions=wrong)


def test_rates_stand_in_order_and_say_how_many_are_used(ax):
    display = plots.plot_rates(SimpleNamespace(units=np.array([0.001, 3.0, 1.0])), ax=ax)
    assert display.order_.tolist() == [1, 2, 0]
    assert [bar.get_height() for bar in ax.patches] == [3.0, 1.0, 0.001]
    assert ax.get_title(loc="left") == "2 of 3 coordinates are used"
    with pytest.raises(ValueError, match="where the prior is Gaussian"):
        plots.RatesDisplay([1.0, np.nan])


def test_lines_of_equal_bound_and_the_points_of_models_or_epochs(ax):
    found = {name: SimpleNamespace(rate=r, distortion=d) for name, r, d in
             [("small", 5.0, 90.0), ("large", 15.0, 75.0)]}  # fmt: skip
    display = plots.plot_rate_distortion(found, ax=ax)
    assert {text.get_text() for text in ax.texts} >= {"small", "large"}
    sums = [np.sum(line.get_xydata(), axis=1) for line in ax.lines if len(line.get_xydata()) == 2]
    assert len(sums) == 6 and all(np.ptp(each) < 1e-9 for each in sums)
    epochs = [SimpleNamespace(rate=float(i), distortion=100.0 - i) for i in range(4)]
    assert plots.plot_rate_distortion(SimpleNamespace(epochs=epochs)).rate.tolist() == [0, 1, 2, 3]
    assert display.names == ["small", "large"]
    with pytest.raises(ValueError, match="same number of points"):
        plots.RateDistortionDisplay([1.0], [1.0, 2.0])
