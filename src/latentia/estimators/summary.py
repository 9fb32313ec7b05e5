"""A fitted estimator as plain text."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Report(NamedTuple):
    """What an estimator says of its parameters: a title, and a table with a heading."""

    title: str
    heading: Sequence[str]
    rows: Sequence[Sequence[Any]]


def summary_text(estimator: Any, report: Report, parameters: int) -> str:
    """Title, fit, verdict and parameters."""
    lines = [f"{type(estimator).__name__}: {report.title}"]
    fit = estimator.fit_
    if fit is not None:
        lines += [
            f"  {fit.measure} {fit.log_likelihood:.6g} of {fit.weight:.6g} rows, "
            f"{parameters} free parameters",
            f"  BIC {fit.bic:.6g}, AIC {fit.aic:.6g} (lower is better)",
            f"  {_starts(fit)}{fit.iterations} iterations",
            f"  {fit.status}",
        ]
        if fit.method != "exact":
            lines.append(f"  {fit.accuracy}")
    lines += ["", *report_lines(report)]
    return "\n".join(lines)


def report_lines(report: Report) -> list[str]:
    """The table of a report, line by line."""
    lines = []
    cells = [list(report.heading), *([_cell(value) for value in row] for row in report.rows)]
    widths = [max(len(row[j]) for row in cells) for j in range(len(report.heading))]
    for row in cells:
        padded = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        lines.append(("  " + "  ".join(padded)).rstrip())
    return lines


def _starts(fit: Any) -> str:
    count = len(fit.starts)
    return f"{fit.reached} of {count} starts reached the best optimum, " if count > 1 else ""


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
