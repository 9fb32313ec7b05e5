"""Data that are read where they are: engines on the command line."""

import contextlib
import os
from contextlib import closing
from typing import Any

import click

from .options import apply

# As in `latentia.data.engines`, which would load NumPy before there is any need.
ENGINES = ("memory", "stream", "processes", "dask", "mesh")
_MODELS = ("gaussian-mixture", "factor-analysis", "ppca", "mixture-of-factor-analyzers")

engine_options = apply(
    click.option(
        "--engine",
        type=click.Choice(ENGINES),
        default=None,
        help="Where the work on data is done that need not fit in memory; DATA is then a Parquet, "
        "CSV, Arrow or npy file, a folder of Parquet, or a pattern in quotes.",
    ),
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        default=None,
        help="The scheduler of a Dask cluster; by default one is started here.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(1),
        default=None,
        help="How many processes to start; by default one for each core.",
    ),
)
resume_option = click.option(
    "--resume", is_flag=True, help="With --engine: go on where a run into the same --out ended."
)


def engine_of(options: dict[str, Any]) -> Any:
    """The engine that the options describe."""
    from latentia.data import Dask, Processes, engines

    name, scheduler, workers = (options[key] for key in ("engine", "scheduler", "workers"))
    if scheduler is not None and name != "dask":
        raise ValueError("--scheduler should be left out, or --engine be dask.")
    if workers is not None and (name not in ("dask", "processes") or scheduler is not None):
        raise ValueError(
            "--workers should be left out, or --engine be processes, or dask without --scheduler."
        )
    if name == "dask":
        return Dask(scheduler=scheduler, workers=workers)
    return Processes(workers) if name == "processes" else engines.engine_of(name)


def fitted(template: Any, grid: Any, options: dict[str, Any], watch: Any) -> tuple[Any, Any]:
    """The best estimator and the selection, from files that need not fit in memory.

    Every candidate has a checkpoint in the folder of the output, until all are done.
    """
    from latentia.data.sources import opener_of
    from latentia.estimators.choosing import choose_partitioned

    if options["model"] not in _MODELS:
        raise ValueError(
            f"--engine should be left out for --model {options['model']}: it is for "
            f"{', '.join(_MODELS)}."
        )
    opened = opener_of(options["data"])
    source = opened(options["data"], columns=options["columns"], weights=options["weights"])
    if options["ignore"]:
        kept = [name for name in source.columns if name not in options["ignore"]]
        source = opened(options["data"], columns=kept, weights=options["weights"])
    out = options["out"]
    os.makedirs(out, exist_ok=True)
    if not options["resume"]:
        _forget(out)
    with closing(engine_of(options).open(source)) as data:
        found = choose_partitioned(
            template, data, grid, criterion=options["criterion"], watch=watch,
            checkpoint=lambda number: _checkpoint(out, number),
        )  # fmt: skip
    _forget(out)
    return found


def write_where_they_are(
    verb: str, model: str, data: str, out: str, options: dict[str, Any]
) -> None:
    """The answers about files that need not fit in memory, as a folder of files."""
    from .running import prepare

    prepare()
    from latentia.answers import write_answers
    from latentia.data.sources import opener_of
    from latentia.estimators.files import load

    _require_folder(out)
    core, names = _rows_model(load(model))
    source = opener_of(data)(data, columns=names)
    paths = write_answers(verb, core, source, out, engine=engine_of(options))
    _tell(paths, out)


def draw_where_they_go(
    model: str, count: int, seed: int, latent: bool, out: str, options: dict[str, Any]
) -> None:
    """Draws that need not fit in memory, as a folder of files."""
    from .running import prepare

    prepare()
    from latentia.answers import write_draws
    from latentia.estimators.files import load

    _require_folder(out)
    core, names = _rows_model(load(model))
    engine = engine_of(options)
    _tell(write_draws(core, count, out, key=seed, latent=latent, columns=names, engine=engine), out)


def _require_folder(out: str) -> None:
    if out == "-":
        raise ValueError("--out should name a folder with --engine, which writes several files.")


def _rows_model(found: Any) -> tuple[Any, Any]:
    """The model of a file, if it is one of rows, and the names of its columns or None."""
    import latentia
    from latentia.estimators.validation import column_names

    kinds = (
        latentia.GaussianMixture, latentia.FactorAnalysis, latentia.ProbabilisticPCA,
        latentia.MixtureOfFactorAnalyzers,
    )  # fmt: skip
    if isinstance(found, kinds):
        return found.model_, column_names(found) if hasattr(found, "feature_names_in_") else None
    if isinstance(found, latentia.LatentVariableModel):
        return found, None
    raise ValueError(
        f"--engine should be left out for a model of the kind {type(found).__name__}: it is "
        f"for {', '.join(_MODELS)}."
    )


def _tell(paths: list[str], out: str) -> None:
    click.echo(f"Wrote {len(paths)} file{'s' if len(paths) > 1 else ''} to {out}.")


def _checkpoint(out: str, number: int) -> str:
    return os.path.join(out, f".checkpoint-{number}.safetensors")


def _forget(out: str) -> None:
    for name in os.listdir(out):
        if name.startswith(".checkpoint-"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(out, name))
