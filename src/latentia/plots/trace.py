"""How an objective rose during a fit, and where the other starts ended."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from .canvas import COLOURS, MUTED, axes_for, headline, tidy

# Starts that end this close to each other, relative to their size, found the same optimum.
_SAME = 1e-6


class TraceDisplay:
    """The objective against the iteration, and in a corner the final objectives of all starts.

    Args:
        objective: the objective after each iteration, of shape (iterations,); higher is better.
        starts: the final objective of every start, if there were several; NaN for one that failed.
        name: what the objective is, for the axis.

    Attributes:
        ax_: the axes of the picture.
        figure_: the figure of these axes.
        starts_ax_: the small axes with the final objectives, ``None`` if there was one start only.

    Raises:
        ValueError: if the objective is not a series of at least one number, or no start has ended.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    starts_ax_: Axes | None

    def __init__(
        self, objective: Any, starts: Any = None, *, name: str = "log-likelihood per row"
    ) -> None:
        self.objective = _series(objective, "objective")
        self.starts = None if starts is None else _series(starts, "starts")
        self.name = name

    def plot(self, ax: Axes | None = None) -> "TraceDisplay":
        """Draw on ``ax``, or on new axes, and return the display."""
        self.ax_, self.figure_ = axes_for(ax)
        count = len(self.objective)
        self.ax_.plot(
            np.arange(1, count + 1), self.objective, color=COLOURS[0], linewidth=1.6,
            marker="o" if count <= 40 else "", markersize=3.5,
        )  # fmt: skip
        self.ax_.annotate(
            f"{self.objective[-1]:.{self._decimals()}f}".replace("-", "−"),
            (count, self.objective[-1]),
            xytext=(0, 6),
            textcoords="offset points",
            ha="right",
            color=COLOURS[0],
        )
        self.ax_.margins(y=0.1)
        self.ax_.set(xlabel="iteration", ylabel=f"{self.name} (higher is better)")
        self.ax_.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        tidy(self.ax_)
        self.starts_ax_ = None
        if self.starts is not None and len(self.starts) > 1:
            self._draw_starts(self.starts)
        title = f"{count} {'iteration' if count == 1 else 'iterations'}"
        headline(self.ax_, f"{title} of the best start" if self._note() else title, [self._note()])
        return self

    def _draw_starts(self, starts: np.ndarray) -> None:
        # In the corner that a rising curve leaves free.
        inner = self.ax_.inset_axes((0.5, 0.16, 0.48, 0.4))
        ordered = np.sort(starts[np.isfinite(starts)])[::-1]
        reached = _reached(ordered)
        places = np.arange(1, len(ordered) + 1)
        for mine, fill in ((reached, COLOURS[0]), (~reached, "white")):
            inner.scatter(
                places[mine], ordered[mine], s=22, c=fill, edgecolors=COLOURS[0], linewidths=1.1
            )
        inner.margins(0.1, 0.2)
        inner.set_title("where each start ended", loc="left", fontsize=8.5, color=MUTED)
        inner.set_xlabel("starts, best first", fontsize=8.5, color=MUTED)
        inner.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
        inner.yaxis.set_major_locator(MaxNLocator(3))
        # Optima often differ in late digits only, which an offset beside the axis would hide.
        inner.ticklabel_format(axis="y", useOffset=False)
        if reached.all():
            # There is no range to show, and matplotlib would make one up.
            inner.set_yticks([ordered[0]], [f"{ordered[0]:.6g}".replace("-", "−")])
        tidy(inner)
        inner.tick_params(labelsize=8)
        inner.patch.set_alpha(0.85)
        self.starts_ax_ = inner

    def _decimals(self) -> int:
        # Enough to tell the last value from the others, by about a hundredth of their range.
        spread = float(np.nanmax(self.objective) - np.nanmin(self.objective))
        return 2 if spread == 0 else int(np.clip(2 - np.floor(np.log10(spread)), 0, 12))

    def _note(self) -> str:
        if self.starts is None or len(self.starts) < 2:
            return ""
        ended = self.starts[np.isfinite(self.starts)]
        failed = len(self.starts) - len(ended)
        note = f"{_reached(ended).sum()} of {len(self.starts)} starts reached the best"
        return f"{note}, {failed} failed" if failed else note


def plot_trace(
    objective: Any,
    starts: Any = None,
    *,
    name: str = "log-likelihood per row",
    ax: Axes | None = None,
) -> TraceDisplay:
    """Draw the course of a fit: see ``TraceDisplay``."""
    return TraceDisplay(objective, starts, name=name).plot(ax)


def _reached(ended: np.ndarray) -> np.ndarray:
    best = ended.max()
    return ended >= best - _SAME * max(abs(best), 1.0)


def _series(values: Any, argument: str) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).any():
        raise ValueError(
            f"{argument} should be a series of numbers, but has shape {array.shape} and "
            f"{np.isfinite(array).sum()} finite values: pass one value for each "
            f"{'iteration' if argument == 'objective' else 'start'}."
        )
    return array
