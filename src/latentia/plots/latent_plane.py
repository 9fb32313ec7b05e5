"""Two coordinates of z: where the posteriors of data lie, and how wide they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Ellipse

from latentia.verbs import infer

from .canvas import COLOURS, axes_for, headline, tidy

# An ellipse holds so much of a posterior; more ellipses than this would hide each other.
_SHARE, _MOST = 0.5, 300


class LatentPlaneDisplay:
    """Posterior means in a plane of z, each with the ellipse that holds 50% of its posterior.

    Args:
        means: ``[N, 2]``.
        covariances: ``[N, 2, 2]``.
        labels: the names of the two axes.
        values: ``[N]``, a number for each datum that is shown as its colour.
        name: what the values are.

    Attributes:
        ax_: the axes of the picture.
        figure_: the figure of these axes.
        points_: the posterior means.
        ellipses_: the ellipses, of at most 300 data.

    Raises:
        ValueError: if the shapes do not fit each other, or are not of a plane.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    points_: PathCollection
    ellipses_: list[Ellipse]

    def __init__(
        self,
        means: Any,
        covariances: Any,
        *,
        labels: tuple[str, str] = ("z0", "z1"),
        values: Any = None,
        name: str = "",
    ) -> None:
        self.means = np.asarray(means, np.float64)
        self.covariances = np.asarray(covariances, np.float64)
        count = len(self.means)
        if self.means.shape != (count, 2) or self.covariances.shape != (count, 2, 2):
            raise ValueError(
                "means and covariances should have the shapes [N, 2] and [N, 2, 2], but have "
                f"{self.means.shape} and {self.covariances.shape}."
            )
        self.values = None if values is None else np.asarray(values, np.float64)
        if self.values is not None and self.values.shape != (count,):
            raise ValueError(
                f"values should be {count} numbers, one for each datum, but have the shape "
                f"{self.values.shape}."
            )
        self.labels, self.name = labels, name

    def plot(self, ax: Axes | None = None) -> "LatentPlaneDisplay":
        """Draw on ``ax``, or on new axes, and return the display."""
        self.ax_, self.figure_ = axes_for(ax)
        colours: Any = COLOURS[0] if self.values is None else self.values
        self.points_ = self.ax_.scatter(
            *self.means.T, c=colours, s=14, edgecolors="white", linewidths=0.3, zorder=2
        )
        self.ellipses_ = []
        # Spread over all data, since these may be sorted.
        shown = np.unique(np.linspace(0, len(self.means) - 1, _MOST).astype(int))
        for index in shown:
            ellipse = self._ellipse(index)
            self.ax_.add_patch(ellipse)
            self.ellipses_.append(ellipse)
        self.ax_.autoscale_view()
        self.ax_.set(xlabel=self.labels[0], ylabel=self.labels[1])
        self.ax_.set_aspect("equal", adjustable="datalim")
        tidy(self.ax_)
        if self.values is not None:
            self.figure_.colorbar(self.points_, ax=self.ax_, label=self.name)
        some = f" (of {len(shown)} data)" if len(shown) < len(self.means) else ""
        note = f"Ellipses hold {_SHARE:.0%} of a posterior{some}"
        headline(self.ax_, f"Posteriors of {len(self.means)} data", [note])
        return self

    def _ellipse(self, index: int) -> Ellipse:
        variances, directions = np.linalg.eigh(self.covariances[index])
        # A radius r holds 1 - exp(-r²/2) of a Gaussian in two dimensions.
        radii = np.sqrt(-2 * np.log1p(-_SHARE) * np.maximum(variances, 0))
        shade: Any = COLOURS[0]
        if self.values is not None:
            shade = self.points_.to_rgba(self.values[index])  # pyright: ignore[reportArgumentType]
        return Ellipse(
            (self.means[index, 0], self.means[index, 1]),
            width=2 * radii[1],
            height=2 * radii[0],
            angle=np.degrees(np.arctan2(directions[1, 1], directions[0, 1])),
            facecolor="none",
            edgecolor=shade,
            linewidth=0.8,
            alpha=0.6,
            zorder=1,
        )


def plot_latent_plane(
    model: Any,
    data: Any,
    *,
    dimensions: Sequence[int] | None = None,
    values: Any = None,
    name: str = "",
    given: Any = None,
    ax: Axes | None = None,
) -> LatentPlaneDisplay:
    """Draw the posteriors of data in two coordinates of z.

    Args:
        model: a model whose z is a vector, or the estimator of one.
        data: ``[N, *shape]``.
        dimensions: which two coordinates; by default those whose posterior means vary most.
        values: ``[N]``, shown as colours: a true factor, say.
        name: what the values are.
        given: covariates ``[N, P]``, for a conditional model.
        ax: the axes to draw on; new ones by default.

    Raises:
        ValueError: if ``dimensions`` are not two different coordinates.
    """
    moments = infer(getattr(model, "model_", model), data, given=given).moments
    mean, covariance = np.asarray(moments.mean), np.asarray(moments.covariance)
    count = mean.shape[-1]
    widest = np.sort(np.argsort(-mean.var(axis=0))[:2])
    chosen = [int(one) for one in (widest if dimensions is None else dimensions)]
    if len(chosen) != 2 or chosen[0] == chosen[1] or not set(chosen) <= set(range(count)):
        raise ValueError(
            f"dimensions should be two different coordinates from 0 to {count - 1}, but are "
            f"{chosen}: a z of one coordinate has no plane."
        )
    return LatentPlaneDisplay(
        mean[:, chosen],
        covariance[:, chosen][:, :, chosen],
        labels=(f"z{chosen[0]}", f"z{chosen[1]}"),
        values=values,
        name=name,
    ).plot(ax)
