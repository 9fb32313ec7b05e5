"""A series, the smoothed path through it, and what is to come, with bands."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from latentia.data.table import read_table
from latentia.forecasting import forecast, signal

from .canvas import INK, axes_for, colour, headline, legend, tidy


class PathsDisplay:
    """A column of a series with the smoothed signal and its band, and a forecast with its own.

    The band about the signal is where the signal lies; that about the forecast, where values will.

    Args:
        values: ``[T]``, the series; NaN where a value is missing.
        mean: ``[T]``, the smoothed signal.
        low, high: ``[T]``, its band.
        ahead: ``[3, H]``, mean, lower and upper bound of the forecast, or None.
        times: ``[T]``, for the axis; 0, 1, ... by default.
        name: of the series.
        level: the probability of the bands.

    Attributes:
        ax_: the axes.
        figure_: the figure of these axes.

    Raises:
        ValueError: if the arrays are not of one length.
    """

    ax_: Axes
    figure_: Figure | SubFigure

    def __init__(
        self,
        values: Any,
        mean: Any,
        low: Any,
        high: Any,
        *,
        ahead: Any = None,
        times: Any = None,
        name: str = "value",
        level: float = 0.95,
    ) -> None:
        self.values = np.asarray(values, float)
        self.mean, self.low, self.high = (np.asarray(v, float) for v in (mean, low, high))
        self.ahead = None if ahead is None else np.asarray(ahead, float)
        self.times = np.arange(len(self.values)) if times is None else np.asarray(times)
        self.name, self.level = name, level
        lengths = [len(v) for v in (self.values, self.mean, self.low, self.high, self.times)]
        if len(set(lengths)) > 1:
            raise ValueError(
                "values, mean, low, high and times should have one entry for each step, but have "
                f"{', '.join(map(str, lengths))}."
            )

    def plot(self, ax: Axes | None = None) -> "PathsDisplay":
        """Draw on ``ax``, or on new axes, and return the display."""
        self.ax_, self.figure_ = axes_for(ax, (8.0, 4.2))
        path, coming = colour(0), colour(1)
        dots = self.ax_.scatter(self.times, self.values, s=9, color=INK, zorder=3, label=self.name)
        self.ax_.fill_between(self.times, self.low, self.high, color=path, alpha=0.2, lw=0)
        handles = [dots, *self.ax_.plot(self.times, self.mean, color=path, label="signal")]
        if self.ahead is not None:
            later = self._later()
            mean, low, high = self.ahead
            self.ax_.fill_between(later, low, high, color=coming, alpha=0.2, lw=0)
            # Dashed, so that it is told apart without colour too.
            handles += self.ax_.plot(later, mean, color=coming, linestyle="--", label="forecast")
        self.ax_.set(xlabel="time", ylabel=self.name)
        tidy(self.ax_)
        legend(self.ax_, handles, "")
        gone = int(np.isnan(self.values).sum())
        note = f"{gone} missing values are bridged" if gone else ""
        headline(self.ax_, f"Smoothed path, with bands of probability {self.level:g}", [note])
        return self

    def _later(self) -> np.ndarray:
        """The times of the forecast, at the pace of the last two."""
        times, ahead = self.times.astype(float), np.asarray(self.ahead)
        pace = times[-1] - times[-2] if len(times) > 1 else 1.0
        return times[-1] + pace * np.arange(1, ahead.shape[1] + 1)


def plot_paths(
    model: Any,
    X: Any,
    *,
    column: int = 0,
    steps: int = 0,
    level: float = 0.95,
    times: Any = None,
    given: Any = None,
    ax: Axes | None = None,
) -> PathsDisplay:
    """Draw the smoothed path of a linear dynamical system through a series: see ``PathsDisplay``.

    Args:
        model: a fitted ``LinearGaussianStateSpace``, or a core model of a ``GaussianChain`` with
            ``PerStep(LinearGaussian(...))``, or of another kind that ``forecast`` takes.
        X: ``[T, D]``, one sequence.
        column: which column of X is drawn.
        steps: how many steps to forecast.
        level: the probability of the bands.
        times: ``[T]``, for the axis.
        given: covariates, for a model that uses some: ``[T, P]``, and those of the steps to
            forecast behind them.
        ax: the axes to draw on.
    """
    core = getattr(model, "model_", model)
    table = read_table(X, argument="X")
    if not 0 <= column < table.values.shape[1]:
        raise ValueError(
            f"column should be from 0 to {table.values.shape[1] - 1}, a column of X, but is "
            f"{column!r}."
        )
    own = given if given is None else read_table(given, argument="given").values
    smooth = signal(core, table.values, given=own if own is None else own[: len(table.values)])
    low, high = smooth.interval(level)
    ahead = None
    if steps:
        coming = forecast(core, table.values, steps, given=own)
        ahead = np.stack([coming.mean, *coming.interval(level)])[:, :, column]
    name = "value" if table.columns is None else str(table.columns[column])
    return PathsDisplay(
        table.values[:, column], smooth.mean[:, column], low[:, column], high[:, column],
        ahead=ahead, times=times, name=name, level=level,
    ).plot(ax)  # fmt: skip
