"""Gradient steps that improve what an encoder proposes for one x."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from latentia.typing import Key

from .encoded import Parts, Proposal, log_weights

# A point and its opposite for each, where a proposal is refined.
_MOST_PAIRS = 32


def refined(parts: Parts, x: jax.Array, proposal: Proposal, key: Key, steps: int) -> Proposal:
    """The proposal after steps uphill on the bound of this x."""
    noise = _points(proposal.mean.size, key).astype(proposal.mean.dtype)

    def bound(proposal: Proposal) -> jax.Array:
        return jnp.mean(log_weights(parts, x, proposal, jax.vmap(proposal.at)(noise)))

    ask = jax.value_and_grad(bound)

    def step(_: Any, carry: Any) -> Any:
        at, (height, slope), size = carry
        # In units of the posterior's own width; a step that does not help is tried shorter.
        move = Proposal(slope.mean * at.scale**2, slope.log_scale)
        tried = jax.tree.map(lambda a, b: a + size * jnp.clip(b, -3.0, 3.0), at, move)
        found = ask(tried)
        better = found[0] > height
        new, old = (tried, found), (at, (height, slope))
        kept = jax.tree.map(lambda new, old: jnp.where(better, new, old), new, old)
        return *kept, jnp.where(better, 1.5 * size, 0.5 * size)

    first = proposal, ask(proposal), jnp.asarray(0.1)
    return jax.lax.fori_loop(0, steps, step, first)[0]


def _points(dim: int, key: Key) -> jax.Array:
    """Points ``[P, L]`` over which the mean of a cubic polynomial is that over a standard normal.

    All have coordinates 1 and -1 (Stroud 1957). A few normal draws would not do: an optimum over
    them fits their mean and spread, and was seen to be worse than where it began. Beyond 32
    dimensions products of coordinates are right on average only.
    """
    if dim > _MOST_PAIRS:
        signs = jax.random.rademacher(key, (_MOST_PAIRS, dim))
    else:
        signs = np.ones((1, 1))
        while len(signs) < dim:
            # Hadamard matrices, by Sylvester's doubling: the columns are orthogonal.
            signs = np.block([[signs, signs], [signs, -signs]])
        signs = jnp.asarray(signs[:, :dim])
    return jnp.concatenate([signs, -signs])
