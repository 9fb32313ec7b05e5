"""What each class of a latent class model answers to each item."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from sklearn.utils.validation import check_is_fitted

from .canvas import MUTED, axes_for, colour, headline, legend, marker, tidy
from .components import attribute

_BAR = 0.82


class ProfilesDisplay:
    """The probabilities of the levels of each item, class by class.

    If every item has two levels, one line for each class joins the probabilities of the second
    level. Otherwise each item has one bar for each class, divided into the levels.

    Args:
        item_probabilities: for each item an array of shape (K, levels) whose rows sum to 1.
        weights: the weights of the K classes; without them the legend has none.
        items: the names of the items; numbers by default.
        levels: the names of the levels, if all items share them; numbers by default.

    Attributes:
        ax_: the axes of the picture.
        figure_: the figure of these axes.

    Raises:
        ValueError: if the probabilities, the weights or the names do not fit each other.
    """

    ax_: Axes
    figure_: Figure | SubFigure

    def __init__(
        self,
        item_probabilities: Sequence[Any],
        *,
        weights: Any = None,
        items: Sequence[str] | None = None,
        levels: Sequence[str] | None = None,
    ) -> None:
        self.item_probabilities = [np.asarray(p, dtype=np.float64) for p in item_probabilities]
        self.n_classes = _count_classes(self.item_probabilities)
        count = len(self.item_probabilities)
        most = max(p.shape[1] for p in self.item_probabilities)
        self.weights = None if weights is None else np.asarray(weights, dtype=np.float64)
        self.items = _names(items, "items", count, "item")
        self.levels = _names(levels, "levels", most, "level")
        if self.weights is not None and self.weights.shape != (self.n_classes,):
            raise ValueError(
                f"weights should have shape ({self.n_classes},), one weight for each class, but "
                f"has {self.weights.shape}: pass the weights of the same model."
            )

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Axes | None = None, levels: Sequence[str] | None = None
    ) -> "ProfilesDisplay":
        """Draw the profiles of a fitted latent class model.

        Args:
            estimator: a fitted estimator with ``item_probabilities_``, for each item an array of
                shape (K, levels), and ``weights_``.
            ax: the axes to draw on; new ones by default.
            levels: the names of the levels, if all items share them; numbers by default.

        Returns:
            The display, drawn.

        Raises:
            NotFittedError: if the estimator is not fitted.
            TypeError: if the estimator is not a latent class model.
            ValueError: if ``levels`` do not fit.
        """
        check_is_fitted(estimator)
        names = getattr(estimator, "feature_names_in_", None)
        display = cls(
            attribute(estimator, "item_probabilities_"),
            weights=attribute(estimator, "weights_"),
            items=None if names is None else [str(name) for name in names],
            levels=levels,
        )
        return display.plot(ax)

    def plot(self, ax: Axes | None = None) -> "ProfilesDisplay":
        """Draw on ``ax``, or on new axes, and return the display."""
        binary = all(p.shape[1] == 2 for p in self.item_probabilities)
        count, rows = len(self.items), len(self.items) * (self.n_classes + 0.6)
        size = (6.4, 4.4) if binary else (6.4, min(max(1.3 + 0.2 * rows, 2.6), 14.0))
        if binary:
            size = (min(max(6.4, 2.4 + 0.6 * count), 14.0), 4.4)
        self.ax_, self.figure_ = axes_for(ax, size)
        tidy(self.ax_)
        (self._draw_lines if binary else self._draw_bars)()
        classes = "1 class" if self.n_classes == 1 else f"{self.n_classes} classes"
        headline(self.ax_, f"Answers of {classes} to {count} {'item' if count == 1 else 'items'}")
        return self

    def _draw_lines(self) -> None:
        handles = []
        for k in range(self.n_classes):
            probabilities = [p[k, 1] for p in self.item_probabilities]
            handles += self.ax_.plot(
                probabilities, color=colour(k), marker=marker(k), markersize=7, linewidth=1.2,
                markeredgecolor="white", markeredgewidth=0.6, label=self._class_name(k),
            )  # fmt: skip
        self.ax_.set_xticks(range(len(self.items)), self.items)
        if max(map(len, self.items)) * len(self.items) > 60:
            self.ax_.tick_params(axis="x", rotation=40)
            for label in self.ax_.get_xticklabels():
                label.set(ha="right", rotation_mode="anchor")
        self.ax_.set(ylim=(-0.03, 1.03), xlabel="item", ylabel=f"probability of {self.levels[1]}")
        self.ax_.margins(x=0.05)
        legend(self.ax_, handles, self._legend_title())

    def _draw_bars(self) -> None:
        shades = colormaps["cividis_r"](np.linspace(0.08, 0.95, len(self.levels)))
        step = self.n_classes + 0.6
        for j, table in enumerate(self.item_probabilities):
            places = j * step + np.arange(self.n_classes)
            start = np.zeros(self.n_classes)
            for level, part in enumerate(table.T):
                self.ax_.barh(
                    places, part, _BAR, left=start, color=shades[level], edgecolor="white",
                    linewidth=0.8,
                )  # fmt: skip
                start = start + part
            for k, place in enumerate(places):
                self.ax_.text(1.015, place, str(k), va="center", color=MUTED, fontsize=8)
        middles = np.arange(len(self.items)) * step + (self.n_classes - 1) / 2
        self.ax_.set_yticks(middles, self.items)
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.spines["left"].set_visible(False)
        self.ax_.set(xlim=(0, 1), ylim=(len(self.items) * step - 0.9, -0.7))
        self.ax_.set_xlabel("probability; one bar for each class, numbered on its right")
        handles: list[Patch | Line2D] = [
            Patch(color=shade, label=name) for shade, name in zip(shades, self.levels, strict=True)
        ]
        legend(self.ax_, handles + self._class_key(), "level", gap=0.06)

    def _class_key(self) -> list[Patch | Line2D]:
        if self.weights is None:
            return []
        names = ["", *(f"class {self._class_name(k)}" for k in range(self.n_classes))]
        return [Line2D([], [], linestyle="none", label=name) for name in names]

    def _class_name(self, k: int) -> str:
        return str(k) if self.weights is None else f"{k}  ({self.weights[k]:.0%})"

    def _legend_title(self) -> str:
        return "class" if self.weights is None else "class (weight)"


def plot_profiles(
    estimator: Any, *, ax: Axes | None = None, levels: Sequence[str] | None = None
) -> ProfilesDisplay:
    """Draw the profiles of latent classes: see ``ProfilesDisplay.from_estimator``."""
    return ProfilesDisplay.from_estimator(estimator, ax=ax, levels=levels)


def _count_classes(tables: list[np.ndarray]) -> int:
    shapes = [table.shape for table in tables]
    if not shapes or any(len(s) != 2 or 0 in s for s in shapes) or len({s[0] for s in shapes}) > 1:
        raise ValueError(
            "item_probabilities should have an array of shape (classes, levels) for each item, but "
            f"the shapes are {shapes}: pass one array for each item, with equal numbers of classes."
        )
    for index, table in enumerate(tables):
        if not np.allclose(table.sum(axis=1), 1, atol=1e-6) or table.min() < 0:
            raise ValueError(
                f"item_probabilities[{index}] should have rows that are probabilities, but they "
                f"sum to {table.sum(axis=1)}: normalise them."
            )
    return shapes[0][0]


def _names(names: Sequence[str] | None, argument: str, count: int, noun: str) -> list[str]:
    if names is None:
        return [f"{noun} {index}" for index in range(count)]
    if len(names) != count:
        raise ValueError(
            f"{argument} should have {count} names, but has {len(names)}: name each {noun} once."
        )
    return list(names)
