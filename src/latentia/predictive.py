"""Posterior predictive checks: do data that the fitted model would make look like those seen?"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy.special import ndtr

from latentia.data.table import read_table
from latentia.inference.sequences import is_sequential
from latentia.inference.weighted_posterior import WeightedPosterior, seed_of
from latentia.likelihoods import AbstractWholeLikelihood
from latentia.model import LatentVariableModel
from latentia.typing import Key
from latentia.verbs import infer, sample
from latentia.verdict import Verdict

# The chance of a false alarm, over all statistics together, if there is none of being conservative.
_ALARM = 0.01
_USUAL = {
    "mean": np.nanmean,
    "standard deviation": np.nanstd,
    "minimum": np.nanmin,
    "maximum": np.nanmax,
}


class PredictiveCheck(NamedTuple):
    """Statistics of the data, and of data that were drawn again.

    Attributes:
        names: of the Q statistics.
        observed: ``[Q]``.
        replicated: ``[S, Q]``.
        p_values: ``[Q]``, two-sided: how often replicates are at least as far out.
        verdict: whether one of the statistics is unlike the replicates, at a chance of 1 %.
    """

    names: tuple[str, ...]
    observed: np.ndarray
    replicated: np.ndarray
    p_values: np.ndarray
    verdict: Verdict

    def plot(self, ax: Any = None) -> Any:
        """Draw each statistic beside its replicates, and return a ``PredictiveDisplay``."""
        from latentia.plots.predictive import PredictiveDisplay

        return PredictiveDisplay(self.names, self.observed, self.replicated).plot(ax)


def predictive_check(
    model: LatentVariableModel,
    x: Any,
    n: int = 1000,
    *,
    posterior: WeightedPosterior | None = None,
    statistics: Mapping[str, Callable[[Any], Any]] | None = None,
    key: Key | int = 0,
) -> PredictiveCheck:
    """Draw the data again from what was learned of them, and compare (Rubin 1984; Gelman, Meng and
    Stern 1996).

    Of a model of your own z is drawn from its posterior, and x from z by the ``draw`` of its
    likelihood. Of a model of rows whose parameters are set, as many rows as there are in x are
    drawn from it: missing entries stay missing. p-values are known to be cautious, since the model
    has seen the data: a small one means something, a large one little.

    Args:
        model: a ``Custom`` model with ``draw``, or a model of rows.
        x: the data, as for ``infer``.
        n: how often to draw them, at least 100.
        posterior: of a model of your own, if it was inferred already.
        statistics: for each name a function of data like x that returns one number. By default
            mean, standard deviation, minimum and maximum of each array, or of each column.
        key: decides the draws.

    Raises:
        ValueError: if an argument does not fit, or the posterior failed.
    """
    if not isinstance(n, int | np.integer) or n < 100:
        raise ValueError(
            f"n should be at least 100, a whole number, but is {n!r}: tails need so many."
        )
    seed = seed_of(key)
    if isinstance(model.likelihood, AbstractWholeLikelihood):
        x = model.likelihood.read(x)
        posterior = infer(model, x, key=seed) if posterior is None else posterior
        again = _from_posterior(model, posterior, n, seed)
    elif is_sequential(model) or posterior is not None:
        raise ValueError(
            "model should be one of rows, or have a Custom likelihood, and posterior be None for "
            "a model of rows: for sequences, compare statistics of sample(model, key) yourself."
        )
    else:
        x = read_table(np.asarray(x), argument="x").values
        again = _rows(model, x, n, seed)
    asked = _usual(x) if statistics is None else dict(statistics)
    if not asked:
        raise ValueError(
            "statistics should name at least one function of x, but there is none: write "
            "statistics={'range': lambda x: np.ptp(x)}, for instance."
        )
    observed = np.array([_number(name, ask(x)) for name, ask in asked.items()])
    replicated = np.array([[_number(m, ask(one)) for m, ask in asked.items()] for one in again])
    return _judged(tuple(asked), observed, replicated, statistics is None)


def _from_posterior(model: Any, posterior: Any, n: int, seed: int) -> Any:
    z = posterior.sample(seed, n)
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(seed), n)
        drawn = jax.device_get(jax.jit(jax.vmap(model.likelihood.sample))(keys, z))
    return (jax.tree.map(lambda leaf, i=i: np.asarray(leaf)[i], drawn) for i in range(n))


def _rows(model: Any, x: np.ndarray, n: int, seed: int) -> Any:
    for place in range(n):
        drawn = np.array(sample(model, jax.random.fold_in(jax.random.key(seed), place), len(x)).x)
        yield np.where(np.isnan(x), np.nan, drawn)


def _usual(x: Any) -> dict[str, Callable[[Any], Any]]:
    """The usual statistics of each array in x, or of each column of a table."""
    asked: dict[str, Callable[[Any], Any]] = {}
    if not isinstance(x, Mapping):
        columns = np.shape(x)[1] if np.ndim(x) == 2 else 0
        for name, ask in _USUAL.items():
            if columns:
                for d in range(columns):
                    asked[f"{name} of x[{d}]"] = lambda x, ask=ask, d=d: ask(x[:, d])
            else:
                asked[f"{name} of x"] = ask
        return asked
    for part, values in x.items():
        if isinstance(values, np.ndarray) and values.dtype.kind in "if" and values.ndim:
            for name, ask in _USUAL.items():
                asked[f"{name} of {part}"] = lambda x, ask=ask, part=part: ask(x[part])
    return asked


def _number(name: str, value: Any) -> float:
    if np.shape(value) != ():
        raise ValueError(
            f"statistics[{name!r}] should return one number, but returns shape {np.shape(value)}: "
            "take its mean, for instance."
        )
    return float(value)


def _judged(
    names: tuple[str, ...], observed: np.ndarray, replicated: np.ndarray, drop: bool
) -> PredictiveCheck:
    moves = np.ptp(replicated, axis=0) > 0
    if drop and moves.any():
        # Covariates are no replicates, but the same in all.
        names = tuple(name for name, some in zip(names, moves, strict=True) if some)
        observed, replicated = observed[moves], replicated[:, moves]
    below = np.mean(replicated < observed, axis=0) + 0.5 * np.mean(replicated == observed, axis=0)
    sides = np.minimum(below, 1 - below)
    # Beyond all replicates only their spread tells how far.
    far = np.abs(observed - replicated.mean(axis=0)) / np.maximum(replicated.std(axis=0), 1e-300)
    beyond = np.minimum(2 * ndtr(-far), 1 / len(replicated))
    p_values = np.where(sides > 0, np.minimum(2 * sides, 1.0), beyond)
    worst = int(np.argmin(p_values))
    least = min(float(p_values[worst]) * len(names), 1.0)
    facts = (
        f"the {names[worst]} is {observed[worst]:.4g}, that of 90 % of replicates "
        f"{np.quantile(replicated[:, worst], 0.05):.4g} to "
        f"{np.quantile(replicated[:, worst], 0.95):.4g}"
    )
    if not np.isfinite(observed).all() or least < _ALARM:
        reason = f"the model does not make such data: {facts} (p = {least:.2g} over all statistics)"
        return PredictiveCheck(names, observed, replicated, p_values, Verdict("fail", reason))
    reason = f"{len(names)} statistics are like those of replicates (p = {least:.2g}; {facts})"
    return PredictiveCheck(names, observed, replicated, p_values, Verdict("pass", reason))
