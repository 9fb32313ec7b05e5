"""What one does with a model: sample, infer, map_estimate, score and fit."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from latentia.data.covariates import column_names, with_covariates
from latentia.data.sequence_rows import SequenceRows
from latentia.data.sources import is_named, is_stream, source_of
from latentia.data.sparse_rows import is_sparse, sparse_rows
from latentia.data.table import read_labels, read_table
from latentia.distributions.given import drivers, inputs
from latentia.drawing import covariates, draw, draw_given, draw_x
from latentia.inference import Ladder, choose
from latentia.inference.amortized_answers import answer_amortized, is_deep, narrowed
from latentia.inference.batches import (
    for_rows,
    log_evidence,
    matching,
    mode,
    precise_enough,
    require_width,
    whole,
)
from latentia.inference.climbing import answer_by_climbing, climbs, require_sites
from latentia.inference.interface import AbstractRefinable
from latentia.inference.sequences import answer_sequences, is_sequential
from latentia.inference.sites import AbstractSurrogate
from latentia.latents import AbstractLabelledPrior
from latentia.learning import EM, Fit, Gradient, StochasticGradient
from latentia.learning.deep_fitting import fit_deep
from latentia.learning.table_fitting import fit_by_em
from latentia.likelihoods import AbstractLearnableLikelihood
from latentia.model import LatentVariableModel
from latentia.precision import is_traced, mended, on_host, precision_of
from latentia.typing import Key


class Draw(NamedTuple):
    """Latent variables and data drawn together, with a leading axis of N if N were asked for."""

    z: Any
    x: Any


def sample(
    model: LatentVariableModel,
    key: Key | int,
    n: int | None = None,
    *,
    z: Any = None,
    given: Any = None,
) -> Draw:
    """Draw z from the prior and then x given z, or x alone for a chosen z.

    Args:
        model: a model whose parameters are set.
        key: a JAX random key, or a whole number to make one of. Equal keys give equal draws.
        n: how many to draw; one without a leading axis by default.
        z: a latent variable to draw x for, in place of one from the prior.
        given: covariates, for a model that uses some: ``[P]``, or for a model of sequences
            ``[T, P]``; with a leading axis of n to draw each x for covariates of its own.

    Returns:
        A ``Draw`` with ``z`` and ``x [D]``, or ``x [n, D]``.

    Raises:
        ValueError: if a parameter is not set, ``n`` is not a positive whole number, or ``given``
            does not fit.
    """
    require_set(model)
    if n is not None and (not isinstance(n, int | np.integer) or n < 1):
        raise ValueError(f"n should be a whole number of at least 1, but is {n!r}.")
    model = narrowed(model) if is_deep(model) else model
    with precision_of(model):
        key = jax.random.key(int(key)) if isinstance(key, int | np.integer) else key
        keys = key if n is None else jax.random.split(key, int(n))
        many = n is not None
        if inputs(model.likelihood) or given is not None:
            return on_host(Draw(*draw_given(model, keys, z, covariates(model, given, n, z), many)))
        drawn = draw(model, keys, many) if z is None else draw_x(model, keys, z, many)
        return on_host(Draw(*drawn))


def infer(
    model: LatentVariableModel,
    x: Any,
    *,
    labels: Any = None,
    given: Any = None,
    inference: Ladder | AbstractSurrogate | None = None,
    key: Key | int = 0,
) -> Any:
    """The posterior p(z|x), by the algorithm that ``print(model)`` names.

    Args:
        model: a model whose parameters are set.
        x: one datum ``[D]``, a table ``[N, D]`` (an array or a data frame), or a stream from
            ``latentia.data.parquet``; NaN is missing. For a model of sequences one sequence
            ``[T, D]``, a list of such tables, or an array ``[N, T, D]``.
        labels: known states, ``[N]`` (or one for one datum); -1 is unknown. For a sequence there is
            one for each step.
        given: covariates of x, for a model that uses some: as many rows as x has.
        inference: in place of the model's own algorithm, for a model of continuous z a ``Ladder``;
            for a smooth likelihood of Gaussian vectors ``Laplace()``, ``Variational()`` or
            ``ExpectationPropagation()``.
        key: decides the draws of a ``Ladder``; the same key gives the same numbers.

    Returns:
        A posterior with ``moments``, ``mode()``, ``log_evidence``, ``exactness`` and ``method``.
        For a table every array in it has a leading axis of N. For a stream an iterator over its
        batches, in order, with a posterior for each: no more than one batch is in memory. For a
        list of sequences a list of posteriors.
    """
    return _asked(model, x, whole, labels, given, inference, key)


def map_estimate(
    model: LatentVariableModel,
    x: Any,
    *,
    labels: Any = None,
    given: Any = None,
    inference: Ladder | AbstractSurrogate | None = None,
    key: Key | int = 0,
) -> Any:
    """The most probable z given x, which is also the mode of the joint density.

    Of constrained numbers it is the mode of their own density, not of the unconstrained numbers
    behind them. Args and shapes are those of ``infer``; a surrogate in ``inference`` has no say.
    """
    return _asked(model, x, mode, labels, given, inference, key)


def score(
    model: LatentVariableModel,
    x: Any,
    *,
    labels: Any = None,
    given: Any = None,
    inference: Ladder | AbstractSurrogate | None = None,
    key: Key | int = 0,
) -> Any:
    """The log evidence log p(x): of one datum a number, of a table an array ``[N]``.

    With ``labels`` it is log p(x, label). A row without any observed entry has 0. Args are those of
    ``infer``; of a stream it is an iterator over the arrays of its batches.
    """
    return _asked(model, x, log_evidence, labels, given, inference, key)


def _asked(model: Any, x: Any, ask: Any, labels: Any, given: Any, inference: Any, key: Any) -> Any:
    """The answer by a ladder, or by the algorithm that the structure of the model allows."""
    if climbs(model, inference):
        require_set(model)
        return answer_by_climbing(model, x, ask, labels, given, inference, key)
    # The mode is that of the posterior and not of something in its place.
    inference = None if ask is mode else inference
    if is_deep(model):
        require_set(model)
        if inference is not None:
            require_sites(model)
        return answer_amortized(model, x, ask, labels, given)
    if is_stream(x):
        if given is not None:
            raise ValueError(
                "given should be None for a stream, of which covariates are columns: name them "
                "when the stream is opened, as in latentia.data.parquet(path, given=[...])."
            )
    else:
        x = with_covariates(model, x, given, "x")
    return _answer(model, x, ask, labels, inference)


def _answer(
    model: LatentVariableModel, x: Any, ask: Any, labels: Any, inference: Any = None
) -> Any:
    choose(model)
    if inference is not None:
        require_sites(model)
    if is_traced(model, x):
        return _traced(model, x, ask, inference)
    require_set(model)
    if is_stream(x):
        return _stream_answers(model, x, ask, labels, inference)
    if is_sparse(x):
        return _sparse_answers(model, x, ask, labels, inference)
    if is_sequential(model):
        return answer_sequences(model, x, ask, labels, inference)
    single = np.ndim(x) == 1 and not hasattr(x, "columns")
    values = read_table(np.asarray(x)[None] if single else x, argument="x").values
    require_width(model, values, "x")
    states = getattr(model.prior, "states", 1)
    codes = read_labels(np.atleast_1d(labels) if single and labels is not None else labels,
                        len(values), states)  # fmt: skip
    answer = _row_answers(model, values, ask, codes, inference)
    return jax.tree.map(lambda leaf: leaf[0], answer) if single else answer


def _row_answers(model: Any, values: np.ndarray, ask: Any, codes: Any, inference: Any) -> Any:
    def answered(model: Any, values: np.ndarray) -> Any:
        with precision_of(model, values):
            return for_rows(model, matching(model, values), ask, codes, inference)

    return mended(answered, _has_nan, model, values)


def _sparse_answers(model: Any, x: Any, ask: Any, labels: Any, inference: Any) -> Any:
    """The answers of all rows of a sparse matrix, of which a batch at a time is made dense."""
    if is_sequential(model) or labels is not None:
        what = "for a model of sequences" if is_sequential(model) else "with labels"
        raise ValueError(f"x should be dense {what}, but is a sparse matrix: pass x.toarray().")
    rows = sparse_rows(x, argument="x")
    require_width(model, np.empty((0, rows.width)), "x")
    inference = choose(model) if inference is None else inference
    if isinstance(inference, AbstractRefinable):
        # As fine as any batch needs, since the answers are put together.
        for values, *_ in rows.batches():
            with precision_of(model, values):
                inference = precise_enough(model, matching(model, values), inference)
    parts = [_row_answers(model, values, ask, None, inference) for values, *_ in rows.batches()]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def _has_nan(answer: Any) -> bool:
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(answer)]
    return any(leaf.dtype.kind == "f" and bool(np.isnan(leaf).any()) for leaf in leaves)


def _stream_answers(model: Any, rows: Any, ask: Any, labels: Any, inference: Any) -> Iterator[Any]:
    if labels is not None:
        raise ValueError("labels should be None for a stream: pass the rows as a table.")
    if isinstance(rows, SequenceRows):
        rows = rows.driven() if drivers(model.likelihood) else rows
        return (
            answer_sequences(model, some.data, ask, None, inference) for some in rows.sequences()
        )
    require_width(model, np.empty((0, rows.width)), "x")
    return (_answer(model, values, ask, None, inference) for values, *_ in rows.batches())


def _traced(model: Any, x: Any, ask: Any, inference: Any) -> Any:
    inference = choose(model) if inference is None else inference

    def one(datum: Any) -> Any:
        return ask(inference.infer(model, datum))

    return jax.vmap(one)(x) if x.ndim > len(model.likelihood.shape) else one(x)


def fit(
    model: LatentVariableModel,
    data: Any,
    *,
    weights: Any = None,
    labels: Any = None,
    given: Any = None,
    learner: EM | Gradient | StochasticGradient = EM(),
    fixed: Any = None,
    tied: Any = None,
    key: int = 0,
    engine: Any = None,
) -> Fit:
    """Maximum likelihood estimation of the parameters, by EM or by the gradient.

    Args:
        model: parameters that are set are one start (or kept, where others of a part are not set);
            the others are found by a portfolio of starts.
        data: a table ``[N, D]``: an array, a pandas, polars or pyarrow table, a stream from
            ``latentia.data.parquet``, or the path of Parquet files: a file, a folder, or a pattern
            like ``data/*.parquet`` (of CSV, Arrow and npy files too); a Dask array or data frame;
            or a sparse matrix of SciPy, which is made dense batch by batch. NaN and null are
            missing at random and are integrated out. For a model of sequences a list of tables
            ``[T, D]``, one for each, or an array ``[N, T, D]``, or one table, which is one
            sequence. For a model with an encoder also pictures, or the path of a folder of images,
            which are read as they are needed.
        weights: ``[N]``, non-negative: 2 is a repeated datum and 0 a removed one. With a path the
            name of a column.
        labels: ``[N]``, known states; -1 is unknown. For sequences one for each step, as a list of
            arrays. With a path the name of a column.
        given: covariates, for a model that uses some: as many rows as the data have, none missing.
            With a path a list with the names of columns.
        learner: how to fit, and to what: ``EM()``, or ``Gradient()`` where EM crawls; for a model
            with an encoder ``StochasticGradient()``.
        fixed: names of parameters that keep the values they were given, such as
            ``["prior.transitions"]``; or a mapping from names to masks of the entries that do.
        tied: names of parameters that are the same in all states, such as
            ``["likelihood.parts.variances"]``.
        key: a whole number that decides every random choice.
        engine: where the sums over data are made: "memory", "stream" (the default for
            Parquet files), "processes", "dask" or "mesh"; or one of the engines of
            ``latentia.data`` with options of its own. The numbers are the same.

    Returns:
        A ``Fit``: the model, how the fit ended, and how far to trust it. Of a model with an encoder
        it is a ``BoundFit``.

    Raises:
        ValueError: if an argument does not fit; the message names it.
        FitInterrupted: at Ctrl-C; its ``fit`` holds the last completed iteration.
    """
    if is_deep(model):
        unused = {"labels": labels, "fixed": fixed, "tied": tied}
        return fit_deep(model, data, learner, weights, unused, int(key), given=given)
    if not isinstance(model.likelihood, AbstractLearnableLikelihood):
        raise TypeError(
            f"model should have a likelihood that EM can learn, but has {model.likelihood!r}."
        )
    if isinstance(learner, StochasticGradient):
        raise TypeError(
            "learner should be EM() or Gradient() for this model, since it has no encoder, but is "
            "StochasticGradient()."
        )
    if fixed is not None or tied is not None:
        learner = replace(learner, fixed=fixed or (), tied=tuple(tied or ()))
    if labels is not None and not isinstance(model.prior, AbstractLabelledPrior):
        raise ValueError(
            "labels should be None, since this model has no states: use a Discrete or a Branching "
            "prior."
        )
    if is_sparse(data) or is_stream(data) or is_named(data):
        # A sparse matrix is made dense batch by batch, which a stream does.
        data, weights, labels, given = source_of(data, weights, labels, given), None, None, None
    names = None if given is None else column_names(data)
    data = data if is_stream(data) else with_covariates(model, data, given, "data")
    if engine is not None or is_stream(data):
        # Loaded here, since few fits need it.
        from latentia.learning.engine_fitting import fit_under

        return fit_under(engine, model, data, weights, labels, learner, int(key))
    found = fit_by_em(model, data, weights, labels, learner.em, int(key))
    found = found if names is None else replace(found, columns=names)
    return learner.refine(found, data, weights, labels)


def require_set(model: LatentVariableModel) -> None:
    """Raise ``ValueError`` naming the parameters that are not set."""
    if is_traced(model):
        return
    leaves = jax.tree_util.tree_leaves_with_path(model)
    missing = [path for path, leaf in leaves if np.isnan(leaf).any()]
    unset = [jax.tree_util.keystr(path).lstrip(".") for path in missing]
    if unset:
        raise ValueError(
            f"model should have all its parameters set, but {', '.join(unset)} "
            f"{'is' if len(unset) == 1 else 'are'} not: call latentia.fit(model, data) first, and "
            "use the model of the Fit that it returns."
        )
