"""The log evidence by bridge sampling, between draws of a posterior and of a proposal."""

import numpy as np
from scipy.special import logsumexp

from .proposals import BLOCKS

_ROUNDS = 200


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
