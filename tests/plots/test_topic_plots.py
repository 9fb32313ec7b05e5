import numpy as np
import pytest
from sklearn.decomposition import LatentDirichletAllocation as Peer
from sklearn.exceptions import NotFittedError

from latentia import plots

TOPICS = np.array([[0.5, 0.3, 0.1, 0.1], [0.1, 0.1, 0.2, 0.6]])


def test_the_bars_are_the_most_probable_words_of_the_largest_topics_first(ax):
    display = plots.TopicsDisplay(TOPICS, list("abcd"), shares=[0.4, 0.6], top=2).plot(ax)
    assert display.ax_ is ax and display.figure_ is ax.get_figure()
    names = [[t.get_text() for t in small.get_yticklabels()] for small in display.axes_]
    assert names == [["d", "c"], ["a", "b"]]
    widths = [[bar.get_width() for bar in bars] for bars in display.bars_]
    np.testing.assert_allclose(widths, [[0.6, 0.2], [0.5, 0.3]])
    assert display.axes_[0].get_title(loc="left") == "topic 1, 60% of the words"


def test_many_topics_are_cut_and_the_picture_says_so(ax):
    display = plots.TopicsDisplay(np.full((20, 3), 1 / 3)).plot(ax)
    assert len(display.axes_) == 12
    assert any("12 largest of 20" in text.get_text() for text in ax.texts)


def test_a_fitted_estimator_is_drawn_with_its_words():
    X = np.array([[5, 4, 0], [0, 1, 6], [4, 5, 1]])
    model = Peer(2, random_state=0)
    with pytest.raises(NotFittedError):
        plots.plot_topics(model)
    display = plots.plot_topics(model.fit(X), ["x", "y", "z"], top=1)
    assert {small.get_yticklabels()[0].get_text() for small in display.axes_} <= {"x", "y", "z"}
    np.testing.assert_allclose(display.topics.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"topics": [[0.5, 0.6]]}, "rows that do not sum to 1"),
        ({"words": ["a"]}, "one name for each of the 4"),
        ({"shares": [1.0]}, "one number for each of the 2"),
        ({"top": 0}, "top should be a whole number"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        plots.TopicsDisplay(**{"topics": TOPICS, **options})
