"""The density of a mixture in two dimensions, and where its clusters are uncertain."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure, SubFigure
from sklearn.utils.validation import check_is_fitted

from .canvas import COLOURS, axes_for, headline, left_out, tidy
from .components import attribute
from .rows import Rows, read_rows

# Grey recedes, so that the eye finds the few uncertain points.
_GREY_TO_RED = LinearSegmentedColormap.from_list("uncertainty", ["#8A94A0", "#E69F00", "#C43C00"])
# A contour line for every factor, the smallest of these that needs at most `_LINES` lines.
_FACTORS = (2, 10, 100, 1000, 10**6)
_LINES = 10


class UncertaintyDisplay:
    """Contours of a density on a logarithmic scale, and points coloured by their uncertainty.

    The uncertainty of a point is 1 minus the probability of its most probable cluster.

    Args:
        points: the points, of shape (N, 2).
        uncertainty: their uncertainty, of shape (N,).
        grid: the coordinates of the grid's columns and rows, two arrays of shape (G,).
        log_density: the log density on the grid, of shape (G, G), rows first.
        point_log_density: the log density at the points, of shape (N,).
        labels: the names of the two axes.
        largest: the largest uncertainty that there can be, 1 - 1/K.
        n_left_out: how many points are not among ``points``, because they lack a value.

    Attributes:
        ax_: the axes of the picture.
        figure_: the figure of these axes.
        contours_: the contour lines.
        scatter_: the points.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    contours_: ContourSet
    scatter_: PathCollection

    def __init__(
        self,
        points: np.ndarray,
        uncertainty: np.ndarray,
        *,
        grid: tuple[np.ndarray, np.ndarray],
        log_density: np.ndarray,
        point_log_density: np.ndarray,
        labels: tuple[str, str],
        largest: float,
        n_left_out: int = 0,
    ) -> None:
        self.points = points
        self.uncertainty = uncertainty
        self.grid = grid
        self.log_density = log_density
        self.point_log_density = point_log_density
        self.labels = labels
        self.largest = largest
        self.n_left_out = n_left_out

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, ax: Axes | None = None, resolution: int = 120
    ) -> "UncertaintyDisplay":
        """Draw the density of a fitted mixture and the uncertainty of its clusters.

        Args:
            estimator: a fitted mixture of two columns, with ``score_samples`` and
                ``predict_proba``.
            X: the data, of shape (N, 2): an array or a data frame. Points that lack a value are
                left out, and counted below the title.
            ax: the axes to draw on; new ones by default.
            resolution: in how many places along each axis the density is computed.

        Returns:
            The display, drawn.

        Raises:
            NotFittedError: if the estimator is not fitted.
            TypeError: if the estimator has no density or no cluster probabilities.
            ValueError: if ``X`` does not have exactly two columns, or no row with both values.
        """
        check_is_fitted(estimator)
        score, predict = (attribute(estimator, n) for n in ("score_samples", "predict_proba"))
        rows = read_rows(estimator, X)
        if rows.values.shape[1] != 2:
            raise ValueError(
                f"X should have 2 columns for this picture, but has {rows.values.shape[1]}: fit "
                "the estimator to two columns, or use plot_clusters, which shows two of many."
            )
        shown = np.isfinite(rows.values).all(axis=1)
        if not shown.any():
            raise ValueError("X should have a row with both values, but has none: pass other data.")
        points, kept = rows.values[shown], rows.take(shown)
        posterior = np.asarray(predict(kept))
        horizontal, vertical = (_range(points[:, i], resolution) for i in (0, 1))
        display = cls(
            points,
            1 - posterior.max(axis=1),
            grid=(horizontal, vertical),
            log_density=_on_grid(score, rows, horizontal, vertical),
            point_log_density=np.asarray(score(kept)),
            labels=(rows.names[0], rows.names[1]),
            largest=1 - 1 / posterior.shape[1],
            n_left_out=int(np.sum(~shown)),
        )
        return display.plot(ax)

    def plot(self, ax: Axes | None = None) -> "UncertaintyDisplay":
        """Draw on ``ax``, or on new axes, and return the display."""
        self.ax_, self.figure_ = axes_for(ax)
        levels, factor = self._levels()
        shades = [(COLOURS[0], alpha) for alpha in np.linspace(0.03, 0.3, len(levels))]
        self.ax_.contourf(
            *self.grid, self.log_density, levels=levels, colors=shades, extend="max", zorder=0
        )
        self.contours_ = self.ax_.contour(
            *self.grid, self.log_density, levels=levels, colors="#6E8FB0", linewidths=0.7,
            linestyles="solid",
        )  # fmt: skip
        # The uncertain ones last, on top.
        order = np.argsort(self.uncertainty)
        self.scatter_ = self.ax_.scatter(
            *self.points[order].T,
            c=self.uncertainty[order],
            s=14 + 80 * self.uncertainty[order],
            cmap=_GREY_TO_RED,
            vmin=0,
            vmax=self.largest or 1.0,
            edgecolors="white",
            linewidths=0.4,
            zorder=2,
            rasterized=len(order) > 5000,
        )
        bar = self.figure_.colorbar(self.scatter_, ax=self.ax_, shrink=0.8)
        bar.set_label("uncertainty of the cluster")
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
        self.ax_.set(xlabel=self.labels[0], ylabel=self.labels[1])
        tidy(self.ax_)
        part = {2: "half", 10: "a tenth of"}.get(factor, f"1/{factor:,} of")
        note = f"Each line has {part} the density of the line inside it"
        headline(self.ax_, "Density, and uncertain points", [note, left_out(self.n_left_out)])
        return self

    def _levels(self) -> tuple[np.ndarray, int]:
        top = float(max(self.log_density.max(), self.point_log_density.max()))
        # Far outliers are shown as points; lines out to them would bury the rest.
        depth = top - float(np.quantile(self.point_log_density, 0.01))
        factor = next((f for f in _FACTORS if depth / np.log(f) <= _LINES), _FACTORS[-1])
        count = min(max(int(np.ceil(depth / np.log(factor))), 3), _LINES)
        return top - np.log(factor) * np.arange(count, 0, -1), factor


def plot_uncertainty(estimator: Any, X: Any, *, ax: Axes | None = None) -> UncertaintyDisplay:
    """Draw density and uncertainty: see ``UncertaintyDisplay.from_estimator``."""
    return UncertaintyDisplay.from_estimator(estimator, X, ax=ax)


def _range(values: np.ndarray, resolution: int) -> np.ndarray:
    margin = 0.2 * np.ptp(values) or 1.0
    return np.linspace(values.min() - margin, values.max() + margin, resolution)


def _on_grid(score: Any, rows: Rows, horizontal: np.ndarray, vertical: np.ndarray) -> np.ndarray:
    first, second = np.meshgrid(horizontal, vertical)
    places = np.column_stack([first.ravel(), second.ravel()])
    return np.asarray(score(rows.like(places))).reshape(first.shape)
