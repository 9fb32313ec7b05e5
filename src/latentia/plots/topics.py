"""The most probable words of each topic."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure, SubFigure
from sklearn.utils.validation import check_is_fitted

from .canvas import INK, MUTED, axes_for, colour, headline, tidy
from .components import attribute

# As many topics as still have words of a readable size.
_MOST = 12
_ACROSS = 4


class TopicsDisplay:
    """Bars of the most probable words of each topic, the largest topics first.

    Args:
        topics: ``(K, V)``, the probabilities of the words in each topic.
        words: the V words; numbers by default.
        shares: ``(K,)``, how much of all the words each topic has; left out by default.
        top: how many words of each topic to show.

    Attributes:
        ax_: the axes of the picture, whose place the small axes of the topics take.
        axes_: the axes of the topics, largest first.
        figure_: the figure of these axes.
        bars_: the bars of each topic.

    Raises:
        ValueError: if ``topics`` are no distributions, or the names or shares do not fit them.
    """

    ax_: Axes
    axes_: list[Axes]
    figure_: Figure | SubFigure
    bars_: list[BarContainer]

    def __init__(
        self,
        topics: Any,
        words: Sequence[str] | None = None,
        *,
        shares: Any = None,
        top: int = 8,
    ) -> None:
        self.topics = np.asarray(topics, dtype=np.float64)
        proper = self.topics.ndim == 2 and 0 not in self.topics.shape and (self.topics >= 0).all()
        if not proper or not np.allclose(self.topics.sum(axis=1), 1, atol=1e-4):
            raise ValueError(
                "topics should be probabilities of shape (topics, words), but has the shape "
                f"{self.topics.shape} or rows that do not sum to 1: divide each row by its sum."
            )
        count, size = self.topics.shape
        self.words = [f"word {i}" for i in range(size)] if words is None else list(map(str, words))
        if len(self.words) != size:
            raise ValueError(
                f"words should have one name for each of the {size} columns of topics, but has "
                f"{len(self.words)}: pass the vocabulary in the order of the columns."
            )
        self.shares = None if shares is None else np.asarray(shares, dtype=np.float64)
        if self.shares is not None and self.shares.shape != (count,):
            raise ValueError(
                f"shares should have one number for each of the {count} topics, but has the shape "
                f"{self.shares.shape}."
            )
        if isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1:
            raise ValueError(f"top should be a whole number of at least 1, but is {top!r}.")
        self.top = min(int(top), size)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        words: Sequence[str] | None = None,
        *,
        top: int = 8,
        ax: Axes | None = None,
    ) -> "TopicsDisplay":
        """Draw the topics of a fitted latent Dirichlet allocation, ours or scikit-learn's.

        Args:
            estimator: fitted, with ``components_`` of shape (K, V).
            words: the vocabulary, such as ``vectorizer.get_feature_names_out()``; by default the
                names of the columns that were fitted.
            top: how many words of each topic to show.
            ax: the axes whose place the picture takes; new ones by default.

        Returns:
            The display, drawn.

        Raises:
            NotFittedError: if the estimator is not fitted.
            TypeError: if the estimator has no topics.
        """
        check_is_fitted(estimator)
        mass = np.asarray(attribute(estimator, "components_"), dtype=np.float64)
        if words is None:
            words = getattr(estimator, "feature_names_in_", None)
        totals = mass.sum(axis=1)
        shares = totals / totals.sum()
        return cls(mass / totals[:, None], words, shares=shares, top=top).plot(ax)

    def plot(self, ax: Axes | None = None) -> "TopicsDisplay":
        """Draw on the place of ``ax``, or on new axes, and return the display."""
        count = len(self.topics)
        order = np.arange(count) if self.shares is None else np.argsort(-self.shares, kind="stable")
        shown = order[:_MOST]
        across = min(len(shown), _ACROSS)
        down = -(-len(shown) // across)
        self.ax_, self.figure_ = axes_for(ax, (2.6 * across, 0.9 + (0.55 + 0.22 * self.top) * down))
        note = "" if len(shown) == count else f"The {len(shown)} largest of {count} topics"
        self.ax_.set_axis_off()
        headline(self.ax_, "Most probable words of each topic", [note])
        widest = self.topics[shown].max()
        self.axes_, self.bars_ = [], []
        for place, index in enumerate(shown):
            small = self.ax_.inset_axes(_box(place, across, down))
            self._bars(small, int(index), float(widest))
            self.axes_.append(small)
        return self

    def _bars(self, ax: Axes, index: int, widest: float) -> None:
        topic = self.topics[index]
        best = np.argsort(-topic, kind="stable")[: self.top]
        places = np.arange(len(best))
        self.bars_.append(ax.barh(places, topic[best], color=colour(index), height=0.72))
        ax.set_yticks(places, [self.words[i] for i in best])
        ax.invert_yaxis()
        ax.set_xlim(0, 1.05 * widest)
        ax.locator_params(axis="x", nbins=3)
        tidy(ax)
        ax.tick_params(axis="y", length=0, labelsize=8.5)
        ax.tick_params(axis="x", labelsize=7.5, labelcolor=MUTED)
        share = "" if self.shares is None else f", {self.shares[index]:.0%} of the words"
        ax.set_title(f"topic {index}{share}", loc="left", fontsize=9, color=INK)


def _box(place: int, across: int, down: int) -> tuple[float, float, float, float]:
    """Left, bottom, width and height of the topic ``place`` in the whole."""
    row, column = divmod(place, across)
    width, height = 1 / across, 1 / down
    # Room for the words on the left of the bars, and for the title above them.
    left, above = 0.36 * width, 0.16 * height
    bottom = 1 - (row + 1) * height + 0.1 * height
    return column * width + left, bottom, 0.58 * width, height - above - 0.1 * height


def plot_topics(
    estimator: Any,
    words: Sequence[str] | None = None,
    *,
    top: int = 8,
    ax: Axes | None = None,
) -> TopicsDisplay:
    """Draw the topics of a topic model: see ``TopicsDisplay.from_estimator``."""
    return TopicsDisplay.from_estimator(estimator, words, top=top, ax=ax)
