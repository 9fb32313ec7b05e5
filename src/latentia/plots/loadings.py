"""How strongly each column depends on each factor."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from matplotlib.text import Text
from sklearn.utils.validation import check_is_fitted

from .canvas import INK, axes_for, headline
from .components import attribute

# Above, the numbers would be too small to read, and a colour bar takes their place.
_MOST_NUMBERS = 150
_MOST_NAMES = 60


class LoadingsDisplay:
    """A heat map of loadings: columns of the data against factors, blue negative, red positive.

    Args:
        loadings: the loadings, of shape (D, L).
        names: the D names of the columns; numbers by default.

    Attributes:
        ax_: the axes of the picture.
        figure_: the figure of these axes.
        image_: the heat map.
        texts_: the numbers in the cells; empty if there are too many to read.

    Raises:
        ValueError: if ``loadings`` is not a table of finite numbers, or ``names`` do not fit.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    image_: AxesImage
    texts_: list[Text]

    def __init__(self, loadings: Any, names: Sequence[str] | None = None) -> None:
        self.loadings = np.asarray(loadings, dtype=np.float64)
        if self.loadings.ndim != 2 or 0 in self.loadings.shape:
            raise ValueError(
                f"loadings should have the shape (columns, factors), but has "
                f"{self.loadings.shape}: reshape one factor to (D, 1)."
            )
        if not np.isfinite(self.loadings).all():
            raise ValueError("loadings should be finite, but has NaN or inf: fit the model again.")
        count = len(self.loadings)
        self.names = [f"column {i}" for i in range(count)] if names is None else list(names)
        if len(self.names) != count:
            raise ValueError(
                f"names should have one name for each of the {count} rows of loadings, but has "
                f"{len(self.names)}: pass the names of the data's columns."
            )

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Axes | None = None) -> "LoadingsDisplay":
        """Draw the loadings of a fitted factor model.

        Args:
            estimator: a fitted estimator with ``components_`` of shape (L, D), such as a factor
                analysis, ours or scikit-learn's.
            ax: the axes to draw on; new ones by default.

        Returns:
            The display, drawn.

        Raises:
            NotFittedError: if the estimator is not fitted.
            TypeError: if the estimator has no loadings.
        """
        check_is_fitted(estimator)
        loadings = np.asarray(attribute(estimator, "components_")).T
        names = getattr(estimator, "feature_names_in_", None)
        return cls(loadings, None if names is None else [str(n) for n in names]).plot(ax)

    def plot(self, ax: Axes | None = None) -> "LoadingsDisplay":
        """Draw on ``ax``, or on new axes, and return the display."""
        count, factors = self.loadings.shape
        size = (min(2.6 + 0.75 * factors, 12.0), min(1.4 + 0.32 * count, 14.0))
        self.ax_, self.figure_ = axes_for(ax, size)
        largest = float(abs(self.loadings).max()) or 1.0
        self.image_ = self.ax_.imshow(
            self.loadings, cmap="RdBu_r", vmin=-largest, vmax=largest, aspect="auto"
        )
        self.ax_.set_xticks(range(factors), [str(i) for i in range(factors)])
        # Of very many names only as many as can be read.
        every = -(-count // _MOST_NAMES)
        self.ax_.set_yticks(range(0, count, every), self.names[::every])
        self.ax_.set_xlabel("factor")
        # White lines between the cells, and no frame.
        self.ax_.set_xticks(np.arange(factors - 1) + 0.5, minor=True)
        self.ax_.set_yticks(np.arange(count - 1) + 0.5, minor=True)
        self.ax_.grid(which="minor", color="white", linewidth=1.5)
        self.ax_.tick_params(which="both", length=0, labelcolor=INK)
        self.ax_.spines[:].set_visible(False)
        self.texts_ = []
        if self.loadings.size <= _MOST_NUMBERS:
            self._write_numbers(largest)
        else:
            self.figure_.colorbar(self.image_, ax=self.ax_, label="loading", shrink=0.8)
        headline(self.ax_, "Loadings")
        return self

    def _write_numbers(self, largest: float) -> None:
        form = "{:.2f}" if 0.1 <= largest < 100 else "{:.2g}"
        for (row, column), value in np.ndenumerate(self.loadings):
            text = self.ax_.text(
                column,
                row,
                form.format(value).replace("-", "−"),
                ha="center",
                va="center",
                fontsize=9,
                color="white" if abs(value) > 0.62 * largest else INK,
            )
            self.texts_.append(text)


def plot_loadings(estimator: Any, *, ax: Axes | None = None) -> LoadingsDisplay:
    """Draw the loadings of a factor model: see ``LoadingsDisplay.from_estimator``."""
    return LoadingsDisplay.from_estimator(estimator, ax=ax)
