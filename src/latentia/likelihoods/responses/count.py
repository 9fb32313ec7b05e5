"""Counts with a logarithmic link."""

from typing import Any, Self

import jax
import jax.numpy as jnp

from latentia.distributions.parameters import as_parameter, need_dim, unset
from latentia.typing import Datum, Key, Rows, Scalar, Weights

from .interface import AbstractResponse, seen_and_values

# Rates stay finite in float32.
_LARGEST = 80.0


class CountResponse(AbstractResponse):
    """x is Poisson with rate ``exp(eta + bias)``.

    Args:
        bias: ``[D]``, the log rates at z = 0.
        dim: D, in place of the bias, if it is to be learned.
    """

    bias: jax.Array

    def __init__(self, bias: Any = None, *, dim: int | None = None) -> None:
        if bias is None:
            bias = unset(need_dim(dim, "CountResponse"))
        self.bias = as_parameter(bias, "bias")

    @property
    def dim(self) -> int:
        return self.bias.shape[-1]

    def terms(self, eta: jax.Array) -> jax.Array:
        log_rate = jnp.minimum(eta + self.bias, _LARGEST)
        return jnp.stack([log_rate, -jnp.exp(log_rate)], axis=-1)

    def expected(self, eta: jax.Array) -> jax.Array:
        rate = jnp.exp(jnp.minimum(eta + self.bias, _LARGEST))
        return jnp.stack([rate, jnp.ones_like(rate)], axis=-1)

    def features(self, x: Rows) -> jax.Array:
        seen, value = seen_and_values(x)
        return jnp.stack([value, seen.astype(value.dtype)], axis=-1)

    def base(self, x: Datum) -> Scalar:
        _, value = seen_and_values(x)
        fine = jnp.all((value >= 0) & (value == jnp.floor(value)) & jnp.isfinite(value))
        value = jnp.where(fine, value, 0.0)
        return jnp.where(fine, -jnp.sum(jax.scipy.special.gammaln(value + 1)), -jnp.inf)

    def draw(self, key: Key, eta: Datum) -> Datum:
        rate = jnp.exp(jnp.minimum(eta + self.bias, _LARGEST / 2))
        return jax.random.poisson(key, rate).astype(rate.dtype)

    def free(self) -> jax.Array:
        return jnp.asarray(self.bias)[:, None]

    def bound(self, free: jax.Array) -> Self:
        return type(self)(free[:, 0])

    def begin(self, x: Rows, weight: Weights, slopes: jax.Array, key: Key) -> Self:
        seen, value = seen_and_values(x)
        mean = (weight @ value + 0.5) / (weight @ seen + 1.0)
        return type(self)(jnp.log(mean) - 0.5 * slopes**2)

    def slopes_from(self, loadings: jax.Array) -> jax.Array:
        return 0.5 * loadings

    def possible(self, x: Rows) -> jax.Array:
        seen, value = seen_and_values(x)
        fine = (value >= 0) & (value == jnp.floor(value)) & jnp.isfinite(value)
        return jnp.all(fine | ~seen, axis=-1)

    def degrees_of_freedom(self) -> int:
        return self.dim

    def saturated(self) -> float:
        return float("inf")

    def describe(self) -> str:
        return f"{self.dim} counts, Poisson with a log rate"
