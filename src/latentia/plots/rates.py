"""What a deep model spends on z: the rate of each coordinate, and rate against distortion."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from .canvas import COLOURS, FAINT, INK, MUTED, axes_for, colour, headline, marker, tidy

# Nats above which a coordinate counts as used, as in training.
_ACTIVE = 0.01
_LINES = 6


class RatesDisplay:
    """The rate (divergence of posterior from prior) of each coordinate of z, largest first.

    Args:
        rates: ``[L]``, in nats per datum, as the ``units`` of an ``Evaluation``.

    Attributes:
        ax_: the axes of the picture.
        figure_: the figure of these axes.
        order_: the coordinates from left to right.

    Raises:
        ValueError: if the rates are not finite, as they are not where the prior does not tell
            coordinates apart.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    order_: np.ndarray

    def __init__(self, rates: Any) -> None:
        self.rates = np.asarray(rates, np.float64)
        if self.rates.ndim != 1 or not self.rates.size or not np.isfinite(self.rates).all():
            raise ValueError(
                "rates should be a finite number for each coordinate of z, but are "
                f"{self.rates!r}: they exist where the prior is Gaussian."
            )

    def plot(self, ax: Axes | None = None) -> "RatesDisplay":
        """Draw on ``ax``, or on new axes, and return the display."""
        self.ax_, self.figure_ = axes_for(ax)
        self.order_ = np.argsort(-self.rates, kind="stable")
        sorted_ = self.rates[self.order_]
        used = sorted_ > _ACTIVE
        places = np.arange(len(sorted_))
        self.ax_.bar(places, sorted_, color=np.where(used, COLOURS[0], FAINT).tolist(), width=0.8)
        if len(places) <= 40:
            self.ax_.set_xticks(places, [f"{k}" for k in self.order_])
        self.ax_.set(xlabel="coordinate of z, by its rate", ylabel="rate, nats per datum")
        tidy(self.ax_)
        title = f"{used.sum()} of {len(sorted_)} coordinates are used"
        headline(self.ax_, title, [f"{self.rates.sum():.4g} nats in all"])
        return self


class RateDistortionDisplay:
    """Points of rate and distortion, with lines of equal ELBO (Alemi et al. 2018).

    Args:
        rate: ``[M]``, in nats per datum.
        distortion: ``[M]``.
        names: of the points, if they are of different models; without, they are epochs of a course.

    Attributes:
        ax_: the axes of the picture.
        figure_: the figure of these axes.

    Raises:
        ValueError: if there are no points, or not as many of each.
    """

    ax_: Axes
    figure_: Figure | SubFigure

    def __init__(self, rate: Any, distortion: Any, names: Any = ()) -> None:
        self.rate = np.asarray(rate, np.float64)
        self.distortion = np.asarray(distortion, np.float64)
        self.names = list(names)
        counts = {self.rate.size, self.distortion.size, len(self.names) or self.rate.size}
        if self.rate.ndim != 1 or len(counts) > 1 or not self.rate.size:
            raise ValueError(
                "rate, distortion and names should be of the same number of points, at least 1, "
                f"but are of {self.rate.shape}, {self.distortion.shape} and {len(self.names)}."
            )

    def plot(self, ax: Axes | None = None) -> "RateDistortionDisplay":
        """Draw on ``ax``, or on new axes, and return the display."""
        self.ax_, self.figure_ = axes_for(ax)
        if self.names:
            for index, name in enumerate(self.names):
                at = self.rate[index], self.distortion[index]
                self.ax_.plot(*at, marker(index), color=colour(index), markersize=7)
                self.ax_.annotate(name, at, xytext=(7, 4), textcoords="offset points", color=INK)
        else:
            self.ax_.plot(self.rate, self.distortion, ".-", color=COLOURS[0], linewidth=1.2)
            last = self.rate[-1], self.distortion[-1]
            self.ax_.plot(*last, "o", color=COLOURS[1], zorder=3)
            self.ax_.annotate("last", last, xytext=(7, 4), textcoords="offset points", color=INK)
        self.ax_.margins(0.15)
        self.ax_.set(
            xlabel="rate: what z says of x, nats per datum",
            ylabel="distortion: what x keeps beyond z, nats",
        )
        self._draw_lines()
        tidy(self.ax_)
        title = "Rate and distortion" + ("" if self.names else f" over {self.rate.size} epochs")
        headline(self.ax_, title, ["On a grey line the ELBO, minus their sum, is the same"])
        return self

    def _draw_lines(self) -> None:
        left, right = self.ax_.get_xlim()
        low, high = self.ax_.get_ylim()
        for total in np.linspace(left + low, right + high, _LINES + 2)[1:-1]:
            self.ax_.plot([left, right], [total - left, total - right], color=FAINT, zorder=0)
            # Where the line enters the picture, at its left or at its top.
            x = max(left, total - high)
            self.ax_.annotate(
                f" {-total:.4g}".replace("-", "−"), (x, total - x), color=MUTED, fontsize=7.5,
                va="top",
            )  # fmt: skip
        self.ax_.set_xlim(left, right)
        self.ax_.set_ylim(low, high)


def plot_rates(evaluation: Any, *, ax: Axes | None = None) -> RatesDisplay:
    """Draw the rate of each coordinate of z, from an ``Evaluation``: see ``RatesDisplay``."""
    return RatesDisplay(evaluation.units).plot(ax)


def plot_rate_distortion(found: Any, *, ax: Axes | None = None) -> RateDistortionDisplay:
    """Draw rate against distortion.

    Args:
        found: a ``BoundFit``, for the course over its epochs, or ``Evaluation`` objects by name,
            for the models that they are of.
        ax: the axes to draw on; new ones by default.
    """
    if isinstance(found, Mapping):
        each = list(found.values())
        names = list(found)
    else:
        each, names = list(found.epochs), []
    rate, distortion = [one.rate for one in each], [one.distortion for one in each]
    return RateDistortionDisplay(rate, distortion, names).plot(ax)
