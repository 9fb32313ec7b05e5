"""What one asks of a saved model: map, infer, score and sample."""

import json
from typing import Any

import click

from .engines import draw_where_they_go, engine_options, write_where_they_are
from .options import apply, data_argument, json_option, model_argument, out_option
from .running import guarded, prepare
from .sequences import sequence_option

_asking = apply(
    model_argument, data_argument, sequence_option, engine_options, out_option, json_option
)


@click.command("map", no_args_is_help=True)
@_asking
@guarded
def map_(
    model: str, data: str, sequence: str | None, out: str, as_json: bool, **engine: Any
) -> None:
    """The most probable latent variables of each row: its cluster, or its factors.

    \b
    Examples:
      latentia map result/model.safetensors data.csv
      latentia map result/model.safetensors new.parquet --out clusters.parquet
    """
    if engine["engine"] is not None:
        write_where_they_are("map_estimate", model, data, out, engine)
        return
    import numpy as np

    import latentia
    from latentia.answers import latent_columns

    core, values = _opened(model, data, sequence)
    found = latentia.map_estimate(core, values)
    # Of several sequences a list.
    found = np.concatenate(found) if isinstance(found, list) else found
    _tell(latent_columns(found), out, as_json)


@click.command(no_args_is_help=True)
@_asking
@guarded
def infer(
    model: str, data: str, sequence: str | None, out: str, as_json: bool, **engine: Any
) -> None:
    """The posterior of each row: a probability for each cluster, or mean and deviation of factors.

    \b
    Example:
      latentia infer result/model.safetensors data.csv --out soft.csv
    """
    if engine["engine"] is not None:
        write_where_they_are("infer", model, data, out, engine)
        return
    import latentia
    from latentia.answers import posterior_columns

    core, values = _opened(model, data, sequence)
    posterior: Any = latentia.infer(core, values)
    # Of several sequences a list.
    parts = posterior if isinstance(posterior, list) else [posterior]
    _tell(posterior_columns(parts), out, as_json)


@click.command(no_args_is_help=True)
@_asking
@guarded
def score(
    model: str, data: str, sequence: str | None, out: str, as_json: bool, **engine: Any
) -> None:
    """The log-likelihood of each row: the lower, the stranger. A row without any value has 0.

    \b
    Examples:
      latentia score result/model.safetensors data.csv --json
      latentia score result/model.safetensors 'DATA/*.parquet' --engine stream --out scores
    """
    if engine["engine"] is not None:
        write_where_they_are("score", model, data, out, engine)
        return
    import numpy as np

    import latentia

    core, values = _opened(model, data, sequence)
    _tell({"log_likelihood": np.atleast_1d(latentia.score(core, values))}, out, as_json)


@click.command(no_args_is_help=True)
@model_argument
@click.option("-n", "count", type=click.IntRange(1), default=10, show_default=True,
              help="How many rows.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--latent", is_flag=True, help="Also the cluster, or the factors, of each row.")
@engine_options
@out_option
@json_option
@guarded
def sample(
    model: str, count: int, seed: int, latent: bool, out: str, as_json: bool, **engine: Any
) -> None:
    """Draw new rows from a model; of a vae of pictures also a grid of them, as a .png file.

    \b
    Examples:
      latentia sample result/model.safetensors -n 1000 --out synthetic.csv
      latentia sample doges/model.safetensors -n 32 --out grid.png
      latentia sample result/model.safetensors -n 100000000 --engine processes --out draws
    """
    if engine["engine"] is not None:
        draw_where_they_go(model, count, seed, latent, out, engine)
        return
    prepare()
    import numpy as np

    import latentia
    from latentia.answers import latent_columns
    from latentia.estimators.files import load
    from latentia.estimators.validation import column_names

    found = load(model)
    if isinstance(found, latentia.VariationalAutoencoder) and out.endswith(".png"):
        from .autoencoder import draw_samples

        draw_samples(found, count, seed, out)
        return
    if isinstance(found, latentia.LatentVariableModel):
        z, x = latentia.sample(found, seed, count)
        names = [f"x{j}" for j in range(x.shape[1])]
    else:
        x, z = found.sample(count, random_state=seed)
        # A picture is a row of its pixels.
        x = x.reshape(count, -1) if isinstance(x, np.ndarray) else x
        names = column_names(found)
    _tell({**(latent_columns(z) if latent else {}), **_named(x, names)}, out, as_json)


def _named(x: Any, names: list[str]) -> dict[str, Any]:
    import narwhals as nw

    frame = nw.from_native(x, pass_through=True, eager_only=True)
    if isinstance(frame, nw.DataFrame):
        return {name: frame[name].to_list() for name in names}
    return {name: list(x[:, j]) for j, name in enumerate(names)}


def _opened(model: str, data: str, sequence: str | None) -> tuple[Any, Any]:
    """The core model of a file, and the data as it takes them."""
    prepare()
    import numpy as np

    import latentia
    from latentia.data import Sequences, read_table
    from latentia.estimators.files import load
    from latentia.estimators.validation import column_names

    from . import sequences, tables

    found = load(model)
    if isinstance(found, latentia.BayesianGaussianMixture):
        raise click.UsageError(
            "MODEL should have a point for its parameters, but is a BayesianGaussianMixture, which "
            "has a distribution: load it in Python by latentia.load, and ask its predict, "
            "predict_proba or score_samples."
        )
    if isinstance(found, latentia.VariationalAutoencoder):
        from .autoencoder import read_any

        return found.model_, found._read(read_any(data), reset=False)
    table = tables.read(data)
    table, lengths = sequences.split(table, sequence)
    if isinstance(found, latentia.LatentVariableModel):
        values = read_table(table).values
        return found, values if lengths is None else Sequences(values, np.array(lengths))
    if hasattr(found, "feature_names_in_"):
        # The data may have more columns than the model, in any order.
        table, _ = tables.choose(table, column_names(found), (), None)
    values = found._read(table, reset=False).astype(np.float64, copy=False)
    return found.model_, values if lengths is None else Sequences(values, np.array(lengths))


def _tell(columns: dict[str, Any], out: str, as_json: bool) -> None:
    from . import tables

    if not as_json:
        tables.write(columns, out)
        return
    import numpy as np

    plain = {name: np.asarray(column).tolist() for name, column in columns.items()}
    text = json.dumps({n: [v if v == v else None for v in c] for n, c in plain.items()})
    if out == "-":
        click.echo(text)
        return
    import os

    from .staging import Staging

    folder, name = os.path.split(os.path.abspath(out))
    with Staging(folder) as staging, open(staging.path(name), "w", encoding="utf-8") as file:
        file.write(text)
