"""The states of a hidden Markov model along its sequences."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch

from .canvas import INK, MUTED, axes_for, colour, headline, legend, tidy
from .rows import read_rows

# Steps whose best state has less than this are counted.
_SURE = 0.9


class StatesDisplay:
    """A column of a series against time, on the colours of the most probable states.

    The band below the series is the probability of each state at each step.

    Args:
        values: ``[T]``, the series; NaN where a value is missing.
        states: ``[T]``, the decoded states.
        probabilities: ``[T, K]``, of each state at each step.
        times: ``[T]``, for the axis; 0, 1, ... by default.
        name: of the series.
        levels: ``[K]``, what each state says of this column, such as its mean; None draws no lines.
        ends: the last steps of the sequences but the last one, which are marked.

    Attributes:
        ax_: the axes of the series.
        band_ax_: the axes of the probabilities.
        figure_: the figure of these axes.

    Raises:
        ValueError: if the arrays are not of one length.
    """

    ax_: Axes
    band_ax_: Axes
    figure_: Figure | SubFigure

    def __init__(
        self,
        values: Any,
        states: Any,
        probabilities: Any,
        *,
        times: Any = None,
        name: str = "value",
        levels: Any = None,
        ends: Any = (),
    ) -> None:
        self.values = np.asarray(values, float)
        self.states = np.asarray(states, int)
        self.probabilities = np.asarray(probabilities, float)
        self.times = np.arange(len(self.values)) if times is None else np.asarray(times)
        self.levels = None if levels is None else np.asarray(levels, float)
        self.name, self.ends = name, tuple(ends)
        lengths = {len(self.values), len(self.states), len(self.probabilities), len(self.times)}
        if len(lengths) > 1:
            raise ValueError(
                f"values, states, probabilities and times should have one entry for each step, but "
                f"have {len(self.values)}, {len(self.states)}, {len(self.probabilities)} and "
                f"{len(self.times)}."
            )

    def plot(self, ax: Axes | None = None) -> "StatesDisplay":
        """Draw on ``ax``, or on new axes, and return the display."""
        self.ax_, self.figure_ = axes_for(ax, (8.0, 4.2))
        middle = self._edges()
        for first, last in _stretches(self.states):
            state = self.states[first]
            self.ax_.axvspan(middle[first], middle[last + 1], color=colour(state), alpha=0.13, lw=0)
            if self.levels is not None:
                span = [middle[first], middle[last + 1]]
                level = [self.levels[state]] * 2
                self.ax_.plot(span, level, color=colour(state), linewidth=2.2, alpha=0.9)
        self.ax_.plot(self.times, self.values, color=INK, linewidth=0.9, marker="o", markersize=2.2)
        for end in self.ends:
            self.ax_.axvline(float(middle[end + 1]), color=MUTED, linewidth=1, linestyle=":")
        self._draw_band(middle)
        self.ax_.set_xlim(middle[0], middle[-1])
        self.ax_.set(ylabel=self.name)
        self.ax_.tick_params(labelbottom=False)
        tidy(self.ax_)
        count = self.probabilities.shape[1]
        handles = [Patch(color=colour(k), alpha=0.6, label=str(k)) for k in range(count)]
        legend(self.ax_, handles, "state")
        unsure = int((self.probabilities.max(axis=1) < _SURE).sum())
        note = f"{unsure} of {len(self.values)} steps have no state with probability {_SURE}"
        headline(self.ax_, f"The most probable path through {count} states", [note])
        return self

    def _draw_band(self, middle: np.ndarray) -> None:
        band = self.ax_.inset_axes((0, -0.22, 1, 0.16), sharex=self.ax_)
        below = np.zeros(len(middle))
        for k in range(self.probabilities.shape[1]):
            share = np.append(self.probabilities[:, k], self.probabilities[-1, k])
            band.fill_between(
                middle, below, below + share, step="post", color=colour(k), alpha=0.6, lw=0
            )
            below = below + share
        band.set_ylim(0, 1)
        band.set_yticks([0, 1])
        band.set_ylabel("prob.", fontsize=8, color=MUTED)
        band.set_xlabel("time")
        tidy(band)
        self.band_ax_ = band

    def _edges(self) -> np.ndarray:
        """The edges between steps, ``[T + 1]``."""
        times = self.times.astype(float)
        if len(times) == 1:
            return np.array([times[0] - 0.5, times[0] + 0.5])
        inner = (times[1:] + times[:-1]) / 2
        return np.concatenate([[1.5 * times[0] - 0.5 * times[1]], inner,
                               [1.5 * times[-1] - 0.5 * times[-2]]])  # fmt: skip


def plot_states(
    estimator: Any,
    X: Any,
    lengths: Any = None,
    *,
    column: int = 0,
    times: Any = None,
    ax: Axes | None = None,
) -> StatesDisplay:
    """Draw the states of a fitted hidden Markov model along a series: see ``StatesDisplay``.

    Args:
        estimator: a fitted hidden Markov model with ``predict`` and ``predict_proba``.
        X: ``[R, D]``, the steps of all sequences one after another.
        lengths: ``[N]``, the steps of each sequence.
        column: which column of X is drawn.
        times: ``[R]``, for the axis.
        ax: the axes to draw on.
    """
    rows = read_rows(estimator, X)
    if not 0 <= column < rows.values.shape[1]:
        raise ValueError(
            f"column should be from 0 to {rows.values.shape[1] - 1}, a column of X, but is "
            f"{column!r}."
        )
    name = "value" if rows.values.shape[1] == 1 else rows.names[column]
    ends = () if lengths is None else np.cumsum(lengths)[:-1] - 1
    return StatesDisplay(
        rows.values[:, column],
        estimator.predict(X, lengths),
        estimator.predict_proba(X, lengths),
        times=times,
        name=name,
        levels=_levels(estimator, column),
        ends=ends,
    ).plot(ax)


def _levels(estimator: Any, column: int) -> Any:
    """The mean of each state in a column, where the states have one."""
    for name in ("means_", "lambdas_"):
        levels = getattr(estimator, name, None)
        if levels is not None and np.ndim(levels) == 2:
            return np.asarray(levels)[:, column]
    return None


def _stretches(states: np.ndarray) -> list[tuple[int, int]]:
    """The first and the last step of each stretch of one state."""
    changes = np.flatnonzero(np.diff(states)) + 1
    firsts = np.concatenate([[0], changes])
    lasts = np.concatenate([changes, [len(states)]]) - 1
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))
