"""Statistics of data beside those of data that were drawn again."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from .canvas import COLOURS, FAINT, MUTED, axes_for, headline, tidy

_MOST = 20


class PredictiveDisplay:
    """Where each statistic lies among its replicates, in standard deviations of these.

    Args:
        names: of the Q statistics.
        observed: ``[Q]``.
        replicated: ``[S, Q]``.

    Attributes:
        ax_: the axes of the picture.
        figure_: the figure of these axes.
        points_: the dots of the observed statistics, the most unusual first.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    points_: Any

    def __init__(self, names: Any, observed: Any, replicated: Any) -> None:
        self.names = list(names)
        self.observed = np.asarray(observed, float)
        self.replicated = np.asarray(replicated, float)
        if self.replicated.ndim != 2 or self.replicated.shape[1] != len(self.names):
            raise ValueError(
                f"replicated should have a column for each of the {len(self.names)} names, but "
                f"has shape {self.replicated.shape}."
            )

    def plot(self, ax: Axes | None = None) -> "PredictiveDisplay":
        """Draw on ``ax``, or on new axes, and return the display."""
        self.ax_, self.figure_ = axes_for(ax)
        centre, spread = self.replicated.mean(axis=0), self.replicated.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        place = (self.observed - centre) / spread
        low, high = (np.quantile(self.replicated, [0.05, 0.95], axis=0) - centre) / spread
        order = np.argsort(-np.abs(place), kind="stable")[:_MOST]
        heights = np.arange(len(order))
        self.ax_.axvline(0, color=MUTED, linewidth=0.8)
        self.ax_.hlines(heights, low[order], high[order], color=FAINT, linewidth=8)
        (self.points_,) = self.ax_.plot(place[order], heights, "o", color=COLOURS[1])
        self.ax_.set_yticks(heights, [self.names[entry] for entry in order], fontsize=8)
        self.ax_.invert_yaxis()
        self.ax_.set_xlabel("standard deviations of the replicates from their mean")
        tidy(self.ax_)
        drawn = ""
        if len(order) < len(self.names):
            drawn = f"the {len(order)} of {len(self.names)} that are most unusual"
        note = f"grey: 90 % of {len(self.replicated)} replicates"
        headline(self.ax_, "Data and their replicates", ["; ".join(filter(None, [note, drawn]))])
        return self


def plot_predictive(check: Any, *, ax: Axes | None = None) -> PredictiveDisplay:
    """Draw the result of ``latentia.predictive_check``."""
    return PredictiveDisplay(check.names, check.observed, check.replicated).plot(ax)
