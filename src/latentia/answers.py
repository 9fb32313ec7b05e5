"""Answers as columns of a table, and answers and draws under some engine as Parquet files."""

import glob
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import jax
import numpy as np

from latentia.data.covariates import require_covariates, with_covariates
from latentia.data.engines import engine_of
from latentia.data.interface import AbstractPartitions, Source
from latentia.data.numbering import BLOCK, RowNumbers
from latentia.data.sources import is_named, is_stream, source_of
from latentia.distributions.given import inputs
from latentia.inference.batches import require_width
from latentia.inference.sequences import is_sequential
from latentia.model import LatentVariableModel
from latentia.verbs import infer, map_estimate, require_set, sample, score

VERBS = ("score", "map_estimate", "infer")


def write_answers(
    verb: str,
    model: LatentVariableModel,
    data: Any,
    folder: str | os.PathLike[str],
    *,
    given: Any = None,
    engine: Any = "stream",
) -> list[str]:
    """Ask a model about every row, and write the answers to Parquet files in the same order.

    Each partition is read, asked about and written where its rows are; a file appears whole.

    Args:
        verb: "score" writes the column ``log_likelihood``; "map_estimate" writes ``component``, or
            ``factor_0`` and so on; "infer" writes ``probability_0`` and so on, or the mean
            ``factor_0`` and standard deviation ``deviation_0`` of each factor.
        model: a model of rows whose parameters are set.
        data: as for ``latentia.fit``: the path of Parquet files, a stream or a table.
        folder: where to write ``part-00000.parquet`` and so on, one for each partition, which all
            workers reach by this path. It is made if there is none.
        given: covariates, for a model that uses some, as for ``latentia.fit``: with a path a list
            with the names of columns.
        engine: as for ``latentia.fit``.

    Returns:
        The paths of the files, in order.

    Raises:
        ValueError: if an argument does not fit, or the folder holds such files already.
        OSError: if a file cannot be read or written.
    """
    if verb not in VERBS:
        raise ValueError(f"verb should be one of {', '.join(map(repr, VERBS))}, but is {verb!r}.")
    require_set(model)
    if is_sequential(model):
        raise ValueError("model should be one of rows, and not of sequences: ask it in memory.")
    if not (is_stream(data) or is_named(data)):
        data, given = with_covariates(model, data, given, "data"), None
    source = source_of(data, None, None, given)
    require_covariates(model, source)
    require_width(model, np.empty((0, source.width)), "data")
    place = _empty_folder(folder, "answers")
    with closing(engine_of(engine).open(source)) as opened:
        return opened.gather(_written, [_Job(verb, model, path) for path in _paths(place, opened)])


def write_draws(
    model: LatentVariableModel,
    n: int,
    folder: str | os.PathLike[str],
    *,
    key: int = 0,
    latent: bool = False,
    columns: Sequence[str] | None = None,
    engine: Any = "stream",
) -> list[str]:
    """Draw rows from a model, and write them to Parquet files, so many as need not fit in memory.

    Args:
        model: a model of rows whose parameters are set.
        n: how many rows.
        folder: where to write ``part-00000.parquet`` and so on, one for each partition of the
            engine; see ``write_answers``.
        key: a whole number; equal keys give equal rows, whatever the engine and its partitions.
        latent: whether the latent variables are written too, as for ``write_answers``.
        columns: the names of the D columns; x0, x1 and so on by default.
        engine: as for ``latentia.fit``.

    Returns:
        The paths of the files, in order.

    Raises:
        ValueError: if an argument does not fit, or the folder holds such files already.
        OSError: if a file cannot be written.
    """
    require_set(model)
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"n should be a whole number of at least 1, but is {n!r}.")
    if is_sequential(model) or inputs(model.likelihood):
        raise ValueError(
            "model should be one of rows without covariates: draw others with latentia.sample."
        )
    likelihood: Any = model.likelihood
    dim = int(likelihood.shape[0])
    names = tuple(columns or [f"x{j}" for j in range(dim)])
    if len(names) != dim or len(set(names)) != dim:
        raise ValueError(f"columns should be {dim} different names, but are {list(names)}.")
    place = _empty_folder(folder, "draws")
    with closing(engine_of(engine).open(RowNumbers(int(n)))) as opened:
        asked = [_Job("sample", (model, int(key), latent, names), p) for p in _paths(place, opened)]
        return opened.gather(_written, asked)


def _empty_folder(folder: str | os.PathLike[str], what: str) -> str:
    place = os.path.abspath(os.fspath(folder))
    os.makedirs(place, exist_ok=True)
    if glob.glob(os.path.join(glob.escape(place), "part-*.parquet")):
        raise ValueError(
            f"folder should hold no {what} yet, but {place!r} has files part-*.parquet: remove "
            "them, or name another folder."
        )
    return place


def _paths(place: str, opened: AbstractPartitions) -> list[str]:
    return [os.path.join(place, f"part-{i:05d}.parquet") for i in range(opened.count)]


class _Job(NamedTuple):
    """What to ask of what about a partition, and where to write the answers."""

    verb: str
    model: Any
    path: str


def _written(part: Source, job: _Job) -> str:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    # Hidden until it is whole; by a name of its own, since a lost worker may still be writing.
    place, name = os.path.split(job.path)
    hidden = os.path.join(place, f".{name}-{secrets.token_hex(6)}.tmp")
    writer = None
    try:
        for values, *_ in part.batches():
            table = pa.table(_ASKED[job.verb](job.model, values))
            writer = ParquetWriter(hidden, table.schema) if writer is None else writer
            writer.write_table(table)
        if writer is not None:
            writer.close()
            os.replace(hidden, job.path)
    finally:
        if writer is not None:
            writer.close()
        if os.path.exists(hidden):
            os.unlink(hidden)
    return job.path


def _drawn(asked: tuple[Any, int, bool, Sequence[str]], numbers: np.ndarray) -> dict[str, Any]:
    """A block of rows, which depends on the key and its number alone."""
    model, seed, latent, names = asked
    key = jax.random.fold_in(jax.random.key(seed), int(numbers[0, 0]) // BLOCK)
    z, x = sample(model, key, len(numbers))
    columns = dict(zip(names, np.asarray(x).T, strict=True))
    return {**columns, **(latent_columns(z) if latent else {})}


def _apart(model: Any, rows: np.ndarray) -> dict[str, Any]:
    """Rows, and the covariates that stand behind them, as the arguments of a question."""
    described = rows.shape[1] - inputs(model.likelihood)
    given = rows[:, described:] if described < rows.shape[1] else None
    return {"x": rows[:, :described], "given": given}


def latent_columns(z: Any) -> dict[str, Any]:
    """Latent variables of many rows as columns: states, factors, or both."""
    if isinstance(z, tuple):
        return {**latent_columns(z[0]), **latent_columns(z[1])}
    values = np.asarray(z)
    if values.ndim == 1:
        return {"component": values.astype(np.int64)}
    return {f"factor_{j}": column for j, column in enumerate(values.T)}


def posterior_columns(parts: Sequence[Any]) -> dict[str, Any]:
    """Posteriors of many rows, part by part, as columns."""
    if hasattr(parts[0], "probabilities"):
        shares = np.concatenate([np.asarray(part.probabilities) for part in parts])
        return {f"probability_{k}": column for k, column in enumerate(shares.T)}
    means = np.concatenate([np.asarray(part.mean) for part in parts])
    spread = np.concatenate([np.asarray(part.covariance) for part in parts])
    columns: dict[str, Any] = {}
    for j, column in enumerate(means.T):
        columns[f"factor_{j}"] = column
        columns[f"deviation_{j}"] = np.sqrt(spread[:, j, j])
    return columns


_ASKED: dict[str, Callable[[Any, Any], dict[str, Any]]] = {
    "sample": _drawn,
    "score": lambda model, rows: {"log_likelihood": score(model, **_apart(model, rows))},
    "map_estimate": lambda model, rows: latent_columns(map_estimate(model, **_apart(model, rows))),
    "infer": lambda model, rows: posterior_columns([infer(model, **_apart(model, rows))]),
}
