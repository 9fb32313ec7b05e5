"""Models of sequences on the command line: candidates over the number of states."""

import warnings
from typing import Any

import click

# The models whose rows are steps.
SEQUENTIAL = ("hmm", "state-space")
EMISSIONS = ("gaussian", "poisson", "categorical")
sequence_option = click.option(
    "--sequence", metavar="COLUMN", default=None,
    help="For sequences: the column that tells them apart; by default all rows are one.",
)  # fmt: skip


def split(table: Any, column: str | None) -> tuple[Any, list[int] | None]:
    """The table without the column that tells sequences apart, and the length of each.

    Raises:
        ValueError: if there is no such column, or the rows of a sequence do not stand together.
    """
    if column is None:
        return table, None
    names = list(table.column_names)
    if column not in names:
        raise ValueError(f"The data have no column {column!r}: choose from {', '.join(names)}.")
    values = table.column(column).to_pylist()
    starts = [i for i in range(len(values)) if i == 0 or values[i] != values[i - 1]]
    seen = [values[i] for i in starts]
    if len(set(seen)) < len(seen):
        again = next(v for v in seen if seen.count(v) > 1)
        raise ValueError(
            f"The rows of each sequence should stand together, but {again!r} in {column!r} comes "
            "again after others: sort the file by that column."
        )
    ends = [*starts[1:], len(values)]
    lengths = [end - start for start, end in zip(starts, ends, strict=True)]
    return table.drop_columns([column]), lengths


def fitted(table: Any, lengths: Any, options: dict[str, Any], watch: Any) -> tuple[Any, Any]:
    """The best model over numbers of states or hidden coordinates (and kinds of covariance)."""
    from latentia.selection import Selection
    from latentia.selection.selection import best_of

    if options["criterion"] == "held_out":
        raise ValueError("--criterion should be bic, aic or icl for sequences, but is held_out.")
    if options["model"] == "state-space":
        shells = [_state_space(options, count) for count in options["factors"] or (1, 2, 3)]
    else:
        gaussian = options["emission"] == "gaussian"
        kinds = options["covariance"] if gaussian else (None,)
        shells = [_shell(options, count, kind) for kind in kinds for count in options["components"]]
    rows, fits = [], []
    for done, shell in enumerate(shells):
        rows.append(_row(shell, table, lengths))
        fits.append(getattr(shell, "fit_", None))
        if watch is not None:
            watch(done + 1, len(shells))
    index = best_of(rows, options["criterion"])
    if index is None:
        raise ValueError(f"No candidate could be chosen: {rows[0]['status']}.")
    return shells[index], Selection(rows, fits, options["criterion"], index)


def _shell(options: dict[str, Any], count: int, kind: str | None) -> Any:
    import latentia

    common = {
        "random_state": options["seed"],
        "n_iter": options["max_iter"],
        "tol": options["tol"],
        "n_init": options["n_init"] or "auto",
    }
    if kind is not None:
        return latentia.GaussianHMM(count, kind, **common)
    poisson = options["emission"] == "poisson"
    return (latentia.PoissonHMM if poisson else latentia.CategoricalHMM)(count, **common)


def _state_space(options: dict[str, Any], count: int) -> Any:
    import latentia

    return latentia.LinearGaussianStateSpace(
        count,
        random_state=options["seed"],
        max_iter=options["max_iter"],
        tol=options["tol"],
        n_init=options["n_init"] or "auto",
    )


def _row(shell: Any, table: Any, lengths: Any) -> dict[str, Any]:
    """A candidate's row of the table; one that failed is a row too."""
    row = {
        "components": getattr(shell, "n_components", None),
        "covariance": getattr(shell, "covariance_type", None),
        "factors": getattr(shell, "n_states", None),
    }
    numbers = ("log_likelihood", "degrees_of_freedom", "bic", "aic", "icl")
    try:
        with warnings.catch_warnings():
            # What they say is the status.
            warnings.simplefilter("ignore")
            shell.fit(table, lengths=lengths)
    except ValueError as error:
        return {**row, "status": f"failed: {error}", **dict.fromkeys((*numbers, "held_out"))}
    fit = shell.fit_
    found = {name: float(getattr(fit, name)) for name in numbers}
    found["degrees_of_freedom"] = int(fit.degrees_of_freedom)
    return {**row, "status": fit.status.label, **found, "held_out": None}
