"""The log evidence by bridge sampling, between draws of a posterior and of a proposal."""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from .proposals import BLOCKS

_ROUNDS = 200


class Evidence(NamedTuple):
    """The log evidence and its standard error, and the stochastic bounds ``low`` from the
    proposal's draws and ``high`` from the posterior's, with errors of their own."""

    log: float
    error: float
    low: float
    high: float
    low_error: float
    high_error: float


def between(forwards: np.ndarray, backwards: np.ndarray) -> Evidence:
    """The evidence from log weights ``[G]`` of the posterior at draws from a proposal, and ``[S]``
    at draws from the posterior, both in independent blocks; for the expected log of an average of
    the first lies below it, and of the second above."""
    floored = np.where(np.isfinite(forwards), forwards, -1e300)
    log, error = log_evidence(backwards, floored)
    low, low_error = _by_block(floored)
    high, high_error = _by_block(-backwards)
    return Evidence(log, error, low, -high, low_error, high_error)


def _by_block(logs: np.ndarray) -> tuple[float, float]:
    """The mean over blocks of the log of their mean weight, a bound of that of all by Jensen's
    inequality, and its standard error."""
    blocks = logs.reshape(BLOCKS, -1)
    each = logsumexp(blocks, axis=1) - np.log(blocks.shape[1])
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(BLOCKS))


def log_evidence(from_posterior: np.ndarray, from_proposal: np.ndarray) -> tuple[float, float]:
    """The log evidence and its standard error (Meng and Wong 1996, the optimal bridge).

    Args:
        from_posterior: ``[S]``, log ratios of the unnormalised posterior to the proposal, at draws
            from the posterior in ``BLOCKS`` blocks.
        from_proposal: ``[G]``, the same at draws from the proposal.
    """
    count, others = len(from_posterior), len(from_proposal)
    share = np.log(count / (count + others)), np.log(others / (count + others))
    guess = float(np.median(from_posterior))

    def terms(guess: float) -> tuple[np.ndarray, np.ndarray]:
        above = from_proposal - np.logaddexp(share[0] + from_proposal, share[1] + guess)
        below = -np.logaddexp(share[0] + from_posterior, share[1] + guess)
        return above, below

    for _ in range(_ROUNDS):
        above, below = terms(guess)
        after = logsumexp(above) - np.log(others) - logsumexp(below) + np.log(count)
        moved, guess = abs(after - guess), float(after)
        if moved < 1e-10:
            break
    above, below = terms(guess)
    return guess, float(np.hypot(_relative_error(above), _relative_error(below)))


def _relative_error(logs: np.ndarray) -> float:
    values = np.exp(logs - logs.max()).reshape(BLOCKS, -1).mean(axis=1)
    return float(values.std(ddof=1) / np.sqrt(BLOCKS) / values.mean())
