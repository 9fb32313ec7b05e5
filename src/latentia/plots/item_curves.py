"""How the answers to items depend on a trait, and how much they say about it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from sklearn.utils.validation import check_is_fitted

from .canvas import INK, MUTED, axes_for, colour, headline, legend, tidy
from .components import attribute

_STYLES = ("-", "--", ":", "-.")
# More curves than this are one shade, and have their names in no legend.
_MOST_NAMES = 12


class ItemCurvesDisplay:
    """Item characteristic curves: the score expected of each item against the trait.

    For items of two levels that is the probability of the upper one. For one item of more levels
    the probability of every level is drawn.

    Args:
        trait: ``(M,)``, where the curves are evaluated.
        probabilities: for each item an array of shape (M, levels) whose rows sum to 1.
        items: the names of the items; numbers by default.
        levels: the names of the levels of a single item; numbers by default.

    Attributes:
        ax_: the axes of the picture.
        figure_: the figure of these axes.
        lines_: the curves.

    Raises:
        ValueError: if the arrays or the names do not fit each other.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    lines_: list[Line2D]

    def __init__(
        self,
        trait: Any,
        probabilities: Sequence[Any],
        *,
        items: Sequence[str] | None = None,
        levels: Sequence[str] | None = None,
    ) -> None:
        self.trait = np.asarray(trait, dtype=np.float64)
        self.probabilities = [np.asarray(p, dtype=np.float64) for p in probabilities]
        shapes = [p.shape for p in self.probabilities]
        if not shapes or any(len(s) != 2 or s[:1] != self.trait.shape for s in shapes):
            raise ValueError(
                f"probabilities should have an array of shape ({self.trait.size}, levels) for each "
                f"item, one row for each trait, but the shapes are {shapes}."
            )
        self.items = [f"item {j}" for j in range(len(shapes))] if items is None else list(items)
        if len(self.items) != len(shapes):
            raise ValueError(
                f"items should have {len(shapes)} names, but has {len(self.items)}: name each once."
            )
        count = shapes[0][1]
        self.levels = [f"level {k}" for k in range(count)] if levels is None else list(levels)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Axes | None = None,
        items: Sequence[Any] | None = None,
        dimension: int = 0,
        reach: float = 4.0,
    ) -> "ItemCurvesDisplay":
        """Draw the curves of a fitted item response model.

        Args:
            estimator: a fitted ``ItemResponse``.
            ax: the axes to draw on; new ones by default.
            items: the items to draw, by name or position; all by default.
            dimension: the trait that varies, while the others are 0.
            reach: the trait goes from minus to plus this many standard deviations.

        Returns:
            The display, drawn.

        Raises:
            NotFittedError: if the estimator is not fitted.
            TypeError: if it is no item response model.
            ValueError: if there is no such item.
        """
        check_is_fitted(estimator)
        traits, along = _along(estimator, dimension, reach)
        names = _names(estimator)
        places = list(range(len(names))) if items is None else [_place(i, names) for i in items]
        shares = attribute(estimator, "item_probabilities")(traits)
        levels = [str(level) for level in attribute(estimator, "levels_")[places[0]]]
        return cls(
            along, [shares[j] for j in places], items=[names[j] for j in places], levels=levels
        ).plot(ax)

    def plot(self, ax: Axes | None = None) -> "ItemCurvesDisplay":
        """Draw on ``ax``, or on new axes, and return the display."""
        self.ax_, self.figure_ = axes_for(ax)
        tidy(self.ax_)
        if len(self.items) == 1 and self.probabilities[0].shape[1] > 2:
            self._draw(self.probabilities[0].T, self.levels, "answer")
            self.ax_.set(ylabel="probability", ylim=(-0.02, 1.02))
            headline(self.ax_, f"Answers to {self.items[0]}")
        else:
            binary = all(p.shape[1] == 2 for p in self.probabilities)
            curves = [p @ np.arange(p.shape[1]) for p in self.probabilities]
            self._draw(curves, self.items, "item")
            label = f"probability of {self.levels[1]}" if binary else "expected score"
            self.ax_.set_ylabel(label)
            if binary:
                self.ax_.set_ylim(-0.02, 1.02)
            headline(self.ax_, "Item characteristic curves")
        self.ax_.set_xlabel("trait, in standard deviations")
        return self

    def _draw(self, curves: Any, names: list[str], title: str) -> None:
        few = len(names) <= _MOST_NAMES
        self.lines_ = []
        for j, curve in enumerate(curves):
            style: dict[str, Any] = {"color": MUTED, "alpha": 0.6}
            if few:
                style = {"color": colour(j), "linestyle": _STYLES[j // 7 % len(_STYLES)]}
            self.lines_ += self.ax_.plot(self.trait, curve, label=names[j], **style)
        if few:
            legend(self.ax_, self.lines_, title)


class InformationDisplay:
    """The information of a test about a trait, and the standard error that it leaves.

    Args:
        trait: ``(M,)``.
        information: ``(M, D)``, of each item.

    Attributes:
        ax_: the axes of the picture.
        figure_: the figure of these axes.
        error_ax_: the axes of the standard error, on the right.
        lines_: the information of the test, and the standard error.

    Raises:
        ValueError: if the arrays do not fit each other, or information is negative or not finite.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    error_ax_: Axes
    lines_: list[Line2D]

    def __init__(self, trait: Any, information: Any) -> None:
        self.trait = np.asarray(trait, dtype=np.float64)
        self.information = np.asarray(information, dtype=np.float64)
        fits = self.information.ndim == 2 and self.information.shape[:1] == self.trait.shape
        if not fits or not np.isfinite(self.information).all() or (self.information < 0).any():
            raise ValueError(
                f"information should be finite numbers from 0 up, of shape ({self.trait.size}, "
                f"items), but has the shape {self.information.shape}: pass what item_information "
                "returns."
            )

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Axes | None = None, dimension: int = 0, reach: float = 4.0
    ) -> "InformationDisplay":
        """Draw the information of a fitted item response model.

        Args are those of ``ItemCurvesDisplay.from_estimator``, and so are the errors.
        """
        check_is_fitted(estimator)
        traits, along = _along(estimator, dimension, reach)
        found = attribute(estimator, "item_information")(traits, dimension=dimension)
        return cls(along, found).plot(ax)

    def plot(self, ax: Axes | None = None) -> "InformationDisplay":
        """Draw on ``ax``, or on new axes, and return the display."""
        self.ax_, self.figure_ = axes_for(ax)
        tidy(self.ax_)
        total = self.information.sum(axis=1)
        for item in self.information.T:
            self.ax_.plot(self.trait, item, color=MUTED, linewidth=0.7, alpha=0.6)
        self.lines_ = self.ax_.plot(self.trait, total, color=colour(0), label="test information")
        # With the prior, whose own information is 1, the error stays finite everywhere.
        error = 1 / np.sqrt(1 + total)
        self.error_ax_ = self.ax_.twinx()
        self.lines_ += self.error_ax_.plot(
            self.trait, error, color=colour(1), linestyle="--", label="standard error"
        )
        self.error_ax_.set(ylim=(0, 1.05), ylabel="standard error of the trait, given the prior")
        self.error_ax_.spines[["top", "left", "bottom"]].set_visible(False)
        self.error_ax_.spines["right"].set_color(MUTED)
        self.error_ax_.tick_params(color=MUTED, labelcolor=INK)
        self.ax_.set(xlabel="trait, in standard deviations", ylabel="information")
        self.ax_.set_ylim(bottom=0)
        legend(self.ax_, self.lines_, "", gap=0.13)
        headline(self.ax_, "Test information", ["Thin lines: single items"])
        return self


def plot_item_curves(
    estimator: Any,
    *,
    ax: Axes | None = None,
    items: Sequence[Any] | None = None,
    dimension: int = 0,
) -> ItemCurvesDisplay:
    """Draw item characteristic curves: see ``ItemCurvesDisplay.from_estimator``."""
    return ItemCurvesDisplay.from_estimator(estimator, ax=ax, items=items, dimension=dimension)


def plot_information(
    estimator: Any, *, ax: Axes | None = None, dimension: int = 0
) -> InformationDisplay:
    """Draw the information of a test: see ``InformationDisplay.from_estimator``."""
    return InformationDisplay.from_estimator(estimator, ax=ax, dimension=dimension)


def _along(estimator: Any, dimension: int, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Traits ``[M, L]`` along one dimension, and their values in it."""
    count = int(attribute(estimator, "n_dimensions"))
    if not 0 <= dimension < count:
        raise ValueError(f"dimension should be from 0 to {count - 1}, but is {dimension!r}.")
    along = np.linspace(-reach, reach, 201)
    traits = np.zeros((along.size, count))
    traits[:, dimension] = along
    return traits, along


def _names(estimator: Any) -> list[str]:
    names = getattr(estimator, "feature_names_in_", None)
    count = len(attribute(estimator, "levels_"))
    return [f"item {j}" for j in range(count)] if names is None else [str(n) for n in names]


def _place(item: Any, names: list[str]) -> int:
    if isinstance(item, str) and item in names:
        return names.index(item)
    if isinstance(item, int | np.integer) and 0 <= item < len(names):
        return int(item)
    raise ValueError(f"items should be names or positions of {', '.join(names)}, but has {item!r}.")
