"""``latentia plan``: what a fit will take, before it is begun."""

import json
import os
from dataclasses import asdict
from typing import Any

import click

from .options import Names, data_argument, json_option
from .running import guarded, prepare

_MODELS = ("gaussian-mixture", "factor-analysis", "ppca", "mixture-of-factor-analyzers")


@click.command(no_args_is_help=True)
@data_argument
@click.option("--model", type=click.Choice(_MODELS), default=_MODELS[0], show_default=True)
@click.option("--components", type=click.IntRange(1), default=3, show_default=True,
              help="How many components a mixture has.")  # fmt: skip
@click.option("--factors", type=click.IntRange(1), default=1, show_default=True,
              help="How many factors, in models that have some.")  # fmt: skip
@click.option("--covariance", type=click.Choice(["full", "tied", "diag", "spherical"]),
              default="full", show_default=True, help="The covariances of a mixture.")  # fmt: skip
@click.option("--columns", type=Names(), default=None, help="Columns to use; all by default.")
@click.option("--ignore", type=Names(), default=None, help="Columns to leave out.")
@click.option("--weights", metavar="COLUMN", default=None, help="The column of the rows' weights.")
@click.option("--workers", type=click.IntRange(1), default=None,
              help="How many processes may work; by default one for each core. More than there "
              "are cores are those of a Dask cluster.")  # fmt: skip
@click.option("--memory", type=float, default=None, metavar="GB",
              help="How much memory each may use; by default what is free here.")  # fmt: skip
@click.option("--rows", type=click.IntRange(8192), default=16384, show_default=True,
              help="How many rows the pilot has.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="Decides every random choice of the pilot.")  # fmt: skip
@json_option
@guarded
def plan(data: str, as_json: bool, **options: Any) -> None:
    """Say what a fit of DATA will take: passes, bytes, memory, time, and the engine to choose.

    A pilot on some of the rows is fitted and timed, which takes some seconds. A pass costs a fixed
    part and the same for each row; all engines make the same passes and find the same numbers, and
    differ in where the data are:

    \b
      memory     all rows are kept by this process; quickest, if they fit about three times
      stream     a few batches at a time, read again in every pass; any size, flat memory
      processes  several processes on this machine, each with a share of the files
      dask       the workers of a cluster, started by you or for you
      mesh       several GPUs or other devices of this machine

    Then run `latentia fit` with the --engine that it names. Without --engine DATA is read as one
    table, which is the engine memory.

    \b
    Examples:
      latentia plan data.csv --components 5
      latentia plan 'DATA/*.parquet' --components 16 --covariance diag
      latentia plan DATA/ --components 64 --workers 100 --memory 8
      latentia plan DATA/ --model factor-analysis --factors 3 --json
    """
    prepare()
    import latentia

    rows, template = _source(data, options)
    from latentia.estimators.choosing import model_of

    kinds = {
        "gaussian-mixture": lambda: latentia.GaussianMixture(
            options["components"], covariance_type=options["covariance"]
        ),
        "mixture-of-factor-analyzers": lambda: latentia.MixtureOfFactorAnalyzers(
            options["components"], n_factors=options["factors"]
        ),
        "factor-analysis": lambda: latentia.FactorAnalysis(options["factors"]),
        "ppca": lambda: latentia.ProbabilisticPCA(options["factors"]),
    }
    gigabytes = options["memory"]
    found = latentia.plan(
        model_of(kinds[options["model"]](), template),
        rows[0],
        weights=rows[1],
        workers=options["workers"],
        memory=None if gigabytes is None else 1e9 * gigabytes,
        rows=options["rows"],
        key=options["seed"],
    )
    if not as_json:
        click.echo(repr(found))
        return
    told = {**asdict(found), "seconds": found.seconds, "memory": found.memory}
    told["costs"] = {name: cost._asdict() for name, cost in found.costs.items()}
    click.echo(json.dumps(told))


def _source(data: str, options: dict[str, Any]) -> tuple[tuple[Any, Any], Any]:
    """The data with their weights, and some rows of them as a table."""
    import pyarrow as pa

    from . import tables

    if data == "-" or (data.endswith((".csv", ".txt")) and os.path.isfile(data)):
        table, weights = tables.choose(
            tables.read(data), options["columns"] or (), options["ignore"] or (),
            options["weights"],
        )  # fmt: skip
        return (table, weights), table
    from latentia.data.sources import opener_of

    opened = opener_of(data)
    source = opened(data, columns=options["columns"], weights=options["weights"])
    if options["ignore"]:
        kept = [name for name in source.columns if name not in options["ignore"]]
        source = opened(data, columns=kept, weights=options["weights"])
    first = next(iter(source.batches()))[0]
    head = pa.table(dict(zip(source.columns, first[:1000].T, strict=True)))
    return (source, None), head
