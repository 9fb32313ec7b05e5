"""How good a deep latent variable model is on new data: the compiled measurements."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from latentia.distributions.given import inputs
from latentia.inference.amortized import parts_of_model, proposed
from latentia.inference.amortized_answers import in_blocks, is_deep, narrowed, read_rows
from latentia.inference.encoded import DiagonalPosterior, log_weights
from latentia.likelihoods import Neural, PerStep
from latentia.numerics import log_sum_exp
from latentia.precision import on_host, precision_of
from latentia.verbs import require_set, sample

from .annealing import Sandwich, annealed, both_ways
from .report import Evaluation
from .two_sample import two_sample

# Numbers in memory at once, about.
_ROOM = 2**24
_ROWS = 64
# Draws that compare the bound of the encoder's proposal with that of a refined one.
_COMPARED = 256
# Data, and as many draws of the model, that are compared with each other.
_TESTED = 500
# Draws of the model whose evidence is bounded from both sides.
_SANDWICHED = 100


class _Found(NamedTuple):
    evidence: Any
    effective: Any
    elbo: Any
    gain: Any
    fit: Any
    units: Any
    mean: Any
    error: Any


def evaluate(
    model: Any,
    data: Any,
    k: int = 5000,
    key: int = 0,
    *,
    refine: int = 50,
    anneal: int = 0,
    given: Any = None,
) -> Evaluation:
    """Measure a model with an encoder on data that it was not fitted to, in bounded memory.

    The log-likelihood is the importance-weighted bound of Burda, Grosse and Salakhutdinov (2016,
    equation 8), whose draws come from the encoder. How much of what the ELBO lacks is the encoder's
    fault is found by refining its proposal for each datum (Cremer, Li and Duvenaud 2018, section
    3). Draws of the model are compared with data by ``two_sample``. With ``anneal`` the evidence is
    estimated in a second way, and that of draws of the model is bounded from both sides, which
    says how far the first way may be off.

    Args:
        model: a fitted model with ``inference=Amortized(...)``.
        data: ``[N, *shape]``, or ``[N, D]``; missing entries as the model takes them.
        k: how many draws for each datum.
        key: a whole number that decides the draws.
        given: covariates ``[N, P]``, for a conditional model.
        refine: steps uphill that refine each proposal; 0 for none, and no amortisation gap.
        anneal: densities on the way from each proposal to the posterior, at least 2; 0 for no
            annealing. Each costs about as much as 500 of the k draws; 500 are usual.

    Raises:
        ValueError: if the data do not fit the model, k is no whole number of at least 1, or anneal
            is asked for with an encoder of another family than ``DiagonalPosterior``.
        TypeError: if the model has no encoder.
    """
    if not is_deep(model):
        raise TypeError(
            "model should have an encoder, inference=Amortized(...), but has none: use "
            "latentia.score, and the verdict of the Fit."
        )
    if not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"k should be a whole number of at least 1, but is {k!r}.")
    if not isinstance(anneal, int | np.integer) or anneal < 0 or anneal == 1:
        raise ValueError(
            f"anneal should be a whole number of at least 2, or 0 for none, but is {anneal!r}: 500 "
            "is usual."
        )
    if not isinstance(refine, int | np.integer) or refine < 0:
        raise ValueError(f"refine should be a whole number of at least 0, but is {refine!r}.")
    require_set(model)
    model = narrowed(model)
    family = model.inference.chosen(model.prior)
    if not isinstance(family, DiagonalPosterior):
        if anneal:
            raise ValueError(
                "anneal should be 0 where the encoder does not propose a diagonal Gaussian, but is "
                f"{anneal!r}, and it proposes {family.describe()}: leave anneal out."
            )
        # Other proposals are not refined either.
        refine = 0
    values, _ = read_rows(model, data, given, "data")
    # Of a whole sequence, however many steps it has.
    size = max(1, min(int(k), _ROOM // (_ROWS * 4 * values[0].size)))
    with precision_of(model):
        seed = jax.random.key(int(key))
        ask = partial(_block, model, key=seed, k=int(k), size=size, refine=int(refine))
        found = on_host(in_blocks(ask, values, np.arange(len(values)), most=_ROWS))
        steps = int(anneal)
        second = annealed(model, values, seed, steps) if steps else None
        sandwich = _sandwiched(model, values, seed, ask, steps) if steps else None
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
        error=float("nan" if np.isnan(found.error).all() else np.nanmean(found.error)),
        amortization=found.gain if refine else None,
        p_value=_compared(model, values, seed),
        annealed=second,
        sandwich=sandwich,
    )


def _sandwiched(model: Any, values: np.ndarray, key: Any, ask: Any, steps: int) -> Sandwich:
    """Bounds of the evidence of as many draws of the model as there are data, up to a few."""
    drawn, low, high = both_ways(model, values[:_SANDWICHED], key, steps)
    found = on_host(in_blocks(partial(ask, refine=0), drawn, np.arange(len(drawn)), most=_ROWS))
    return Sandwich(low, high, found.evidence)


def _compared(model: Any, values: np.ndarray, key: Any) -> float | None:
    """The p-value of draws of the model being data; none where entries are missing, or few."""
    some = values[:_TESTED].reshape(len(values[:_TESTED]), -1)
    if len(some) < 2 or np.isnan(some).any():
        return None
    # Of a conditional model draws for the covariates of the data, which stand behind both.
    given = some[:, model.likelihood.dim :] if inputs(model.likelihood) else None
    drawn = sample(model, jax.random.fold_in(key, len(values)), len(some), given=given).x
    drawn = drawn.reshape(len(some), -1)
    if given is None and drawn.shape != some.shape:
        # Sequences of another length than the prior draws.
        return None
    drawn = drawn if given is None else np.concatenate([drawn, given], axis=1)
    return two_sample(drawn, some).p_value


@partial(jax.jit, static_argnames=("k", "size", "refine"))
def _block(
    model: Any, rows: Any, index: Any, *, key: Any, k: int, size: int, refine: int
) -> _Found:
    parts = parts_of_model(model)
    one = partial(_one, parts, k, size, refine)
    return jax.vmap(lambda x, i: one(x, jax.random.fold_in(key, i)))(rows, index)


def _one(parts: Any, k: int, size: int, refine: int, x: jax.Array, key: Any) -> _Found:
    """All about one x."""
    proposal = parts.inference.improve(parts, x, proposed(parts, x), key)
    sums = _weighed(parts, x, proposal, key, k, size)
    gain = jnp.zeros((), x.dtype)
    if refine:
        # The steps see draws of their own: those that compare must not be fitted to.
        climbing, comparing = jax.random.split(jax.random.fold_in(key, k))
        refined = parts.inference.improve(parts, x, proposal, climbing, refine)
        bounds = [
            _weighed(parts, x, q, comparing, _COMPARED, min(size, _COMPARED))[2]
            for q in (proposal, refined)
        ]
        gain = (bounds[1] - bounds[0]) / _COMPARED
    return _told(parts, x, proposal, sums, gain, k)


def _weighed(parts: Any, x: Any, proposal: Any, key: Any, k: int, size: int) -> Any:
    """Of k log weights the log of their sum, that of their squares' sum, and their own sum."""
    low = jnp.full((), -jnp.inf, x.dtype)
    zero = jnp.zeros((), x.dtype)

    def more(count: jax.Array, sums: Any) -> Any:
        total, square, weight_sum = sums
        u = jax.vmap(proposal.at)(proposal.noise(jax.random.fold_in(key, count), (size,)))
        weights = log_weights(parts, x, proposal, u)
        counted = count * size + jnp.arange(size) < k
        kept = jnp.where(counted, weights, -jnp.inf)
        total = jnp.logaddexp(total, log_sum_exp(kept))
        square = jnp.logaddexp(square, log_sum_exp(2 * kept))
        return total, square, weight_sum + jnp.sum(jnp.where(counted, weights, 0.0))

    return jax.lax.fori_loop(0, -(-k // size), more, (low, low, zero))


def _told(parts: Any, x: Any, proposal: Any, sums: Any, gain: Any, k: int) -> _Found:
    total, square, weight_sum = sums
    elbo = weight_sum / k
    # Where the rate has no formula, with as many draws as these.
    u = jax.vmap(proposal.at)(proposal.noise(jax.random.key(0), (256,)))
    rate, units = proposal.rates(parts.prior, u)
    mean, _ = proposal.centre()
    error = jnp.full((), jnp.nan, x.dtype)
    if mean is not None:
        error = _reconstructed(parts.likelihood, x, parts.prior.place(mean))
    evidence = total - jnp.log(k)
    effective = jnp.exp(2 * total - square)
    # States have no mean, of which nothing can be said then.
    mean = jnp.full(1, jnp.nan, x.dtype) if mean is None else mean.reshape(-1)
    return _Found(evidence, effective, elbo, gain, elbo + rate, units, mean, error)


def _reconstructed(likelihood: Any, x: jax.Array, z: jax.Array) -> jax.Array:
    """The mean squared error of the x expected for one z."""
    if isinstance(likelihood, PerStep):
        if not isinstance(likelihood.emission, Neural):
            return jnp.full((), jnp.nan, x.dtype)
        gap = x - jax.vmap(likelihood.emission.mean)(z).reshape(x.shape)
    else:
        observed, given = likelihood.split(x)
        gap = observed - likelihood.given(given).mean(z)
    seen = ~jnp.isnan(gap)
    return jnp.sum(jnp.where(seen, gap, 0.0) ** 2) / jnp.sum(seen)
