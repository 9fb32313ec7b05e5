import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.colors import to_hex
from scipy.stats import chi2
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture

from latentia import plots

COVARIANCES = ["full", "tied", "diag", "spherical"]


def fit(data, k=2, **options):
    return GaussianMixture(k, random_state=0, **options).fit(data)


def labels_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def words_of(ax):
    return " ".join([ax.get_title(loc="left"), *(text.get_text() for text in ax.texts)])


def points_of(ax):
    return np.concatenate([collection.get_offsets() for collection in ax.collections])


@pytest.mark.parametrize("kind", COVARIANCES)
def test_each_cluster_has_two_ellipses_that_hold_half_and_95_percent(faithful, ax, kind):
    estimator = fit(faithful, 3, covariance_type=kind)
    display = plots.plot_clusters(estimator, faithful, ax=ax)
    assert len(display.ellipses_) == 6
    covariances = {
        "full": lambda s: s,
        "tied": lambda s: np.broadcast_to(s, (3, 2, 2)),
        "diag": lambda s: np.array([np.diag(v) for v in s]),
        "spherical": lambda s: np.array([v * np.eye(2) for v in s]),
    }[kind](estimator.covariances_)
    for index, ellipse in enumerate(display.ellipses_):
        k, share = index // 2, (0.5, 0.95)[index % 2]
        edge = ellipse.get_patch_transform().transform(
            [(np.cos(t), np.sin(t)) for t in np.linspace(0, 6, 9)]
        )
        away = edge - estimator.means_[k]
        distances = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariances[k]), away)
        np.testing.assert_allclose(distances, chi2.ppf(share, 2))


def test_points_carry_the_colour_of_their_cluster_and_the_size_of_their_doubt(faithful, ax):
    estimator = fit(faithful)
    plots.plot_clusters(estimator, faithful, ax=ax)
    posterior = estimator.predict_proba(faithful)
    for k, drawn in enumerate(ax.collections):
        mine = estimator.predict(faithful) == k
        np.testing.assert_array_equal(drawn.get_offsets(), faithful[mine])
        assert to_hex(drawn.get_facecolor()[0]).upper() == plots.canvas.COLOURS[k]
        sizes, certainty = drawn.get_sizes(), posterior[mine].max(axis=1)
        assert (np.argsort(-sizes)[:3] == np.argsort(certainty)[:3]).all()


def test_axes_and_legend_name_columns_and_weights(faithful, ax):
    estimator = fit(faithful)
    plots.plot_clusters(estimator, faithful, ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("eruptions", "waiting")
    assert labels_of(ax)[:2] == [f"{k}  ({w:.0%})" for k, w in enumerate(estimator.weights_)]
    assert "272 points in 2 clusters" in words_of(ax)


def test_points_with_missing_values_are_left_out_and_counted(faithful, ax):
    estimator = fit(faithful)
    holes = faithful.copy()
    holes.iloc[:3, 1] = np.nan
    plots.plot_clusters(estimator, holes, ax=ax)
    assert len(points_of(ax)) == 269
    assert "Not shown: 3 points with missing values" in words_of(ax)
    with pytest.raises(ValueError, match="has none"):
        plots.plot_clusters(estimator, faithful * np.nan, ax=ax)


def test_a_value_missing_elsewhere_does_not_hide_a_point(wide, ax):
    class Tolerant(GaussianMixture):
        def predict_proba(self, X):
            return super().predict_proba(np.nan_to_num(X))

    estimator = Tolerant(2, random_state=0).fit(wide)
    holes = wide.copy()
    holes[:5, 3] = np.nan
    plots.plot_clusters(estimator, holes, ax=ax, columns=(0, 2))
    assert len(points_of(ax)) == 80
    plots.plot_clusters(estimator, holes, columns=None)
    assert len(points_of(plt.gca())) == 75


@pytest.mark.parametrize("make", [lambda f: f, pl.from_pandas])
@pytest.mark.parametrize("columns", [("c", "a"), (2, 0)])
def test_columns_are_chosen_by_name_or_number(wide, ax, make, columns):
    frame = pd.DataFrame(wide, columns=list("abcd"))
    estimator = fit(frame)
    display = plots.plot_clusters(estimator, make(frame), ax=ax, columns=columns)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("c", "a")
    np.testing.assert_allclose(display.points, wide[:, [2, 0]])
    np.testing.assert_allclose(display.components.means, estimator.means_[:, [2, 0]])


def test_columns_of_an_array_are_named_by_number(wide, ax):
    plots.plot_clusters(fit(wide), wide, ax=ax, columns=(3, 1))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("column 3", "column 1")


def test_many_columns_are_shown_along_the_principal_axes(wide, ax):
    estimator = fit(wide)
    display = plots.plot_clusters(estimator, wide, ax=ax)
    # An independent route: the singular vectors of the data, which the model's axes match at the
    # maximum of the likelihood up to the small ridge of scikit-learn.
    centred = wide - wide.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    for i in (0, 1):
        shown, expected = display.points[:, i], centred @ directions[i]
        np.testing.assert_allclose(shown * np.sign(shown @ expected), expected, atol=1e-4)
    assert "principal axis 1" in ax.get_xlabel() and "column 2" in ax.get_xlabel()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (("a", "zz"), "'zz' is none: choose from"),
        ((0, 4), "4 is none"),
        ((0, -1), "-1 is none"),
        ((0,), "two different columns"),
        ("a", "two different columns"),
        ((1, 1), "two different columns"),
    ],
)
def test_columns_that_do_not_exist_are_refused(wide, columns, message):
    frame = pd.DataFrame(wide, columns=list("abcd"))
    with pytest.raises(ValueError, match=message):
        plots.plot_clusters(fit(frame), frame, columns=columns)


def test_what_is_no_fitted_mixture_of_these_columns_is_refused(faithful, wide):
    with pytest.raises(NotFittedError):
        plots.plot_clusters(GaussianMixture(2), faithful)
    with pytest.raises(TypeError, match="attribute weights_, but a KMeans has none"):
        plots.plot_clusters(KMeans(2, n_init=1).fit(faithful), faithful)
    with pytest.raises(ValueError, match="4 columns that the estimator was fitted with.*has 2"):
        plots.plot_clusters(fit(wide), faithful)
    with pytest.raises(ValueError, match="at least 2 columns"):
        plots.plot_clusters(fit(wide[:, :1]), wide[:, :1])
    with pytest.raises(ValueError, match="2 dimensions.*has 1"):
        plots.plot_clusters(fit(wide), wide[:, 0])
    with pytest.raises(ValueError, match="only numbers"):
        plots.plot_clusters(fit(faithful), faithful.assign(waiting="long"))


# Uncertainty


@pytest.mark.parametrize("make", [lambda f: f, pl.from_pandas, lambda f: f.to_numpy()])
def test_contours_follow_the_density_on_a_log_scale(faithful, ax, make):
    data = make(faithful)
    estimator = fit(data)
    display = plots.plot_uncertainty(estimator, data, ax=ax)
    steps = np.diff(display.contours_.levels)
    np.testing.assert_allclose(steps, steps[0])
    x, y = display.grid
    place = np.array([[x[7], y[30]]])
    if not isinstance(data, np.ndarray):
        place = pd.DataFrame(place, columns=faithful.columns)
    assert display.log_density[30, 7] == pytest.approx(estimator.score_samples(place)[0])


def test_the_colour_of_a_point_is_its_uncertainty(faithful, ax):
    estimator = fit(faithful, 3)
    display = plots.plot_uncertainty(estimator, faithful, ax=ax)
    expected = np.sort(1 - estimator.predict_proba(faithful).max(axis=1))
    np.testing.assert_allclose(display.scatter_.get_array(), expected)
    assert display.scatter_.get_clim() == pytest.approx((0, 2 / 3))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("eruptions", "waiting")


def test_uncertainty_leaves_missing_points_out_and_refuses_other_widths(faithful, wide, ax):
    holes = faithful.copy()
    holes.iloc[0, 0] = np.nan
    display = plots.plot_uncertainty(fit(faithful), holes, ax=ax)
    assert len(display.points) == 271
    assert "Not shown: 1 point with missing values" in words_of(ax)
    with pytest.raises(ValueError, match="2 columns for this picture, but has 4"):
        plots.plot_uncertainty(fit(wide), wide)
    with pytest.raises(NotFittedError):
        plots.plot_uncertainty(GaussianMixture(2), faithful)
    with pytest.raises(TypeError, match="score_samples"):
        plots.plot_uncertainty(KMeans(2, n_init=1).fit(faithful), faithful)
