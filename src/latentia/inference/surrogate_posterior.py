"""A posterior with a Gaussian function in place of the likelihood, and how far to trust it."""

from functools import partial
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.latents import AbstractPosterior
from latentia.precision import precision_of
from latentia.typing import Key, LatentMatrix, LatentVector, Moments, Scalar
from latentia.verdict import Exactness, Verdict, verdict_of_many

from .importance import Weighted, judge, reweight

# Draws by which a posterior is judged, and so many data side by side.
_DRAWS, _SIDE = 1024, 16


class SurrogatePosterior(AbstractPosterior):
    """The exact posterior of an approximate model: Gaussian functions stand for the likelihood.

    ``inner`` is that posterior, of the structure that the prior has: a vector's, a path's.
    ``settled`` says whether the method came to its end.
    """

    inner: Any
    log_evidence: jax.Array
    potential: Any
    sites: Any
    settled: jax.Array
    name: str = eqx.field(static=True)
    kind: Exactness = eqx.field(static=True)

    @classmethod
    def of(
        cls, inner: Any, potential: Any, sites: Any, settled: jax.Array, name: str, kind: Exactness
    ) -> Self:
        """The posterior that was found with these sites."""
        return cls(inner, inner.log_evidence, potential, sites, settled, name, kind)

    @property
    def exactness(self) -> Exactness:
        return self.kind

    @property
    def method(self) -> str:
        return self.name

    @property
    def mean(self) -> LatentVector:
        """``[L]``, or ``[T, L]`` of a path; by Laplace's method it is the mode."""
        return self.inner.mean

    @property
    def covariance(self) -> LatentMatrix:
        """``[L, L]``, or ``[T, L, L]`` of the steps of a path."""
        return self.inner.covariance

    @property
    def moments(self) -> Moments:
        return self.inner.moments

    def mode(self) -> Any:
        """The most probable z of the approximation; by Laplace's method that of the posterior."""
        return self.inner.mode()

    def mode_covariance(self) -> LatentMatrix:
        """The inverse of the curvature at the mode."""
        return self.inner.covariance

    def sample(self, key: Key) -> Any:
        return self.inner.sample(key)

    def log_prob(self, z: Any) -> Scalar:
        return self.inner.log_prob(z)

    def cut(self, length: int) -> Self:
        """The posterior of the first steps of a path alone."""
        steps = lambda leaf: leaf[:length]  # noqa: E731
        potential, sites = (
            type(each)(jax.tree.map(steps, each.steps), *(
                [each.given[:length]] if hasattr(each, "given") else []))
            for each in (self.potential, self.sites)
        )  # fmt: skip
        where = lambda own: (own.inner, own.potential, own.sites)  # noqa: E731
        return eqx.tree_at(where, self, (self.inner.cut(length), potential, sites))

    @property
    def k_hat(self) -> Any:
        """The Pareto shape of importance weights: of one posterior a number, of N ``[N]``."""
        tails = np.array([weighted.tail for weighted in self._weighted()])
        return tails if jnp.ndim(self.log_evidence) else float(tails[0])

    @property
    def verdict(self) -> Verdict:
        """How far to trust it, by importance sampling: of N posteriors the worst, and how many.

        The weights are those of a whole path, which is a hard test for a long one.
        """
        settled = np.ravel(np.asarray(self.settled))
        each = [
            judge(weighted) if ended else Verdict("fail", "the steps did not settle")
            for weighted, ended in zip(self._weighted(), settled, strict=True)
        ]
        return verdict_of_many(each)

    def importance_evidence(self) -> Any:
        """The log evidence by importance sampling, and its standard error: each a number, or of N
        posteriors ``[N]``. With a verdict of pass it is better than ``log_evidence``."""
        found = self._weighted()
        logs = np.array([weighted.log_evidence for weighted in found])
        errors = np.array([weighted.evidence_error for weighted in found])
        many = jnp.ndim(self.log_evidence)
        return (logs, errors) if many else (float(logs[0]), float(errors[0]))

    def _weighted(self) -> list[Weighted]:
        one = jnp.ndim(self.log_evidence) == 0
        # By NumPy, which keeps every precision.
        stacked = jax.tree.map(lambda leaf: np.asarray(leaf)[None], self) if one else self
        with precision_of(self.log_evidence):
            keys = jax.random.split(jax.random.key(0), _DRAWS)
            logs = np.asarray(_log_ratios(stacked, keys), float)
        points = np.empty((_DRAWS, 0))
        return [reweight(points, (), row) for row in logs]


@partial(jax.jit)
def _log_ratios(posteriors: Any, keys: Any) -> jax.Array:
    """``[N, S]``: log p(x, z) less log q(z), at draws of q."""

    def one(posterior: SurrogatePosterior) -> jax.Array:
        # The prior is the same in both.
        z = jax.vmap(posterior.inner.sample)(keys)
        gap = jax.vmap(lambda z: posterior.potential(z) - posterior.sites(z))(z)
        return gap + posterior.inner.log_evidence

    return jax.lax.map(one, posteriors, batch_size=_SIDE)
