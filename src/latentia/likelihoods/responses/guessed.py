"""Binary columns whose right answers may be guessed."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from latentia.constraints import interval
from latentia.distributions.parameters import as_parameter, need_dim, need_shapes, unset
from latentia.typing import Datum, Key, Rows, Scalar, Weights

from .binary import BinaryResponse, logistic_slopes, marginal_odds, widening
from .interface import AbstractResponse

# Chances of guessing are kept this far from 0 and 1, in log odds: 1e-13 is as good as none.
_FARTHEST = 30.0


class GuessedResponse(AbstractResponse):
    """P(x = 1) = guessing + (1 - guessing) logistic(eta + bias): the 3PL model (Birnbaum 1968).

    Args:
        bias: ``[D]``, the log odds of knowing the answer at z = 0.
        guessing: ``[D]``, the chance of a 1 however low z is.
        dim: D, in place of both, if they are to be learned.
    """

    bias: jax.Array
    guessing: jax.Array = eqx.field(metadata=interval)

    def __init__(self, bias: Any = None, guessing: Any = None, *, dim: int | None = None) -> None:
        if bias is None:
            bias = unset(need_dim(dim, "GuessedResponse"))
        self.bias = as_parameter(bias, "bias")
        shape = self.bias.shape
        self.guessing = as_parameter(unset(*shape) if guessing is None else guessing, "guessing")
        need_shapes("GuessedResponse", guessing=(self.guessing.shape, shape))

    @property
    def dim(self) -> int:
        return self.bias.shape[-1]

    def terms(self, eta: jax.Array) -> jax.Array:
        odds = eta + self.bias
        tiny = jnp.finfo(odds.dtype).tiny
        lucky = jnp.log(jnp.maximum(self.guessing, tiny))
        unlucky = jnp.log(jnp.maximum(1 - self.guessing, tiny))
        return jnp.stack(
            [
                unlucky + jax.nn.log_sigmoid(-odds),
                jnp.logaddexp(lucky, unlucky + jax.nn.log_sigmoid(odds)),
            ],
            axis=-1,
        )

    def expected(self, eta: jax.Array) -> jax.Array:
        return jnp.exp(self.terms(eta))

    def features(self, x: Rows) -> jax.Array:
        return self._plain.features(x)

    def base(self, x: Datum) -> Scalar:
        return self._plain.base(x)

    def draw(self, key: Key, eta: Datum) -> Datum:
        chance = self.expected(eta)[..., 1]
        return jax.random.bernoulli(key, chance).astype(chance.dtype)

    def free(self) -> jax.Array:
        odds = jnp.log(self.guessing) - jnp.log1p(-self.guessing)
        return jnp.stack([self.bias, jnp.clip(odds, -_FARTHEST, _FARTHEST)], axis=-1)

    def bound(self, free: jax.Array) -> Self:
        odds = jnp.clip(free[:, 1], -_FARTHEST, _FARTHEST)
        return type(self)(free[:, 0], jax.nn.sigmoid(odds))

    def begin(self, x: Rows, weight: Weights, slopes: jax.Array, key: Key) -> Self:
        # Starts differ in how much is guessed: from next to nothing to what the margin allows.
        odds = marginal_odds(x, weight)
        first, second = jax.random.split(key)
        most = (
            0.6
            * jnp.minimum(jax.nn.sigmoid(odds), 0.5)
            * jax.random.uniform(first, (), odds.dtype) ** 2
        )
        guessing = jnp.maximum(most * jax.random.uniform(second, odds.shape, odds.dtype), 1e-4)
        share = jax.nn.sigmoid(odds)
        known = jnp.clip((share - guessing) / (1 - guessing), 1e-3, 1 - 1e-3)
        return type(self)((jnp.log(known) - jnp.log1p(-known)) * widening(slopes), guessing)

    def slopes_from(self, loadings: jax.Array) -> jax.Array:
        return logistic_slopes(loadings)

    def possible(self, x: Rows) -> jax.Array:
        return self._plain.possible(x)

    def degrees_of_freedom(self) -> int:
        return 2 * self.dim

    def saturated(self) -> float:
        return self._plain.saturated()

    def describe(self) -> str:
        return f"{self.dim} binary columns, logistic above a chance of guessing"

    @property
    def _plain(self) -> BinaryResponse:
        return BinaryResponse(self.bias)
