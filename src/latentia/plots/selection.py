"""How a criterion judges candidates that differ in size and in covariance."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from .canvas import INK, MUTED, axes_for, colour, headline, legend, marker, tidy

# The criterion's full name, and whether its best value is the lowest.
_CRITERIA = {
    "bic": ("BIC", True),
    "aic": ("AIC", True),
    "icl": ("ICL", True),
    "held_out": ("held-out log-likelihood per row", False),
}
_DODGE = 0.1


class SelectionDisplay:
    """A criterion against the number of components, with one line for each kind of covariance.

    A ring marks the best candidate. Degenerate candidates (a component has shrunk to a point or a
    line, so the likelihood means nothing) are hollow and never the best. Candidates without a value
    are counted below the title.

    Args:
        table: one mapping for each candidate, with the keys ``components``, ``status``, the
            criterion, and ``covariance`` (which may be missing or ``None``).
        criterion: ``"bic"``, ``"aic"`` or ``"icl"``, where lower is better, or ``"held_out"``,
            where higher is.

    Attributes:
        ax_: the axes of the picture.
        figure_: the figure of these axes.
        best_: the best candidate, an element of ``table``; ``None`` if there is none.

    Raises:
        ValueError: if the criterion is unknown, or the table is empty or lacks a key.
    """

    ax_: Axes
    figure_: Figure | SubFigure

    def __init__(self, table: Sequence[Mapping[str, Any]], criterion: str = "bic") -> None:
        if criterion not in _CRITERIA:
            raise ValueError(
                f"criterion should be one of {list(_CRITERIA)}, but is {criterion!r}: choose one."
            )
        if not table:
            raise ValueError(
                "table should have a row for each candidate, but is empty: pass the table of a "
                "Selection."
            )
        for row in table:
            missing = [key for key in ("components", "status", criterion) if key not in row]
            if missing:
                raise ValueError(
                    f"table should have the key {missing[0]!r} in each row, but a row has only "
                    f"{sorted(row)}: pass the table of a Selection."
                )
        self.table = table
        self.criterion = criterion
        self._kinds = list(dict.fromkeys(row.get("covariance") for row in table))
        sign = 1 if _CRITERIA[criterion][1] else -1
        able = [row for row in table if self._is_finite(row) and not _is_degenerate(row)]
        self.best_ = min(able, key=lambda row: sign * row[criterion], default=None)

    def plot(self, ax: Axes | None = None) -> "SelectionDisplay":
        """Draw on ``ax``, or on new axes, and return the display."""
        self.ax_, self.figure_ = axes_for(ax)
        for index, kind in enumerate(self._kinds):
            self._draw_line(index, [r for r in self.table if r.get("covariance") == kind])
        if self.best_ is not None:
            self.ax_.plot(
                *self._place(self.best_), marker="o", markersize=17, markerfacecolor="none",
                markeredgecolor=INK, markeredgewidth=1.6, linestyle="none", label="best", zorder=4,
            )  # fmt: skip
        name, lower = _CRITERIA[self.criterion]
        self.ax_.set(
            xlabel="number of components",
            ylabel=f"{name} ({'lower' if lower else 'higher'} is better)",
        )
        self.ax_.xaxis.set_major_locator(MaxNLocator(integer=True))
        self.ax_.margins(x=0.08, y=0.1)
        tidy(self.ax_)
        handles = self._handles()
        # A lone ring needs no key: the title says what is best.
        if len(handles) > 1:
            legend(self.ax_, handles, "covariance" if self._kinds != [None] else "")
        failed = sum(not self._is_finite(row) for row in self.table)
        notes = [f"Not shown: {failed} of {len(self.table)} candidates, which have no value"]
        headline(self.ax_, self._title(), notes if failed else [])
        return self

    def _draw_line(self, index: int, rows: list[Mapping[str, Any]]) -> None:
        rows = sorted(filter(self._is_finite, rows), key=lambda row: row["components"])
        places = [self._place(row) for row in rows]
        self.ax_.plot(*zip(*places, strict=True), color=colour(index), linewidth=1.4, zorder=2)
        for row, place in zip(rows, places, strict=True):
            self.ax_.plot(
                *place, marker=marker(index), markersize=6.5, zorder=3, linestyle="none",
                markerfacecolor="white" if _is_degenerate(row) else colour(index),
                markeredgecolor=colour(index), markeredgewidth=1.3,
            )  # fmt: skip

    def _handles(self) -> list[Line2D]:
        handles = [
            Line2D([], [], color=colour(i), marker=marker(i), markersize=6.5, label=str(kind))
            for i, kind in enumerate(self._kinds)
            if kind is not None
        ]
        if self.best_ is not None:
            handles.append(_mark("o", 13.0, "none", INK, "best"))
        if any(_is_degenerate(row) and self._is_finite(row) for row in self.table):
            handles.append(_mark("o", 6.5, "white", MUTED, "degenerate, never chosen"))
        return handles

    def _title(self) -> str:
        if self.best_ is None:
            return "No candidate can be chosen"
        count, kind = self.best_["components"], self.best_.get("covariance")
        title = f"Best: {count} {'component' if count == 1 else 'components'}"
        return title if kind is None else f"{title}, {kind} covariance"

    def _place(self, row: Mapping[str, Any]) -> tuple[float, float]:
        # Side by side, since the kinds of covariance often agree to within the size of a marker.
        shift = self._kinds.index(row.get("covariance")) - (len(self._kinds) - 1) / 2
        return row["components"] + _DODGE * shift, row[self.criterion]

    def _is_finite(self, row: Mapping[str, Any]) -> bool:
        value = row[self.criterion]
        return value is not None and math.isfinite(value)


def plot_selection(
    table: Sequence[Mapping[str, Any]], criterion: str = "bic", *, ax: Axes | None = None
) -> SelectionDisplay:
    """Draw a table of candidates: see ``SelectionDisplay``."""
    return SelectionDisplay(table, criterion).plot(ax)


def _is_degenerate(row: Mapping[str, Any]) -> bool:
    return "degenerate" in str(row["status"])


def _mark(shape: str, size: float, fill: str, edge: str, text: str) -> Line2D:
    return Line2D(
        [], [], linestyle="none", marker=shape, markersize=size, markerfacecolor=fill,
        markeredgecolor=edge, markeredgewidth=1.4, label=text,
    )  # fmt: skip
