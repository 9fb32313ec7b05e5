"""Where true values lay in their posteriors, against what would be even."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from scipy import stats

from .canvas import FAINT, MUTED, axes_for, colour, headline, tidy

_MOST = 7


class CalibrationDisplay:
    """How far the distribution of places departs from an even one, for each entry of z.

    Args:
        places: ``[R, P]``, shares of posteriors that lie below the truth.
        names: of the P entries.

    Attributes:
        ax_: the axes of the picture.
        figure_: the figure of these axes.
        lines_: a line for each entry that is drawn, those that depart most.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    lines_: list[Any]

    def __init__(self, places: Any, names: Any) -> None:
        self.places = np.asarray(places, float)
        self.names = list(names)
        if self.places.ndim != 2 or self.places.shape[1] != len(self.names):
            raise ValueError(
                f"places should have a column for each of the {len(self.names)} names, but has "
                f"shape {self.places.shape}."
            )

    def plot(self, ax: Axes | None = None) -> "CalibrationDisplay":
        """Draw on ``ax``, or on new axes, and return the display."""
        self.ax_, self.figure_ = axes_for(ax)
        count = len(self.places)
        grid = np.linspace(0, 1, 201)
        # So far a distribution function of this many even numbers strays at each place.
        low, high = (stats.binom(count, grid).ppf(q) / count - grid for q in (0.005, 0.995))
        self.ax_.fill_between(grid, low, high, color=FAINT, linewidth=0)
        self.ax_.axhline(0, color=MUTED, linewidth=0.8)
        shares = np.stack([np.searchsorted(np.sort(c), grid, "right") for c in self.places.T])
        gaps = shares / count - grid
        worst = np.argsort(-np.abs(gaps).max(axis=1), kind="stable")[:_MOST]
        self.lines_ = []
        for place, entry in enumerate(worst):
            label = self.names[entry]
            self.lines_ += self.ax_.plot(grid, gaps[entry], color=colour(place), label=label)
        self.ax_.legend(frameon=False, fontsize=8, loc="upper right")
        self.ax_.set(
            xlabel="share of the posterior below the truth",
            ylabel="share of replications so low, less the even one",
        )
        self.ax_.set_xlim(0, 1)
        tidy(self.ax_)
        drawn = f"the {len(worst)} of {len(self.names)} entries that depart most"
        note = "grey: 99 % of even numbers" + ("; " + drawn if len(worst) < len(self.names) else "")
        headline(self.ax_, f"Calibration in {count} replications", [note])
        return self


def plot_calibration(calibration: Any, *, ax: Axes | None = None) -> CalibrationDisplay:
    """Draw the result of ``latentia.calibrate``."""
    return CalibrationDisplay(calibration.places, calibration.names).plot(ax)
