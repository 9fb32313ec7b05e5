import subprocess
import sys

import numpy as np
import pytest
from sklearn.decomposition import FactorAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture

from latentia import plots


def fit(data, k=2, **options):
    return GaussianMixture(k, random_state=0, **options).fit(data)


def labels_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def words_of(ax):
    return " ".join([ax.get_title(loc="left"), *(text.get_text() for text in ax.texts)])


def every_picture(faithful):
    mixture, factors = fit(faithful), FactorAnalysis(1).fit(faithful)
    return {
        "clusters": lambda ax: plots.plot_clusters(mixture, faithful, ax=ax),
        "uncertainty": lambda ax: plots.plot_uncertainty(mixture, faithful, ax=ax),
        "selection": lambda ax: plots.plot_selection(table(), ax=ax),
        "trace": lambda ax: plots.plot_trace([-2.0, -1.0], [-1.0, -1.5], ax=ax),
        "loadings": lambda ax: plots.plot_loadings(factors, ax=ax),
        "profiles": lambda ax: plots.ProfilesDisplay([[[0.2, 0.8], [0.5, 0.5]]]).plot(ax),
    }


NAMES = ["clusters", "uncertainty", "selection", "trace", "loadings", "profiles"]


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_drawn_on_the_given_axes_or_on_its_own(name, faithful, ax):
    draw = every_picture(faithful)[name]
    given = draw(ax)
    assert given.ax_ is ax and given.figure_ is ax.figure
    own = draw(None)
    assert own.ax_ is not ax and own.figure_ is own.ax_.figure
    again = own.plot()
    assert again is own and own.ax_.figure is not given.figure_
    own.figure_.canvas.draw()
    with pytest.raises(TypeError, match="ax should be a matplotlib Axes"):
        draw(np.array([ax]))


@pytest.mark.slow
def test_a_given_axes_needs_no_pyplot():
    code = """
import sys
from matplotlib.figure import Figure
from latentia.plots import plot_trace
plot_trace([-2.0, -1.0], ax=Figure().subplots())
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# Selection


def table():
    rows = [
        {"components": k, "covariance": kind, "status": "converged", "bic": bic, "held_out": -bic}
        for kind, values in {"full": [9.0, 5.0, 7.0], "tied": [8.0, 6.0, 1.0]}.items()
        for k, bic in enumerate(values, start=1)
    ]
    rows[-1]["status"] = "degenerate"
    return rows


@pytest.mark.parametrize(("criterion", "word"), [("bic", "lower"), ("held_out", "higher")])
def test_the_ring_is_on_the_best_that_is_not_degenerate(ax, criterion, word):
    display = plots.plot_selection(table(), criterion, ax=ax)
    assert display.best_ == table()[1]
    (ring,) = [line for line in ax.lines if line.get_label() == "best"]
    assert ring.get_xdata()[0] == pytest.approx(2, abs=0.2)
    assert ring.get_ydata()[0] == table()[1][criterion]
    assert f"({word} is better)" in ax.get_ylabel()
    assert "Best: 2 components, full covariance" in words_of(ax)


def test_there_is_a_line_for_each_covariance_and_degenerate_ones_are_hollow(ax):
    plots.plot_selection(table(), ax=ax)
    assert labels_of(ax) == ["full", "tied", "best", "degenerate, never chosen"]
    assert [len(line.get_xdata()) for line in ax.lines if line.get_marker() == "None"] == [3, 3]
    dots = [
        line for line in ax.lines if line.get_marker() in ("o", "s") and line.get_label() != "best"
    ]
    hollow = [dot for dot in dots if dot.get_markerfacecolor() == "white"]
    assert len(dots) == 6 and len(hollow) == 1 and hollow[0].get_ydata()[0] == 1.0


def test_candidates_without_a_value_or_a_kind(ax):
    rows = [{"components": k, "bic": b, "status": "ok"} for k, b in enumerate([3.0, None, np.nan])]
    display = plots.plot_selection(rows, ax=ax)
    assert display.best_ is rows[0] and ax.get_legend() is None
    assert "Not shown: 2 of 3 candidates" in words_of(ax)
    nothing = plots.plot_selection(rows[1:])
    assert nothing.best_ is None and "No candidate" in words_of(nothing.ax_)


def test_a_table_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="criterion should be one of.*'dic'"):
        plots.plot_selection(table(), "dic")
    with pytest.raises(ValueError, match="table .* is empty"):
        plots.plot_selection([])
    with pytest.raises(ValueError, match="key 'icl' in each row"):
        plots.plot_selection(table(), "icl")


# Trace


def test_the_trace_counts_iterations_from_one_and_starts_that_agree(ax):
    display = plots.plot_trace([-3.0, -2.0, -1.0], [-1.0, -1.5, np.nan, -1 - 1e-9], ax=ax)
    assert ax.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert ax.lines[0].get_ydata().tolist() == [-3, -2, -1]
    assert "2 of 4 starts reached the best, 1 failed" in words_of(ax)
    same, other = display.starts_ax_.collections
    assert (len(same.get_offsets()), len(other.get_offsets())) == (2, 1)
    assert "higher is better" in ax.get_ylabel()


@pytest.mark.parametrize("starts", [None, [-1.0]])
def test_one_start_has_no_strip(ax, starts):
    assert plots.plot_trace([-1.0], starts, ax=ax).starts_ax_ is None


@pytest.mark.parametrize("arguments", [([],), ([[1.0]],), ([np.nan],), ([1.0], [np.nan])])
def test_a_trace_of_nothing_is_refused(arguments):
    with pytest.raises(ValueError, match="should be a series of numbers"):
        plots.plot_trace(*arguments)


# Loadings


def test_loadings_are_written_in_a_symmetric_map(faithful, ax):
    loadings = np.array([[0.5], [-1.25]])
    display = plots.LoadingsDisplay(loadings, ["one", "two"]).plot(ax)
    assert [text.get_text() for text in display.texts_] == ["0.50", "−1.25"]
    assert display.image_.get_clim() == (-1.25, 1.25)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "two"]
    estimator = FactorAnalysis(1).fit(faithful)
    fitted = plots.plot_loadings(estimator)
    np.testing.assert_array_equal(fitted.loadings, estimator.components_.T)
    assert fitted.names == ["eruptions", "waiting"]


def test_many_loadings_have_a_colour_bar_in_place_of_numbers(ax):
    display = plots.LoadingsDisplay(np.ones((200, 2))).plot(ax)
    assert display.texts_ == [] and len(ax.figure.axes) == 2
    assert len(ax.get_yticklabels()) <= 60


def test_loadings_that_do_not_fit_are_refused(faithful):
    with pytest.raises(ValueError, match=r"\(columns, factors\).*\(3,\)"):
        plots.LoadingsDisplay(np.ones(3))
    with pytest.raises(ValueError, match="finite"):
        plots.LoadingsDisplay([[np.nan]])
    with pytest.raises(ValueError, match="names should have one name for each of the 2"):
        plots.LoadingsDisplay(np.ones((2, 1)), ["a"])
    with pytest.raises(NotFittedError):
        plots.plot_loadings(FactorAnalysis())
    with pytest.raises(TypeError, match="components_"):
        plots.plot_loadings(fit(faithful))


# Profiles

BINARY = [[[0.2, 0.8], [0.5, 0.5]], [[1.0, 0.0], [0.25, 0.75]]]
MIXED = [*BINARY, [[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]]]


def test_two_levels_are_lines_of_the_second(ax):
    plots.ProfilesDisplay(BINARY, weights=[0.3, 0.7], levels=["no", "yes"]).plot(ax)
    assert [line.get_ydata().tolist() for line in ax.lines] == [[0.8, 0.0], [0.5, 0.75]]
    assert labels_of(ax) == ["0  (30%)", "1  (70%)"]
    assert ax.get_ylabel() == "probability of yes"


def test_more_levels_are_bars_that_add_up_to_one(ax):
    plots.ProfilesDisplay(MIXED, items=["a", "b", "c"]).plot(ax)
    assert len(ax.patches) == 2 * (2 + 2 + 3)
    widths = {}
    for bar in ax.patches:
        widths[bar.get_y()] = widths.get(bar.get_y(), 0) + bar.get_width()
    assert len(widths) == 6
    np.testing.assert_allclose(list(widths.values()), 1)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c"]
    assert labels_of(ax) == ["level 0", "level 1", "level 2"]


def test_profiles_of_an_estimator(ax, faithful):
    estimator = fit(faithful)
    estimator.item_probabilities_ = [np.array(p) for p in BINARY]
    display = plots.plot_profiles(estimator, ax=ax)
    assert display.items == ["eruptions", "waiting"]
    np.testing.assert_array_equal(display.weights, estimator.weights_)
    with pytest.raises(TypeError, match="item_probabilities_"):
        plots.plot_profiles(fit(faithful))
    with pytest.raises(NotFittedError):
        plots.plot_profiles(GaussianMixture())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"item_probabilities": []}, "for each item"),
        ({"item_probabilities": [[0.5, 0.5]]}, "for each item"),
        ({"item_probabilities": [BINARY[0], [[1.0, 0.0]]]}, "equal numbers of classes"),
        ({"item_probabilities": [[[0.5, 0.6]]]}, r"item_probabilities\[0\].*sum to"),
        ({"item_probabilities": BINARY, "weights": [1.0]}, r"weights should have shape \(2,\)"),
        ({"item_probabilities": BINARY, "items": ["a"]}, "items should have 2 names, but has 1"),
        ({"item_probabilities": BINARY, "levels": ["a"]}, "levels should have 2 names"),
    ],
)
def test_profiles_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        plots.ProfilesDisplay(**arguments)
