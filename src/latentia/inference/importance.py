"""Importance sampling that smooths its weights, and says how far they can be trusted."""

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from latentia.numerics import LOG_2PI
from latentia.verdict import Verdict

from .pareto import smooth
from .proposals import BLOCKS, AbstractProposal, whitened_normals
from .target import MOST_AVERAGED, Surface

# Measured on 81 reweighted posteriors: all good ones, and no bad one, passed these.
_TAIL, _WORST_TAIL = 0.7, 1.0
_SHARE, _EVEN = 0.10, 0.70
# More NaN densities than this among the draws are suspect.
_NAN = 0.01


class Weighted(NamedTuple):
    """Draws that stand for a posterior: free numbers ``points [S, n]``, ``z`` with a leading axis
    of S, and ``weights [S]`` that sum to one.

    ``tail`` is the Pareto k-hat, ``size`` the effective sample size, ``log_evidence`` comes with
    its standard ``evidence_error``, and ``broken`` is the share of draws with a NaN density.
    """

    points: np.ndarray
    z: Any
    weights: np.ndarray
    tail: float
    size: float
    log_evidence: float
    evidence_error: float
    broken: float

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean ``[n]`` and covariance ``[n, n]`` of the free numbers."""
        mean = self.weights @ self.points
        gap = self.points - mean
        return mean, (gap * self.weights[:, None]).T @ gap


def even(points: np.ndarray, z: Any, size: float) -> Weighted:
    """Points that all count alike, together as much as ``size`` independent draws."""
    weights = np.full(len(points), 1 / len(points))
    return Weighted(points, z, weights, float("nan"), size, 0.0, np.inf, 0.0)


class LowerBound(NamedTuple):
    """The evidence lower bound of a Gaussian approximation, in nats, and its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.3f} +- {self.error:.3f}"


def lower_bound(surface: Surface, proposal: AbstractProposal, seed: int) -> LowerBound | None:
    """The expected log p(x, z) / q where q is a proposal of one component with normal noise.

    The draws are other ones than any approximation was fitted to. For a Gaussian posterior the
    bound is free of chance; None for proposals of several modes.
    """
    if len(proposal.shares) > 1:
        return None
    few = surface.dim > MOST_AVERAGED
    count = 512 if few else max(512, 2 ** math.ceil(math.log2(4 * surface.dim)))
    noise = whitened_normals(surface.dim, count, seed)
    gaps = proposal.spread(0, noise)
    values, _ = surface.evaluate(proposal.means[0] + gaps)
    if not np.isfinite(values).all():
        return LowerBound(-np.inf, 0.0)
    _, volume = proposal.whiten(0, gaps)
    logs = values + volume + 0.5 * (surface.dim * LOG_2PI + np.sum(noise**2, axis=1))
    # In opposite pairs, of which one alone is no independent draw.
    pairs = logs.reshape(2, -1).mean(axis=0)
    return LowerBound(float(logs.mean()), float(pairs.std(ddof=1) / np.sqrt(len(pairs))))


def correct(surface: Surface, proposal: AbstractProposal, count: int, seed: int) -> Weighted:
    """Draw from a proposal and weight the draws by the posterior over it."""
    points = proposal.draw(count, seed)
    values, z = surface.evaluate(points)
    return reweight(points, z, values - proposal.log_prob(points))


def reweight(points: np.ndarray, z: Any, log_ratios: np.ndarray) -> Weighted:
    """Draws with their smoothed weights, from the log ratios of the posterior to the proposal."""
    broken = float(np.mean(np.isnan(log_ratios) | (log_ratios == np.inf)))
    ratios = np.where(np.isnan(log_ratios) | (log_ratios == np.inf), -np.inf, log_ratios)
    if not np.isfinite(ratios).any():
        even = np.full(len(points), 1 / len(points))
        return Weighted(points, z, even, np.nan, 0.0, -np.inf, np.inf, broken)
    logs, tail = smooth(ratios)
    total = logsumexp(logs)
    weights = np.exp(logs - total)
    by_block = weights.reshape(BLOCKS, -1).sum(axis=1) * BLOCKS
    error = float(by_block.std(ddof=1) / np.sqrt(BLOCKS))
    evidence = float(total - np.log(len(points)))
    return Weighted(
        points, z, weights, tail, float(1 / np.sum(weights**2)), evidence, error, broken
    )


def effective(logs: np.ndarray) -> float:
    """The effective sample size of draws with these log weights (Kish 1965)."""
    return float(np.exp(2 * np.asarray(logsumexp(logs)) - logsumexp(2 * logs)))


def log_ratios(proposal: AbstractProposal, points: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Log ratios ``[G]`` of the posterior to the proposal; minus infinity where there is none."""
    broken = np.isnan(values) | (values == np.inf)
    return np.where(broken, -np.inf, values) - proposal.log_prob(points)


def block_errors(weights: Any, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard errors of the weighted mean and standard deviation, from independent blocks.

    ``weights [S]`` and ``values [S, ...]``; the errors are ``[...]``.
    """
    flat = np.reshape(values, (len(values), -1))
    gap = flat - weights @ flat
    first = gap * np.asarray(weights)[:, None]
    second = first * gap
    variance = second.sum(axis=0)
    mass = np.reshape(weights, (BLOCKS, -1)).sum(axis=1)

    def error(parts: np.ndarray, centre: Any) -> np.ndarray:
        sums = parts.reshape(BLOCKS, -1, parts.shape[1]).sum(axis=1) - mass[:, None] * centre
        return np.sqrt(np.sum(sums**2, axis=0) * BLOCKS / (BLOCKS - 1)).reshape(values.shape[1:])

    spread = np.maximum(np.sqrt(variance), 1e-300)
    return error(first, 0.0), error(second / (2 * spread), variance / (2 * spread))


def largest_error(weighted: Weighted) -> float:
    """The largest error of any mean or standard deviation of z, in standard deviations."""
    leaves = weighted.z.values() if isinstance(weighted.z, dict) else [weighted.z]
    flat = np.concatenate([np.reshape(leaf, (len(leaf), -1)) for leaf in leaves], axis=1)
    centre = weighted.weights @ flat
    spread = np.sqrt(weighted.weights @ (flat - centre) ** 2)
    # The diagonal of a correlation matrix does not move at all.
    moves = spread > 1e-9 * np.abs(centre)
    errors = np.stack(block_errors(weighted.weights, flat))
    return float(np.max(errors[:, moves] / spread[moves], initial=0.0))


def judge(weighted: Weighted) -> Verdict:
    """Whether importance weights can be trusted."""
    tail, share = weighted.tail, weighted.size / len(weighted.weights)
    count = f"{weighted.size:,.0f} of {len(weighted.weights):,} draws count"
    if np.isnan(tail) or not np.isfinite(weighted.log_evidence):
        return Verdict("fail", "the density is not finite at nearly all draws of the approximation")
    # Weights that are nearly even have no tail to speak of.
    good_tail = tail < _TAIL or share > _EVEN
    if weighted.broken > _NAN:
        return Verdict(
            "suspect",
            f"the density is NaN at {weighted.broken:.0%} of the draws, which were left out",
        )
    if good_tail and share >= _SHARE:
        shown = f"Pareto k-hat {tail:.2f}" if np.isfinite(tail) else "even weights"
        return Verdict("pass", f"importance weights are stable ({shown}, {count})")
    if tail > _WORST_TAIL and not good_tail:
        return Verdict(
            "fail",
            f"the approximation misses much of the posterior (Pareto k-hat {tail:.2f} is above "
            f"{_WORST_TAIL:g}; {count})",
        )
    why = f"Pareto k-hat {tail:.2f}, at most {_TAIL:g} is safe"
    if good_tail:
        why = f"{share:.0%} count, at least {_SHARE:.0%} is safe"
    return Verdict("suspect", f"a few draws decide the answer ({why}; {count})")
