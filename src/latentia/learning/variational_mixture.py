"""Coordinate ascent for a Bayesian Gaussian mixture, on the true evidence lower bound.

Given the responsibilities the best distributions of weights, means and precisions are prior plus
statistics, and the bound is a ratio of normalisers plus an entropy; so it is cheap to ask what a
merge of two components would gain, and ascent goes on from there (Hughes and Sudderth 2013).
"""

from typing import NamedTuple

import numpy as np
from scipy.special import betaln, digamma, gammaln, logsumexp

from .normal_wishart import LOG_2PI, GaussianKind, Moments, NormalWishart

# A merge has to gain more than this, in nats.
_GAIN = 1e-6
# Components with less than this many rows are empty.
_EMPTY = 1e-3


class MixturePrior(NamedTuple):
    """The prior of K components: its Gaussians, and the concentration of their weights.

    Weights come from a stick that is broken again and again (a Dirichlet process) if ``process``,
    and else from a Dirichlet distribution.
    """

    kind: GaussianKind
    law: NormalWishart
    concentration: float
    process: bool


class MixtureBound(NamedTuple):
    """A state of the ascent: responsibilities ``[N, K]`` times weights, the posterior, the bound.

    ``counts [K]`` are the rows in each component.
    """

    responsibilities: np.ndarray
    moments: Moments
    law: NormalWishart
    value: float

    @property
    def counts(self) -> np.ndarray:
        return self.moments.mass


def stick_counts(concentration: float, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The Beta parameters of each break of the stick; the last one takes all that is left."""
    after = counts[::-1].cumsum()[::-1] - counts
    return 1 + counts, concentration + after


def expected_log_weights(prior: MixturePrior, counts: np.ndarray) -> np.ndarray:
    """``[K]``, the mean log weight of each component."""
    if not prior.process:
        posterior = prior.concentration + counts
        return digamma(posterior) - digamma(posterior.sum())
    taken, left = stick_counts(prior.concentration, counts)
    total = digamma(taken + left)
    before = np.concatenate([[0.0], np.cumsum((digamma(left) - total)[:-1])])
    own = digamma(taken) - total
    own[-1] = 0.0
    return before + own


def mean_weights(prior: MixturePrior, counts: np.ndarray) -> np.ndarray:
    """``[K]``, the mean weight of each component."""
    if not prior.process:
        posterior = prior.concentration + counts
        return posterior / posterior.sum()
    taken, left = stick_counts(prior.concentration, counts)
    share = taken / (taken + left)
    share[-1] = 1.0
    return share * np.concatenate([[1.0], np.cumprod(1 - share[:-1])])


def _log_weights_total(prior: MixturePrior, counts: np.ndarray) -> float:
    """The log of the ratio of the normalisers of the weights, posterior to prior."""
    if not prior.process:
        alpha = np.full(len(counts), prior.concentration)
        after = alpha + counts
        posterior = gammaln(after).sum() - gammaln(after.sum())
        return float(posterior - gammaln(alpha).sum() + gammaln(alpha.sum()))
    taken, left = stick_counts(prior.concentration, counts)
    ratios = betaln(taken, left) - betaln(1.0, prior.concentration)
    return float(ratios[:-1].sum())


def _entropy(responsibilities: np.ndarray, weight: np.ndarray) -> float:
    shares = responsibilities / np.where(weight > 0, weight, 1.0)[:, None]
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return -float(np.sum(responsibilities * logs))


def improve(prior: MixturePrior, rows: np.ndarray, mass: np.ndarray) -> MixtureBound:
    """The best posterior for responsibilities times weights ``[N, K]``, and its bound."""
    if prior.process:
        # A stick gives most to the components that come first.
        mass = mass[:, np.argsort(-mass.sum(axis=0), kind="stable")]
    moments = prior.kind.moments(rows, mass)
    return _bound(prior, moments, mass, mass.sum(axis=1))


def _bound(
    prior: MixturePrior, moments: Moments, mass: np.ndarray, weight: np.ndarray
) -> MixtureBound:
    law = prior.kind.posterior(prior.law, moments)
    value = _log_weights_total(prior, moments.mass)
    value += prior.kind.log_total(law) - prior.kind.log_total(_spread(prior, len(moments.mass)))
    value += _entropy(mass, weight) - 0.5 * weight.sum() * moments.mean.shape[1] * LOG_2PI
    return MixtureBound(mass, moments, law, float(value))


def _spread(prior: MixturePrior, states: int) -> NormalWishart:
    """The prior of K components, with each of them written out as the posterior has it."""
    nothing = np.zeros(states)
    dim = prior.law.mean.shape[-1]
    shape = (states, dim) if prior.kind.diagonal else (states, dim, dim)
    mean = np.broadcast_to(prior.law.mean, (states, dim))
    return prior.kind.posterior(prior.law, Moments(nothing, mean, np.zeros(shape)))


def log_joint(prior: MixturePrior, state: MixtureBound, rows: np.ndarray) -> np.ndarray:
    """``[N, K]``, the mean log density of rows and components."""
    densities = prior.kind.expected_log_density(state.law, rows)
    return densities + expected_log_weights(prior, state.counts)


def ascend(
    prior: MixturePrior,
    rows: np.ndarray,
    weight: np.ndarray,
    start: np.ndarray,
    max_iter: int,
    tol: float,
) -> tuple[MixtureBound, list[float], bool]:
    """Climb from responsibilities ``start [N, K]``; merge components while that gains.

    Returns:
        the last state, the bounds after all steps, and whether they gained less than ``tol`` per
        row at the end.
    """
    state = improve(prior, rows, start * weight[:, None])
    bounds, total = [state.value], max(weight.sum(), 1e-300)
    for _ in range(max_iter):
        logs = log_joint(prior, state, rows)
        shares = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        after = improve(prior, rows, shares * weight[:, None])
        gain, state = (after.value - state.value) / total, after
        bounds.append(state.value)
        if gain < tol:
            merged = _merge(prior, state)
            if merged is None:
                return state, bounds, True
            state = merged
            bounds.append(state.value)
    return state, bounds, False


def _merge(prior: MixturePrior, state: MixtureBound) -> MixtureBound | None:
    """The state with two components made one, if that raises the bound."""
    weight = state.responsibilities.sum(axis=1)
    used = np.flatnonzero(state.counts > _EMPTY)
    gap = state.law.mean[used][:, None] - state.law.mean[used][None]
    spread = np.sqrt(np.mean(gap**2, axis=(0, 1))) + 1e-300
    near = np.sum((gap / spread) ** 2, axis=-1)
    pairs = [(i, j) for i in range(len(used)) for j in range(i)]
    pairs.sort(key=lambda pair: near[pair])
    best = None
    for i, j in pairs[: 4 * len(used)]:
        trial = _bound(prior, *_joined(state, used[i], used[j]), weight)
        if trial.value > (best or state).value + _GAIN:
            best = trial
    return best


def _joined(state: MixtureBound, one: int, other: int) -> tuple[Moments, np.ndarray]:
    """Statistics and responsibilities with one component moved into the other."""
    mass, mean, scatter = (leaf.copy() for leaf in state.moments)
    total = mass[one] + mass[other]
    gap = mean[one] - mean[other]
    square = gap**2 if scatter.ndim == 2 else np.outer(gap, gap)
    scatter[other] += scatter[one] + mass[one] * mass[other] / total * square
    mean[other] += mass[one] / total * gap
    mass[other], mass[one], scatter[one] = total, 0.0, 0.0
    shares = state.responsibilities.copy()
    shares[:, other] += shares[:, one]
    shares[:, one] = 0.0
    order = np.argsort(-mass, kind="stable")
    return Moments(mass[order], mean[order], scatter[order]), shares[:, order]
