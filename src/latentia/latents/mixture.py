"""A mixture of Gaussian vectors: a prior of z that finds clusters."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from latentia.constraints import positive, simplex
from latentia.numerics import log_sum_exp, normal_log_density, safe_log
from latentia.typing import Key, LatentVector, Probabilities, Scalar

from .interface import AbstractVectorPrior


class MixtureLatent(AbstractVectorPrior):
    """z from one of K Gaussians with independent coordinates; learned with the model.

    Under it a variational autoencoder clusters (Jiang et al. 2017): ``clusters(z)`` is the exact
    posterior of the cluster given z.

    Args:
        components: K, for random means, equal weights and scales of 1.
        dim: L.
        key: decides the first means.
        weights: ``[K]``, in place of ``components``.
        means: ``[K, L]``.
        scales: ``[K, L]``, standard deviations.
    """

    weights: Probabilities = eqx.field(metadata=simplex)
    means: Float[Array, "K L"]
    scales: Float[Array, "K L"] = eqx.field(metadata=positive)

    def __init__(
        self,
        components: int | None = None,
        dim: int | None = None,
        *,
        key: int = 0,
        weights: Any = None,
        means: Any = None,
        scales: Any = None,
    ) -> None:
        if means is None:
            for name, value in (("components", components), ("dim", dim)):
                if not isinstance(value, int) or value < 1:
                    raise ValueError(
                        f"{name} of MixtureLatent should be a whole number of at least 1, but is "
                        f"{value!r}: write MixtureLatent(10, dim=8), for instance."
                    )
            size: Any = (components, dim)
            means = np.random.default_rng(key).normal(size=size)
        means = _numbers(means)
        self.means = means
        self.weights = _numbers(np.full(len(means), 1 / len(means)) if weights is None else weights)
        self.scales = _numbers(np.ones(means.shape) if scales is None else scales)

    def __check_init__(self) -> None:
        shape = np.shape(self.means)
        if len(shape) != 2 or np.shape(self.weights) != shape[:1] or np.shape(self.scales) != shape:
            raise ValueError(
                f"means and scales of MixtureLatent should have the shape [K, L] and weights [K], "
                f"but have {shape}, {np.shape(self.scales)} and {np.shape(self.weights)}."
            )

    @property
    def dim(self) -> int:
        return self.means.shape[-1]

    @property
    def whitened(self) -> bool:
        return False

    @property
    def affine(self) -> bool:
        return True

    @property
    def alone(self) -> bool:
        return True

    def clusters(self, z: LatentVector) -> Probabilities:
        """The probability of each cluster given z, ``[K]``: exact."""
        joint = self._joint(z)
        return jnp.exp(joint - log_sum_exp(joint))

    def prepare(self, propose: Any = None) -> Self:
        return self

    def started(self, rows: Any, rng: Any) -> Self:
        return self

    def settled(self, propose: Any) -> Self:
        return self

    def place(self, u: LatentVector) -> LatentVector:
        return u

    def lift(self, z: LatentVector) -> LatentVector:
        return z

    def log_prob_at(self, u: LatentVector) -> Scalar:
        return self.log_prob(u)

    def log_prob(self, z: LatentVector) -> Scalar:
        return log_sum_exp(self._joint(z))

    def sample(self, key: Key) -> LatentVector:
        first, second = jax.random.split(key)
        state = jax.random.categorical(first, safe_log(jnp.asarray(self.weights)))
        means, scales = jnp.asarray(self.means), jnp.asarray(self.scales)
        noise = jax.random.normal(second, means.shape[-1:], means.dtype)
        return means[state] + scales[state] * noise

    def _joint(self, z: LatentVector) -> jax.Array:
        each = normal_log_density(z - self.means, jnp.asarray(self.scales))
        return safe_log(jnp.asarray(self.weights)) + jnp.sum(each, axis=-1)

    def describe(self) -> str:
        return f"MixtureLatent: {len(self.means)} Gaussian clusters in {self.dim} dimensions"


def _numbers(values: Any) -> Any:
    return values if isinstance(values, jax.Array) else np.asarray(values, np.float32)
