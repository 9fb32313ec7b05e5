"""Expectation propagation: sites whose marginals have the moments of the true factor among them.

Minka 2001; the evidence is that of Seeger 2005. All sites change at once, by steps that shrink
where they do not come closer.
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
    NODES,
    AbstractSurrogate,
    Marginals,
    Seen,
    Shape,
    Sites,
    along,
    each,
    log_site,
    site_of,
)
from .surrogate_posterior import SurrogatePosterior


class ExpectationPropagation(AbstractSurrogate):
    """A Gaussian of the structure that the prior has, whose marginals match moments.

    For likelihoods that are a sum over functions of linear maps of z, and best for concave ones.
    Usually the most accurate of the surrogates; its evidence is no bound.
    """

    @property
    def exactness(self) -> Exactness:
        return Exactness.APPROXIMATION

    @property
    def name(self) -> str:
        return "expectation propagation"

    def wanted(self, part: Any, marginals: Marginals, held: Sites) -> Sites:
        # The tilted distribution is the marginal times the true factor over the site.
        mean = marginals.mean
        variance = jnp.maximum(marginals.variance, jnp.finfo(mean.dtype).eps)
        logs = self._logs(part, Marginals(mean, variance), held)
        weights = jax.nn.softmax(logs, axis=0)
        # In units of the marginal, so that nothing large cancels.
        units = along(NODES, mean)
        shift = jnp.sum(weights * units, axis=0)
        width = jnp.sum(weights * (units - shift) ** 2, axis=0)
        bend = (1 / width - 1) / variance
        slope = shift / (width * jnp.sqrt(variance)) + held.linear - held.precision * mean
        return site_of(slope, -(held.precision + bend), mean)

    def constants(self, part: Any, marginals: Marginals, held: Sites) -> jax.Array:
        return jax.nn.logsumexp(self._logs(part, marginals, held), axis=0)

    def _logs(self, part: Any, marginals: Marginals, held: Sites) -> jax.Array:
        nodes = marginals.nodes
        gain = each(part, nodes) - log_site(held, nodes)
        return along(LOG_SHARES, marginals.mean) + gain

    def height(self, shape: Shape, seen: Seen) -> Scalar:
        # A step to where there is nothing finite is undone.
        return jnp.where(jnp.all(jnp.isfinite(seen.marginals.mean)), 0.0, -jnp.inf)

    def condition(self, prior: Any, potential: Any) -> SurrogatePosterior:
        return concluded(self, prior, potential)

    def describe(self, model: LatentVariableModel) -> str:
        return f"{self.name} (approximation)"
