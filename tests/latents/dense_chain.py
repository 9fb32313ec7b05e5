"""A Gaussian chain as the joint Gaussian of all its steps: an oracle without any recursion."""

from typing import NamedTuple

import numpy as np

from latentia import LinearGaussian
from latentia.latents import GaussianChain


class Dense(NamedTuple):
    log_evidence: float
    mean: np.ndarray
    covariance: np.ndarray


def dense(
    chain: GaussianChain, emission: LinearGaussian, x: np.ndarray, pushed: np.ndarray | None = None
) -> Dense:
    """Condition the joint Gaussian of all z on what is observed; flat coordinates by their limit.

    The start's flat coordinates are regression coefficients, integrated over R^d. ``pushed [T, L]``
    is what covariates add to the moves into every step; its first row is of no account.
    """
    steps, size = len(x), chain.dim
    flat = np.flatnonzero(chain.diffuse)
    move, drift = np.asarray(chain.transition), np.asarray(chain.drift)
    noise = np.asarray(chain.noise_covariance)
    start = np.array(chain.covariance)
    start[flat], start[:, flat] = 0, 0
    powers = [np.linalg.matrix_power(move, t) for t in range(steps)]
    mean = [np.asarray(chain.mean)]
    pushed = np.zeros((steps, size)) if pushed is None else pushed
    for t in range(1, steps):
        mean.append(move @ mean[-1] + drift + pushed[t])
    mean = np.concatenate(mean)
    blocks = [[np.zeros((size, size)) for _ in range(steps)] for _ in range(steps)]
    own = start
    for t in range(steps):
        for s in range(t, steps):
            blocks[s][t] = powers[s - t] @ own
            blocks[t][s] = blocks[s][t].T
        own = move @ own @ move.T + noise
    prior = np.block(blocks)
    effect = np.concatenate([power[:, flat] for power in powers])
    loadings = np.kron(np.eye(steps), np.asarray(emission.loadings))
    seen = ~np.isnan(x.ravel())
    rows = loadings[seen]
    gap = (x - np.asarray(emission.bias)).ravel()[seen] - rows @ mean
    total = rows @ prior @ rows.T + np.diag(np.tile(np.asarray(emission.noise), steps)[seen])
    inverse = np.linalg.inv(total)
    gain = prior @ rows.T @ inverse
    evidence = -0.5 * (gap @ inverse @ gap + np.linalg.slogdet(2 * np.pi * total)[1])
    mean, covariance = mean + gain @ gap, prior - gain @ rows @ prior
    if len(flat):
        seen_effect = rows @ effect
        information = seen_effect.T @ inverse @ seen_effect
        best = np.linalg.solve(information, seen_effect.T @ inverse @ gap)
        left = effect - gain @ seen_effect
        mean = mean + left @ best
        covariance = covariance + left @ np.linalg.inv(information) @ left.T
        evidence += 0.5 * best @ information @ best
        evidence -= 0.5 * np.linalg.slogdet(information / (2 * np.pi))[1]
    return Dense(evidence, mean.reshape(steps, size), covariance)
