"""Simulation-based calibration: do posteriors say how uncertain they should be?"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy import stats

from latentia.inference import UntrustedPosterior
from latentia.inference.draw_summaries import entry_names, flat_draws
from latentia.inference.weighted_posterior import WeightedPosterior
from latentia.model import LatentVariableModel
from latentia.typing import Key
from latentia.verbs import infer, sample
from latentia.verdict import Verdict

BINS = 20
# The chance of a false alarm, over all entries of z together.
_ALARM = 0.01


class Calibration(NamedTuple):
    """Where the true z lay in the posterior, for data drawn from the model.

    Attributes:
        names: of the P entries of z.
        places: ``[R, P]``, for the R posteriors that passed, the share of each that lies below the
            truth; evenly spread between 0 and 1 if the posteriors are right.
        p_values: ``[P]``, of a chi-square test of evenness in 20 bins.
        levels: how many of the posteriors had the verdict "pass", "suspect" or "fail"; the last
            also counts data for which no posterior was found.
        verdict: whether an entry departs, at a chance of 1 % of a false alarm.
    """

    names: tuple[str, ...]
    places: np.ndarray
    p_values: np.ndarray
    levels: dict[str, int]
    verdict: Verdict

    def plot(self, ax: Any = None) -> Any:
        """Draw the places, entry by entry, and return a ``CalibrationDisplay``."""
        from latentia.plots.calibration import CalibrationDisplay

        return CalibrationDisplay(self.places, self.names).plot(ax)


def calibrate(
    model: LatentVariableModel,
    n: int = 500,
    *,
    key: Key | int = 0,
    method: Callable[[Any], Any] | None = None,
) -> Calibration:
    """Draw z and x from a model n times, infer z from each x, and see where the truth lies.

    Talts, Betancourt, Simpson, Vehtari and Gelman 2018, with weights in place of ranks. Posteriors
    whose verdict is not a pass are counted, and set aside: that is no bias, since a verdict depends
    on x alone, and given x the place of the truth is even whatever x is.

    Args:
        model: one whose prior and likelihood can be sampled, with real z.
        n: how many times; at least 100, for 20 bins.
        key: decides the draws.
        method: called with each x; returns a posterior of weighted draws, or draws of z with a
            leading axis. ``infer(model, x)`` by default.
    """
    if n < 5 * BINS:
        raise ValueError(f"n should be at least {5 * BINS}, but is {n}: {BINS} bins need so many.")
    truth, data = sample(model, key, n)
    method = (lambda x: infer(model, x)) if method is None else method
    places, levels, names = [], {"pass": 0, "suspect": 0, "fail": 0}, ()
    rng = np.random.default_rng(n)
    for place in range(n):
        x, z = jax.tree.map(lambda leaf, i=place: leaf[i], (data, truth))
        draws, weights, level = _asked(method, x)
        if level is not None:
            levels[level] += 1
        if level in (None, "pass"):
            names = entry_names(draws)
            places.append(_place(flat_draws(draws), weights, _flat_one(z, draws), rng))
    return _judged(names, places, levels, n - len(places))


def _asked(method: Callable[[Any], Any], x: Any) -> tuple[Any, Any, str | None]:
    """Draws, their weights if they have any, and the level of the verdict if there is one."""
    try:
        found = method(x)
    except UntrustedPosterior:
        return None, None, "fail"
    if isinstance(found, WeightedPosterior):
        return found.draws, np.asarray(found.weights), found.verdict.level
    return found, None, None


def _flat_one(z: Any, draws: Any) -> np.ndarray:
    if not isinstance(draws, dict):
        return np.ravel(z)
    return np.concatenate([np.ravel(z[name]) for name in draws])


def _place(draws: np.ndarray, weights: Any, truth: np.ndarray, rng: Any) -> np.ndarray:
    """``[P]``, the share of draws below the truth, with chance between the steps of few draws."""
    if weights is None:
        count = len(draws)
        below = (draws < truth).sum(axis=0)
        return (below + rng.uniform(size=truth.shape)) / (count + 1)
    return weights @ (draws < truth)


def _judged(names: tuple[str, ...], places: Any, levels: dict[str, int], aside: int) -> Calibration:
    if len(places) < 5 * BINS:
        reason = (
            f"{aside} of {aside + len(places)} posteriors did not pass, so that too few are left "
            "to judge: reparametrise the model, or raise n"
        )
        kept = np.reshape(places, (len(places), -1))
        return Calibration(names, kept, np.empty(0), levels, Verdict("suspect", reason))
    places = np.stack(places)
    # Entries that are determined, such as the diagonal of a correlation matrix, say nothing.
    counts = np.stack([np.histogram(c, BINS, (0, 1))[0] for c in places.T], axis=1)
    p_values = stats.chisquare(counts, axis=0).pvalue
    worst = int(np.argmin(p_values))
    least = float(p_values[worst]) * len(names)
    if least < _ALARM:
        column = places[:, worst]
        edges = np.mean((column < 0.05) | (column > 0.95))
        kind = "too narrow" if edges > 0.15 else "too wide" if edges < 0.05 else "displaced"
        reason = f"the posteriors of {names[worst]} look {kind} (p = {least:.2g} over all entries)"
        return Calibration(names, places, p_values, levels, Verdict("fail", reason))
    reason = f"no departure in {len(places)} replications (p = {min(least, 1.0):.2g})"
    if aside:
        reason += f"; {aside} more were set aside, since their posteriors did not pass"
    return Calibration(names, places, p_values, levels, Verdict("pass", reason))
