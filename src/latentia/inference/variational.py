"""Natural-gradient variational inference: the Gaussian of highest evidence lower bound.

At the optimum the slope and the curvature of each site are the mean slope and curvature of its
log likelihood (Opper and Archambeau 2009); steps towards that are natural gradients of the bound
(Khan and Lin 2017, "Conjugate-computation variational inference").
"""

from typing import Any

import jax
import jax.numpy as jnp

from latentia.model import LatentVariableModel
from latentia.typing import Scalar
from latentia.verdict import Exactness

from .laplace import concluded
from .sites import (
    LOG_SHARES,
    AbstractSurrogate,
    Marginals,
    Seen,
    Shape,
    Sites,
    along,
    each,
    expanded,
    log_site,
    site_of,
)
from .surrogate_posterior import SurrogatePosterior


class Variational(AbstractSurrogate):
    """The Gaussian of highest bound, of the structure that the prior has: a vector, a path.

    For likelihoods that are a sum over functions of linear maps of z. The log evidence is a lower
    bound; steps never lower it.
    """

    @property
    def exactness(self) -> Exactness:
        return Exactness.LOWER_BOUND

    @property
    def name(self) -> str:
        return "natural-gradient variational inference"

    def wanted(self, part: Any, marginals: Marginals, held: Sites) -> Sites:
        _, slope, bend = expanded(part, marginals.nodes)
        return site_of(_mean(slope), _mean(bend), marginals.mean)

    def constants(self, part: Any, marginals: Marginals, held: Sites) -> jax.Array:
        nodes = marginals.nodes
        return _mean(each(part, nodes) - log_site(held, nodes))

    def height(self, shape: Shape, seen: Seen) -> Scalar:
        constants = self.constants(shape.part, seen.marginals, seen.sites)
        return shape.conditioned(shape.gaussian(seen.sites, constants)).log_evidence

    def condition(self, prior: Any, potential: Any) -> SurrogatePosterior:
        return concluded(self, prior, potential)

    def describe(self, model: LatentVariableModel) -> str:
        return f"{self.name} (lower bound)"


def _mean(values: jax.Array) -> jax.Array:
    """The sum over nodes ``[Q, ..., R]`` with their weights."""
    return jnp.sum(jnp.exp(along(LOG_SHARES, values[0])) * values, axis=0)
