"""``latentia fit``: candidates, the best of them, and a folder with all that is worth keeping."""

import json
import os
import sys
from typing import Any

import click

from . import engines, sequences
from .engines import engine_options, resume_option
from .options import Names, Numbers, data_argument, json_option
from .running import guarded, prepare
from .sequences import EMISSIONS, SEQUENTIAL, sequence_option

MODELS = (
    "gaussian-mixture",
    "factor-analysis",
    "ppca",
    "mixture-of-factor-analyzers",
    "latent-class",
    "mixed-mixture",
    "hmm",
    "item-response",
    "topics",
    "state-space",
    "vae",
)
_RESPONSES = (
    "2pl", "rasch", "3pl", "graded", "partial-credit", "generalized-partial-credit",
)  # fmt: skip
_COVARIANCES = ("full", "tied", "diag", "spherical")


@click.command(no_args_is_help=True)
@data_argument
@click.option("--model", type=click.Choice(MODELS), default=MODELS[0], show_default=True)
@click.option("--components", type=Numbers(), default="1:9", show_default=True,
              help="Numbers of components (clusters, classes, topics) to try.")  # fmt: skip
@click.option("--factors", type=Numbers(), default=None,
              help="Numbers of factors, or of hidden coordinates, to try; by default 1:3, and "
              "1 trait in item response.")  # fmt: skip
@click.option("--response", type=click.Choice(_RESPONSES), default=_RESPONSES[0],
              show_default=True, help="How answers depend on traits.")  # fmt: skip
@click.option("--levels", type=Names(), default=None,
              help="The levels of all items from low to high, if they are texts.")  # fmt: skip
@click.option("--covariance", type=Names(_COVARIANCES), default=",".join(_COVARIANCES),
              show_default=True, help="Kinds of covariance to try in mixtures.")  # fmt: skip
@click.option("--emission", type=click.Choice(EMISSIONS), default=EMISSIONS[0],
              show_default=True, help="What the states of an hmm emit.")  # fmt: skip
@sequence_option
@click.option("--criterion", type=click.Choice(["bic", "aic", "icl", "held_out"]), default="bic",
              show_default=True, help="What the best candidate is best in.")  # fmt: skip
@click.option("--columns", type=Names(), default=None, help="Columns to use; all by default.")
@click.option("--ignore", type=Names(), default=None, help="Columns to leave out.")
@click.option("--weights", metavar="COLUMN", default=None, help="The column of the rows' weights.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="Decides every random choice.")  # fmt: skip
@click.option("--max-iter", type=click.IntRange(1), default=1000, show_default=True,
              help="The most passes over the data.")  # fmt: skip
@click.option("--tol", type=click.FloatRange(0, min_open=True), default=1e-6, show_default=True,
              help="How close to the limit to stop, in log-likelihood per row.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(1), default=100, show_default=True,
              help="The most passes over the data, for a vae.")  # fmt: skip
@click.option("--n-init", type=click.IntRange(1), default=None,
              help="How many starts; by default a portfolio of 16.")  # fmt: skip
@click.option("--out", metavar="DIR", default="latentia-fit", show_default=True,
              help="The folder for the model, the table and the pictures.")  # fmt: skip
@engine_options
@resume_option
@click.option("--plots/--no-plots", default=True, help="Whether to draw pictures.")
@json_option
@guarded
def fit(**options: Any) -> None:
    """Fit a model to the table DATA (.csv or .parquet; - is CSV from standard input).

    For --model vae DATA may also be pictures: an idx, npy or npz file, or a folder of images.

    Every combination of the sizes is fitted and the best is saved. Empty cells are missing values,
    which are integrated out and not filled in.

    \b
    Examples:
      latentia fit data.csv --components 1:9 --covariance full,tied --out result
      latentia fit survey.csv --model latent-class --components 1:5 --weights count
      latentia fit series.csv --model hmm --emission poisson --components 1:4
      latentia fit counts.csv --model topics --components 2:10 --criterion held_out
      latentia fit tests.parquet --model factor-analysis --factors 1:3 --ignore id
      latentia fit images/ --model vae --factors 16 --epochs 50
      latentia fit answers.csv --model item-response --response graded --factors 1
      latentia fit 'DATA/*.parquet' --components 3 --engine dask --scheduler tcp://10.0.0.1:8786
      cat data.csv | latentia fit - --components 3 --json
    """
    prepare()
    if options["model"] == "vae":
        from .autoencoder import fit_pictures

        fit_pictures(options)
        return
    if options["engine"] is not None:
        _fit_where_they_are(options)
        return
    from . import tables

    table, weights = tables.choose(
        tables.read(options["data"]), options["columns"] or (), options["ignore"] or (),
        options["weights"],
    )  # fmt: skip
    estimator, selection = fitted(table, weights, options)
    files = save(estimator, selection, table, options["out"], options)
    report(estimator, selection, files, options["as_json"], options["out"])


def _fit_where_they_are(options: dict[str, Any]) -> None:
    """The same for data that are never a table in this process, which is why nothing is drawn."""
    with _progress() as watch:
        estimator, selection = engines.fitted(*_template(options), options, watch)
    options = {**options, "plots": False}
    files = save(estimator, selection, None, options["out"], options)
    report(estimator, selection, files, options["as_json"], options["out"])


def fitted(table: Any, weights: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    """The best estimator and the selection."""
    if options["model"] == "topics":
        return _fitted_topics(table, weights, options)
    from latentia.estimators.choosing import choose

    if options["model"] in SEQUENTIAL:
        if weights is not None:
            raise ValueError(
                f"--weights should be left out for --model {options['model']}: rows are steps."
            )
        with _progress() as watch:
            return sequences.fitted(*sequences.split(table, options["sequence"]), options, watch)
    template, grid = _template(options)
    with _progress() as watch:
        return choose(
            template, table, grid, criterion=options["criterion"], sample_weight=weights,
            watch=watch,
        )  # fmt: skip


def _fitted_topics(table: Any, weights: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    from latentia.estimators.latent_dirichlet_allocation import LatentDirichletAllocation
    from latentia.estimators.topic_choosing import choose_topics

    template = LatentDirichletAllocation(
        random_state=options["seed"], max_iter=options["max_iter"], evaluate_every=5, perp_tol=0.01
    )
    with _progress() as watch:
        return choose_topics(
            template, table, options["components"], criterion=options["criterion"],
            sample_weight=weights, watch=watch,
        )  # fmt: skip


def _template(options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    import latentia

    common = {
        "random_state": options["seed"],
        "max_iter": options["max_iter"],
        "tol": options["tol"],
        "n_init": options["n_init"] or "auto",
    }
    components = {"n_components": options["components"]}
    name = options["model"]
    factors = options["factors"] or ((1,) if name == "item-response" else (1, 2, 3))
    if name == "gaussian-mixture":
        grid = {"covariance_type": options["covariance"], **components}
        return latentia.GaussianMixture(**common), grid
    if name == "mixture-of-factor-analyzers":
        return latentia.MixtureOfFactorAnalyzers(**common), {
            "n_factors": factors, **components,
        }  # fmt: skip
    if name == "latent-class":
        return latentia.LatentClass(**common), components
    if name == "mixed-mixture":
        return latentia.MixedMixture(**common), components
    if name == "item-response":
        traits = {"model": options["response"], "levels": options["levels"]}
        return latentia.ItemResponse(**traits, **common), {"n_dimensions": factors}
    kind = latentia.FactorAnalysis if name == "factor-analysis" else latentia.ProbabilisticPCA
    return kind(**common), {"n_components": factors}


class _progress:
    """A progress bar on the terminal; nothing anywhere else."""

    def __enter__(self) -> Any:
        self.bar: Any = None
        if not sys.stderr.isatty():
            return None
        from rich.console import Console
        from rich.progress import Progress

        self.bar = Progress(console=Console(stderr=True), transient=True)
        self.bar.start()
        task = self.bar.add_task("fitting candidates", total=None)
        return lambda done, of: self.bar.update(task, completed=done, total=of)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()


def save(
    estimator: Any, selection: Any, table: Any, out: str, options: dict[str, Any]
) -> list[str]:
    """Write the folder; the names of its files."""
    from latentia.estimators.files import save as save_model

    from . import pictures, tables
    from .staging import Staging

    os.makedirs(out, exist_ok=True)
    extra = {
        "criterion": selection.criterion,
        "seed": options["seed"],
        "candidates": selection.table,
    }
    with Staging(out) as staging:
        save_model(estimator, staging.path("model.safetensors"), extra=extra)
        columns = {n: [row[n] for row in selection.table] for n in selection.table[0]}
        tables.write_plain(columns, staging.path("candidates.csv"))
        with open(staging.path("summary.txt"), "w", encoding="utf-8") as file:
            file.write(f"{selection!r}\n\n{estimator.summary()}\n")
        if options["plots"]:
            sequential = options["model"] in SEQUENTIAL
            drawn = sequences.split(table, options["sequence"]) if sequential else table
            pictures.draw(estimator, selection, drawn, staging.path)
        return sorted(os.listdir(staging.hidden))


def report(estimator: Any, selection: Any, files: list[str], as_json: bool, out: str) -> None:
    """Print what was found."""
    if as_json:
        row = selection.table[selection.index]
        told = {"best": row, "candidates": selection.table, "files": files}
        click.echo(json.dumps(told))
        return
    click.echo(repr(selection))
    click.echo(f"\n{estimator.summary()}\n\n{estimator.fit_.verdict}\n")
    click.echo(f"Wrote {', '.join(files)} to {out}.")
