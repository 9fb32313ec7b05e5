"""``latentia fit --model vae``: a variational autoencoder of pictures, or of a table."""

import json
import os
from typing import Any

import click

from .staging import Staging

_TABLES = (".csv", ".parquet", ".tsv")
# So many data are measured after a fit, at most.
_MEASURED = 500


def read_any(path: str) -> Any:
    """Pictures from a file or a folder, or a table."""
    if path == "-" or path.endswith(_TABLES):
        from latentia.data import read_table

        from . import tables

        return read_table(tables.read(path)).values
    from latentia.data import read_images

    return read_images(path)


def fit_pictures(options: dict[str, Any]) -> None:
    """Fit, and write the folder with the model, a summary and the pictures."""
    import latentia

    values = read_any(options["data"])
    factors = options["factors"] or (16,)
    if len(factors) > 1:
        raise ValueError("--factors should be one number for --model vae, but is several.")
    estimator = latentia.VariationalAutoencoder(
        factors[0], max_iter=options["epochs"], random_state=options["seed"]
    ).fit(values, watch=None if options["as_json"] else _tell)
    measured = estimator.evaluate(values[:_MEASURED], k=100)
    files = _save(estimator, values, measured, options)
    if options["as_json"]:
        told = {"bound": estimator.lower_bound_, "epochs": estimator.n_iter_,
                "log_likelihood": measured.log_likelihood, "active": measured.active,
                "verdict": str(measured.verdict), "files": files}  # fmt: skip
        click.echo(json.dumps(told))
        return
    click.echo(f"{estimator.fit_!r}\n\n{measured!r}\n")
    click.echo(f"Wrote {', '.join(files)} to {options['out']}.")


def _tell(row: Any) -> None:
    """One line for each epoch, beside the output."""
    from latentia.learning.progress import told

    click.echo(f"epoch {row.epoch + 1}: {told(row)}", err=True)


def _save(estimator: Any, values: Any, measured: Any, options: dict[str, Any]) -> list[str]:
    from latentia import plots
    from latentia.estimators.files import save

    os.makedirs(options["out"], exist_ok=True)
    with Staging(options["out"]) as staging:
        save(estimator, staging.path("model.safetensors"), extra={"seed": options["seed"]})
        with open(staging.path("summary.txt"), "w", encoding="utf-8") as file:
            file.write(f"{estimator.fit_!r}\n\n{measured!r}\n")
        if options["plots"] and len(estimator.image_shape_) == 3:
            _keep(plots.plot_draws(estimator), staging.path("samples.png"))
            display = plots.plot_reconstructions(estimator, values[:8])
            _keep(display, staging.path("reconstructions.png"))
        return sorted(os.listdir(staging.hidden))


def draw_samples(estimator: Any, count: int, seed: int, out: str) -> None:
    """Write a grid of generated pictures."""
    from latentia import plots

    folder, name = os.path.split(os.path.abspath(out))
    with Staging(folder) as staging:
        _keep(plots.plot_draws(estimator, n=count, key=seed), staging.path(name))


def _keep(display: Any, path: str) -> None:
    import matplotlib.pyplot as plt

    display.figure_.savefig(path, dpi=150)
    plt.close(display.figure_)
