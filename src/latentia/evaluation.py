"""How good a deep latent variable model is, and how far its numbers can be trusted."""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from latentia.inference.amortized import parts_of_model
from latentia.inference.amortized_answers import in_blocks, is_deep, narrowed, read_data
from latentia.inference.amortized_posterior import log_weights
from latentia.numerics import log_sum_exp
from latentia.precision import on_host, precision_of
from latentia.verbs import require_set
from latentia.verdict import Exactness, Verdict

# A coordinate whose posterior mean varies by less than this over the data is not used.
ACTIVE = 0.01
# Numbers in memory at once, about.
_ROOM = 2**24
_ROWS = 64


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What ``evaluate`` found, in nats per datum.

    Attributes:
        log_likelihood: the importance-weighted bound of the mean log p(x).
        standard_error: of that mean over the data.
        draws: k, how many draws there were for each datum.
        each: ``[N]``, the log evidence of each datum.
        effective: ``[N]``, how many independent draws the weights of a datum are worth.
        elbo: the evidence lower bound: minus distortion minus rate.
        distortion: minus the expected log p(x|z).
        rate: how far the posteriors are from the prior.
        units: ``[L]``, the rate of each coordinate; NaN if the prior does not tell them apart.
        activity: ``[L]``, the variance over the data of each posterior mean (Burda et al. 2016).
        error: the mean squared error of the x expected at the posterior mean.
    """

    log_likelihood: float
    standard_error: float
    draws: int
    each: np.ndarray
    effective: np.ndarray
    elbo: float
    distortion: float
    rate: float
    units: np.ndarray
    activity: np.ndarray
    error: float

    @property
    def exactness(self) -> Exactness:
        """An estimate: a lower bound in expectation over the draws."""
        return Exactness.ESTIMATE

    @property
    def active(self) -> int:
        """How many coordinates the model uses."""
        return int((self.activity > ACTIVE).sum())

    @property
    def gap(self) -> float:
        """How far the ELBO is below the importance-weighted bound: at most the mean distance of
        the encoder's posteriors from the true ones."""
        return self.log_likelihood - self.elbo

    @property
    def verdict(self) -> Verdict:
        """How far to trust the log-likelihood."""
        if not np.isfinite(self.log_likelihood):
            return Verdict("fail", "The log-likelihood is not finite: fit the model again.")
        if self.active == 0:
            return Verdict(
                "suspect",
                "No latent coordinate is used (posterior collapse): fit again with a warm-up or "
                "free bits, or a weaker decoder.",
            )
        poor = float(np.mean(self.effective < 10))
        if poor > 0.1:
            return Verdict(
                "suspect",
                f"The weights of {poor:.0%} of the data are worth fewer than 10 draws, so their "
                "evidence may be far too low: raise k, or refine the encoder's answers.",
            )
        return Verdict(
            "pass",
            f"The weights of {1 - poor:.0%} of the data are worth at least 10 of {self.draws} "
            f"draws, and {self.active} of {len(self.activity)} coordinates are used.",
        )

    def __repr__(self) -> str:
        return (
            f"Evaluation: log-likelihood {self.log_likelihood:.6g} +- {self.standard_error:.2g} "
            f"per datum (importance-weighted bound, k = {self.draws}, {len(self.each)} data)\n"
            f"  ELBO {self.elbo:.6g} = -distortion {self.distortion:.6g} - rate {self.rate:.4g}; "
            f"gap {self.gap:.3g}\n"
            f"  {self.active} of {len(self.activity)} coordinates are active; mean squared error "
            f"of reconstructions {self.error:.4g}\n  {self.verdict}"
        )


class _Found(NamedTuple):
    evidence: Any
    effective: Any
    elbo: Any
    fit: Any
    units: Any
    mean: Any
    error: Any


def evaluate(model: Any, data: Any, k: int = 5000, key: int = 0) -> Evaluation:
    """Measure a model with an encoder on data that it was not fitted to, in bounded memory.

    The log-likelihood is the importance-weighted bound of Burda, Grosse and Salakhutdinov (2016,
    equation 8), whose draws come from the encoder.

    Args:
        model: a fitted model with ``inference=Amortized(...)``.
        data: ``[N, *shape]``, or ``[N, D]``; missing entries as the model takes them.
        k: how many draws for each datum.
        key: a whole number that decides the draws.

    Raises:
        ValueError: if the data do not fit the model, or k is no whole number of at least 1.
        TypeError: if the model has no encoder.
    """
    if not is_deep(model):
        raise TypeError(
            "model should have an encoder, inference=Amortized(...), but has none: use "
            "latentia.score, and the verdict of the Fit."
        )
    if not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"k should be a whole number of at least 1, but is {k!r}.")
    require_set(model)
    model = narrowed(model)
    values, _ = read_data(model, data, "data")
    size = max(1, min(int(k), _ROOM // (_ROWS * 4 * model.likelihood.dim)))
    with precision_of(model):
        ask = partial(_block, model, key=jax.random.key(int(key)), k=int(k), size=size)
        found = on_host(in_blocks(ask, values, np.arange(len(values)), most=_ROWS))
    units = found.units.mean(axis=0)
    rate = -float(np.mean(found.elbo - found.fit))
    return Evaluation(
        log_likelihood=float(found.evidence.mean()),
        standard_error=float(found.evidence.std() / np.sqrt(len(values))),
        draws=int(k),
        each=found.evidence,
        effective=found.effective,
        elbo=float(found.elbo.mean()),
        distortion=-float(found.fit.mean()),
        rate=rate,
        units=units,
        activity=found.mean.var(axis=0),
        error=float(np.nanmean(found.error)),
    )


@partial(jax.jit, static_argnames=("k", "size"))
def _block(model: Any, rows: Any, index: Any, *, key: Any, k: int, size: int) -> _Found:
    parts = parts_of_model(model)
    one = partial(_one, parts, k, size)
    return jax.vmap(lambda x, i: one(x, jax.random.fold_in(key, i)))(rows, index)


def _one(parts: Any, k: int, size: int, x: jax.Array, key: Any) -> _Found:
    """All about one x, its draws in blocks of ``size`` with running sums."""
    proposal = parts.inference.improve(parts, x, parts.inference.propose(x), key)
    low = jnp.full((), -jnp.inf, x.dtype)
    zero = jnp.zeros((), x.dtype)

    def more(count: jax.Array, sums: Any) -> Any:
        total, square, weight_sum = sums
        noise = jax.random.normal(jax.random.fold_in(key, count), (size, proposal.mean.size))
        u = jax.vmap(proposal.at)(noise.astype(x.dtype))
        weights = log_weights(parts, x, proposal, u)
        counted = count * size + jnp.arange(size) < k
        kept = jnp.where(counted, weights, -jnp.inf)
        total = jnp.logaddexp(total, log_sum_exp(kept))
        square = jnp.logaddexp(square, log_sum_exp(2 * kept))
        return total, square, weight_sum + jnp.sum(jnp.where(counted, weights, 0.0))

    total, square, weight_sum = jax.lax.fori_loop(0, -(-k // size), more, (low, low, zero))
    return _told(parts, x, proposal, total, square, weight_sum / k, k)


def _told(parts: Any, x: Any, proposal: Any, total: Any, square: Any, elbo: Any, k: int) -> _Found:
    units = proposal.divergence()
    rate = jnp.sum(units)
    if not parts.prior.whitened:
        # With as many draws as these, of the rate as well.
        noise = jax.random.normal(jax.random.key(0), (256, units.size), x.dtype)
        u = jax.vmap(proposal.at)(noise)
        rate = jnp.mean(proposal.log_prob(u) - jax.vmap(parts.prior.log_prob_at)(u))
        units = jnp.full_like(units, jnp.nan)
    gap = x - parts.likelihood.mean(parts.prior.place(proposal.mean))
    seen = ~jnp.isnan(gap)
    error = jnp.sum(jnp.where(seen, gap, 0.0) ** 2) / jnp.sum(seen)
    evidence = total - jnp.log(k)
    effective = jnp.exp(2 * total - square)
    return _Found(evidence, effective, elbo, elbo + rate, units, proposal.mean, error)
