"""Binary columns with a logistic link."""

from typing import Any, Self

import jax
import jax.numpy as jnp

from latentia.distributions.parameters import as_parameter, need_dim, unset
from latentia.typing import Datum, Key, Rows, Scalar, Weights

from .interface import AbstractResponse, seen_and_values

# The logistic curve is close to the normal distribution function of this multiple of its argument.
PROBIT = 1.702


class BinaryResponse(AbstractResponse):
    """P(x = 1) is the logistic function of ``eta + bias``; x is 0 or 1.

    With one latent dimension it makes the two-parameter logistic model of item response (Birnbaum
    1968), and with a common slope the model of Rasch (1960).

    Args:
        bias: ``[D]``, the log odds at z = 0: minus slope times difficulty.
        dim: D, in place of the bias, if it is to be learned.
    """

    bias: jax.Array

    def __init__(self, bias: Any = None, *, dim: int | None = None) -> None:
        if bias is None:
            bias = unset(need_dim(dim, "BinaryResponse"))
        self.bias = as_parameter(bias, "bias")

    @property
    def dim(self) -> int:
        return self.bias.shape[-1]

    def terms(self, eta: jax.Array) -> jax.Array:
        odds = eta + self.bias
        return jnp.stack([jax.nn.log_sigmoid(-odds), jax.nn.log_sigmoid(odds)], axis=-1)

    def expected(self, eta: jax.Array) -> jax.Array:
        return jnp.exp(self.terms(eta))

    def features(self, x: Rows) -> jax.Array:
        return binary_features(x)

    def base(self, x: Datum) -> Scalar:
        return jnp.where(jnp.all(_is_binary(x)), 0.0, -jnp.inf)

    def draw(self, key: Key, eta: Datum) -> Datum:
        odds = eta + self.bias
        return jax.random.bernoulli(key, jax.nn.sigmoid(odds)).astype(odds.dtype)

    def free(self) -> jax.Array:
        return jnp.asarray(self.bias)[:, None]

    def bound(self, free: jax.Array) -> Self:
        return type(self)(free[:, 0])

    def begin(self, x: Rows, weight: Weights, slopes: jax.Array, key: Key) -> Self:
        return type(self)(marginal_odds(x, weight) * widening(slopes))

    def slopes_from(self, loadings: jax.Array) -> jax.Array:
        return logistic_slopes(loadings)

    def possible(self, x: Rows) -> jax.Array:
        return jnp.all(_is_binary(x), axis=-1)

    def degrees_of_freedom(self) -> int:
        return self.dim

    def saturated(self) -> float:
        return 2.0**self.dim - 1

    def describe(self) -> str:
        return f"{self.dim} binary columns, logistic"


def binary_features(x: Rows) -> jax.Array:
    """(x = 0, x = 1) as numbers; both zero where x is missing."""
    seen, value = seen_and_values(x)
    return jnp.stack([seen - value, value], axis=-1)


def _is_binary(x: Any) -> jax.Array:
    return jnp.isnan(x) | (x == 0) | (x == 1)


def marginal_odds(x: Rows, weight: Weights) -> jax.Array:
    """The log odds of a 1 in each column, half an answer added to either side."""
    seen, value = seen_and_values(x)
    ones = weight @ value + 0.5
    return jnp.log(ones) - jnp.log(weight @ seen - ones + 1.0)


def widening(slopes: jax.Array) -> jax.Array:
    """How much further from 0 log odds given z = 0 are than those of all z together."""
    return jnp.sqrt(1 + (slopes / PROBIT) ** 2)


def logistic_slopes(loadings: jax.Array) -> jax.Array:
    """Slopes of logistic curves from factor loadings of the latent responses behind the answers."""
    common = jnp.minimum(jnp.sum(loadings**2, axis=-1, keepdims=True), 0.9)
    return PROBIT * loadings / jnp.sqrt(1 - common)
