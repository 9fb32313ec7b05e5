"""The clusters of a Gaussian mixture in two dimensions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse

from .canvas import FAINT, INK, MUTED, axes_for, colour, headline, left_out, legend, marker, tidy
from .components import Components, read_components
from .plane import choose_plane
from .rows import read_rows

# Of each component, inside the inner and the outer ellipse.
SHARES = (0.5, 0.95)


class ClustersDisplay:
    """Points coloured by their most probable cluster, over the ellipses of the components.

    The inner ellipse holds 50% of a component and the outer one 95%. A point is the larger the
    less certain its cluster is.

    Args:
        points: the points, of shape (N, 2).
        posterior: the probability of each cluster for each point, of shape (N, K).
        components: the components in the plane of the picture, with means (K, 2).
        labels: the names of the two axes.
        n_left_out: how many points are not among ``points``, because they lack a value.

    Attributes:
        ax_: the axes of the picture.
        figure_: the figure of these axes.
        ellipses_: the ellipses, inner and outer in turn for each component.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    ellipses_: list[Ellipse]

    def __init__(
        self,
        points: np.ndarray,
        posterior: np.ndarray,
        components: Components,
        labels: tuple[str, str],
        *,
        n_left_out: int = 0,
    ) -> None:
        self.points = points
        self.posterior = posterior
        self.components = components
        self.labels = labels
        self.n_left_out = n_left_out

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        ax: Axes | None = None,
        columns: Sequence[int | str] | None = None,
    ) -> "ClustersDisplay":
        """Draw the clusters that a fitted mixture sees in data.

        Args:
            estimator: a fitted Gaussian mixture, ours or scikit-learn's.
            X: the data, of shape (N, D): an array or a data frame. Points without a value for the
                picture are left out, and counted below the title.
            ax: the axes to draw on; new ones by default.
            columns: the two columns to show, by name or number. By default both columns of two, and
                the two principal axes of the model otherwise.

        Returns:
            The display, drawn.

        Raises:
            NotFittedError: if the estimator is not fitted.
            TypeError: if the estimator is not a Gaussian mixture.
            ValueError: if ``X`` or ``columns`` do not fit the estimator.
        """
        components = read_components(estimator)
        rows = read_rows(estimator, X)
        plane = choose_plane(components, rows.names, columns)
        points = plane.points(rows.values)
        shown = np.isfinite(points).all(axis=1)
        if not shown.any():
            raise ValueError(
                "X should have a row with both values of the picture, but has none: choose other "
                "columns."
            )
        display = cls(
            points[shown],
            np.asarray(estimator.predict_proba(rows.take(shown))),
            Components(
                components.weights,
                plane.points(components.means),
                plane.covariances(components.covariances),
            ),
            plane.labels,
            n_left_out=int(np.sum(~shown)),
        )
        return display.plot(ax)

    def plot(self, ax: Axes | None = None) -> "ClustersDisplay":
        """Draw on ``ax``, or on new axes, and return the display."""
        self.ax_, self.figure_ = axes_for(ax)
        self.ellipses_ = []
        labels = self.posterior.argmax(axis=1)
        uncertainty = 1 - self.posterior.max(axis=1)
        for k in range(len(self.components.weights)):
            self._draw_component(k)
            mine = labels == k
            self.ax_.scatter(
                *self.points[mine].T,
                s=_size(uncertainty[mine]),
                c=colour(k),
                marker=marker(k),
                edgecolors="white",
                linewidths=0.4,
                alpha=0.8,
                zorder=2,
                # Keeps a vector file of many points small.
                rasterized=len(self.points) > 5000,
            )
            self._draw_number(k)
        self.ax_.autoscale_view()
        self.ax_.set(xlabel=self.labels[0], ylabel=self.labels[1])
        tidy(self.ax_)
        legend(self.ax_, self._handles(), "cluster (weight)")
        count = len(self.components.weights)
        headline(
            self.ax_,
            f"{len(self.points)} points in {count} {'cluster' if count == 1 else 'clusters'}",
            ["Ellipses hold 50% and 95% of a cluster", left_out(self.n_left_out)],
        )
        return self

    def _draw_component(self, k: int) -> None:
        variances, directions = np.linalg.eigh(self.components.covariances[k])
        angle = np.degrees(np.arctan2(directions[1, 1], directions[0, 1]))
        for share in SHARES:
            # A radius r holds 1 - exp(-r²/2) of a Gaussian in two dimensions.
            radii = np.sqrt(-2 * np.log1p(-share) * np.maximum(variances, 0))
            ellipse = Ellipse(
                (self.components.means[k, 0], self.components.means[k, 1]),
                width=2 * radii[1],
                height=2 * radii[0],
                angle=angle,
                facecolor=(colour(k), 0.08),
                edgecolor=colour(k),
                linewidth=1.2,
                zorder=1,
            )
            self.ax_.add_patch(ellipse)
            self.ellipses_.append(ellipse)

    def _draw_number(self, k: int) -> None:
        self.ax_.annotate(
            str(k),
            (self.components.means[k, 0], self.components.means[k, 1]),
            ha="center",
            va="center",
            color=INK,
            fontweight="bold",
            zorder=3,
            path_effects=[patheffects.withStroke(linewidth=3, foreground="white")],
        )

    def _handles(self) -> list[Line2D]:
        handles = [
            _dot(colour(k), marker(k), 7.0, f"{k}  ({weight:.0%})")
            for k, weight in enumerate(self.components.weights)
        ]
        if len(handles) == 1:
            return handles
        # An empty line, then the key to the sizes.
        handles.append(_dot("none", "o", 1.0, ""))
        for uncertainty, text in ((0.0, "certain"), (0.5, "even odds")):
            handles.append(_dot(MUTED, "o", float(np.sqrt(_size(uncertainty))), text))
        return handles


def plot_clusters(
    estimator: Any,
    X: Any,
    *,
    ax: Axes | None = None,
    columns: Sequence[int | str] | None = None,
) -> ClustersDisplay:
    """Draw the clusters of a mixture: see ``ClustersDisplay.from_estimator``."""
    return ClustersDisplay.from_estimator(estimator, X, ax=ax, columns=columns)


def _size(uncertainty: Any) -> Any:
    return 16 + 160 * uncertainty


def _dot(fill: str, shape: str, size: float, text: str) -> Line2D:
    return Line2D(
        [], [], linestyle="none", marker=shape, color=fill, markeredgecolor=FAINT,
        markeredgewidth=0 if fill == "none" else 0.4, markersize=size, label=text,
    )  # fmt: skip
