"""Probabilities of discrete latents that a likelihood has summed out."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.likelihoods import CustomPotential, Enumerated

from .target import Surface, Target

# So many draws are held at a time, each with the probabilities of every datum.
_MANY = 64


def state_probabilities(surface: Surface, points: Any, weights: Any) -> dict[str, np.ndarray]:
    """P(k|x) for each name, ``[..., K]``: its exact p(k|x, z), averaged over weighted draws (the
    estimate of Rao and Blackwell).

    Args:
        surface: of the posterior.
        points: ``[S, n]``, free numbers of z.
        weights: ``[S]``.

    Raises:
        ValueError: if the likelihood has no discrete latents.
    """
    potential = surface.target.potential
    whole = isinstance(potential, CustomPotential)
    if not (whole and isinstance(potential.likelihood, Enumerated)):
        raise ValueError(
            "The likelihood should have discrete latent variables for them to have probabilities, "
            "but this one has none: use Enumerated."
        )
    count = -(-len(points) // _MANY) * _MANY
    padded = np.concatenate([points, np.repeat(points[:1], count - len(points), axis=0)])
    shares = np.concatenate([weights, np.zeros(count - len(points))])
    with jax.enable_x64(True):
        return jax.device_get(_average(surface.target, padded, shares))


@eqx.filter_jit
def _average(target: Target, points: Any, weights: Any) -> Any:
    potential: Any = target.potential
    (x,) = potential.data

    def one(point: jax.Array) -> Any:
        return potential.likelihood.probabilities(x, target.prior.bind(point)[0])

    def add(held: Any, batch: Any) -> Any:
        points, weights = batch
        found = jax.vmap(one)(points)
        more = jax.tree.map(lambda leaf: jnp.tensordot(weights, leaf, axes=1), found)
        return jax.tree.map(jnp.add, held, more), None

    zero = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(one, points[0]))
    batches = points.reshape(-1, _MANY, points.shape[1]), weights.reshape(-1, _MANY)
    return jax.lax.scan(add, zero, batches)[0]
