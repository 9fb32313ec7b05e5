"""``latentia demo``: the Old Faithful geyser, from the table to the pictures."""

import os
from typing import Any

import click

from .fitting import fit, fitted, report, save
from .options import json_option
from .running import guarded, prepare


@click.command()
@click.option("--out", metavar="DIR", default="latentia-demo", show_default=True,
              help="The folder for the model, the table and the pictures.")  # fmt: skip
@json_option
@guarded
def demo(out: str, as_json: bool) -> None:
    """Cluster 272 eruptions of the Old Faithful geyser, end to end.

    Compares Gaussian mixtures of 1 to 6 components, chooses one by BIC, and writes the data, the
    model, a table of candidates and pictures into a folder.
    """
    prepare()
    import pyarrow as pa

    from latentia.datasets import load_faithful

    from . import tables
    from .staging import Staging

    data = load_faithful()
    table = pa.table({name: data.data[:, j] for j, name in enumerate(data.columns)})
    # As if typed, so that all other options are the defaults of `latentia fit`.
    typed = ["-", "--components", "1:6", "--covariance", "full,tied", "--out", out]
    options: dict[str, Any] = fit.make_context("fit", typed).params
    if not as_json:
        click.echo(
            "272 eruptions of the Old Faithful geyser: how long each took, and how long the wait "
            "for the next one was (in minutes).\nHow many kinds of eruption are there?\n",
        )
    estimator, selection = fitted(table, None, options)
    os.makedirs(out, exist_ok=True)
    with Staging(out) as staging:
        columns = {name: table.column(name) for name in table.column_names}
        tables.write_plain(columns, staging.path("faithful.csv"))
    files = ["faithful.csv", *save(estimator, selection, table, out, options)]
    report(estimator, selection, files, as_json, out)
    if not as_json:
        model = os.path.join(out, "model.safetensors")
        click.echo(f"\nNext:\n  latentia map {model} {os.path.join(out, 'faithful.csv')}")
        click.echo(f"  latentia sample {model} -n 5")
