"""What a comparison of candidates returns."""

import math
from dataclasses import dataclass
from typing import Any

from latentia.learning import Fit

# Whether a lower value is better.
CRITERIA = {"bic": True, "aic": True, "icl": True, "held_out": False}
_DISTINCT = ("components", "covariance", "factors")


@dataclass(frozen=True, repr=False)
class Selection:
    """Candidates side by side, and the best one.

    Attributes:
        table: a dict for each candidate, with ``components``, ``covariance``, ``factors`` (None
            where a model has no such thing), ``status``, ``log_likelihood``,
            ``degrees_of_freedom``, ``bic``, ``aic``, ``icl`` (lower is better) and ``held_out``
            (the log-likelihood per row of rows that were left out; higher is better). A value that
            is not known is None, such as those of a candidate that failed.
        fits: the ``Fit`` of each candidate, None if it failed.
        criterion: what the best is best in.
        index: which candidate is the best; None if none can be chosen.
    """

    table: list[dict[str, Any]]
    fits: list[Fit | None]
    criterion: str
    index: int | None

    @property
    def best(self) -> Fit:
        """The fit of the best candidate that is not degenerate.

        Raises:
            ValueError: if there is none.
        """
        fit = None if self.index is None else self.fits[self.index]
        if fit is None:
            raise ValueError(
                "No candidate can be chosen, since all are degenerate or failed: use fewer "
                "components, a simpler covariance or a larger covariance_floor."
            )
        return fit

    def to_frame(self) -> Any:
        """The table as a data frame of pandas, or else polars, or else pyarrow."""
        import importlib.util

        import narwhals as nw

        found = [n for n in ("pandas", "polars", "pyarrow") if importlib.util.find_spec(n)]
        columns = {name: [row[name] for row in self.table] for name in self.table[0]}
        backend: Any = found[0]
        return nw.from_dict(columns, backend=backend).to_native()

    def plot(self, ax: Any = None) -> Any:
        """Draw the criterion against the number of components (or factors)."""
        from latentia.plots import plot_selection

        varied = "components" if self.table[0]["components"] is not None else "factors"
        kind = "covariance"
        if varied == "components" and any(row["factors"] is not None for row in self.table):
            kind = "factors"
        rows = [{**row, "components": row[varied], "covariance": row[kind]} for row in self.table]
        display = plot_selection(rows, self.criterion, ax=ax)
        if varied == "factors":
            display.ax_.set_xlabel("number of factors")
            _reword(display.ax_, "component", "factor")
        if kind == "factors":
            _reword(display.ax_, " covariance", " factors each")
            legend = display.ax_.get_legend()
            if legend is not None:
                legend.set_title("factors")
        return display

    def __repr__(self) -> str:
        shown = [n for n in _DISTINCT if any(row[n] is not None for row in self.table)]
        numbers = ["log_likelihood", "degrees_of_freedom", "bic", "aic", "icl", "held_out"]
        numbers = [n for n in numbers if any(row[n] is not None for row in self.table)]
        header = [*shown, *(_HEADINGS.get(n, n) for n in numbers), "status"]
        lines = [header]
        for i, row in enumerate(self.table):
            cells = [_cell(row[n]) for n in (*shown, *numbers)]
            lines.append([*cells, row["status"] + ("  <- best" if i == self.index else "")])
        widths = [max(len(line[j]) for line in lines) for j in range(len(header) - 1)]
        text = [
            "  ".join([*(c.rjust(w) for c, w in zip(line[:-1], widths, strict=True)), line[-1]])
            for line in lines
        ]
        better = "lowest" if CRITERIA[self.criterion] else "highest"
        title = f"Selection of {len(self.table)} candidates by the {better} {self.criterion}"
        return "\n".join([title, *text])


_HEADINGS = {"log_likelihood": "log-likelihood", "degrees_of_freedom": "parameters"}


def best_of(table: list[dict[str, Any]], criterion: str) -> int | None:
    """The row with the best value among those that ended well; of equals the first."""
    sign = 1 if CRITERIA[criterion] else -1
    able = [
        i
        for i, row in enumerate(table)
        if row[criterion] is not None
        and math.isfinite(row[criterion])
        and row["status"] in ("converged", "step limit")
    ]
    if not able:
        return None
    best = min(sign * table[i][criterion] for i in able)
    # Models that say the same differ by rounding, and the first is the smallest.
    return next(i for i in able if sign * table[i][criterion] <= best + 1e-9 * abs(best))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _reword(ax: Any, old: str, new: str) -> None:
    ax.set_title(ax.get_title(loc="left").replace(old, new), loc="left")
