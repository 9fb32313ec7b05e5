"""A decoder of discrete codes: each stands for a vector of a learned codebook."""

from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from latentia.potentials import DiscretePotential, StepPotentials
from latentia.typing import Key, Scalar, States

from .interface import AbstractLikelihood
from .neural import Neural


class Coded(AbstractLikelihood):
    """``p(x|z)`` for codes ``z [P]``, each one of K: the ``decoder`` of the vectors that the
    codebook has for them, one behind the other (vector-quantised codes: van den Oord, Vinyals and
    Kavukcuoglu 2017).

    Its model has the prior ``MarkovChain(K, length=P)``, learned with the rest, and an
    ``Amortized`` encoder. That gives P vectors, and ``-|vector - code|² / 2`` is the log evidence
    for a code, so that near codes are likely; the chain is conditioned on that exactly. So the rate
    is exact, unlike that of the usual choice of the nearest code, and the ELBO is a lower bound of
    the log-likelihood whose distortion is estimated by draws of codes. Their slope for the encoder
    is the straight-through one, which is biased (Bengio, Léonard and Courville 2013); the bound
    itself is not.

    Args:
        decoder: a ``Neural`` with ``latent_dim`` = P times ``size``, without covariates.
        codes: K, for a random codebook; or the codebook ``[K, E]``.
        size: E, the length of a code's vector.
        key: decides the first codebook.
    """

    decoder: Neural
    codebook: Float[Array, "K E"]

    def __init__(
        self,
        decoder: Neural,
        codes: Any = None,
        size: int = 8,
        *,
        key: int = 0,
        codebook: Any = None,
    ) -> None:
        if not isinstance(decoder, Neural) or decoder.inputs:
            raise TypeError(
                "decoder of Coded should be a Neural without covariates, but is "
                f"{decoder if not isinstance(decoder, Neural) else decoder.describe()!r}."
            )
        codes = codebook if codebook is not None else codes
        if isinstance(codes, int) and not isinstance(codes, bool):
            if codes < 2 or not isinstance(size, int) or size < 1:
                raise ValueError(
                    "codes of Coded should be at least 2 and size at least 1, but are "
                    f"{codes} and {size!r}."
                )
            codes = np.random.default_rng(key).normal(size=(codes, size)).astype(np.float32)
        self.decoder = decoder
        self.codebook = codes if isinstance(codes, jax.Array) else np.asarray(codes)  # pyright: ignore

    def __check_init__(self) -> None:
        shape = np.shape(self.codebook)
        if len(shape) != 2 or self.decoder.latent_dim % shape[1]:
            raise ValueError(
                f"latent_dim of the decoder of Coded should be a multiple of size, the length of a "
                f"code's vector, but is {self.decoder.latent_dim} with a codebook of shape {shape}."
            )

    @property
    def states(self) -> int:
        """K, how many codes there are."""
        return self.codebook.shape[0]

    @property
    def positions(self) -> int:
        """P, how many codes describe one x."""
        return self.decoder.latent_dim // self.codebook.shape[1]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one x."""
        return self.decoder.shape

    @property
    def dim(self) -> int:
        """D, how many entries one x has."""
        return self.decoder.dim

    def with_decoder(self, decoder: Neural) -> Self:
        """The same codes with another decoder."""
        return type(self)(decoder, codebook=self.codebook)

    def mean(self, z: States) -> jax.Array:
        """The x expected for some codes, ``[*shape]``."""
        return self.decoder.mean(self._vector(z))

    def sample(self, key: Key, z: States) -> jax.Array:
        return self.decoder.sample(key, self._vector(z))

    def log_prob(self, x: jax.Array, z: States) -> Scalar:
        return self.decoder.log_prob(x, self._vector(z))

    def relaxed(self, x: jax.Array, z: States, probabilities: Float[Array, "P K"]) -> Scalar:
        """``log_prob(x, z)`` with the slopes of ``probabilities``, as if z were their mean."""
        known = jax.lax.stop_gradient(jnp.asarray(self.codebook))
        mean = (probabilities @ known).reshape(-1)
        through = mean - jax.lax.stop_gradient(mean)
        return self.decoder.log_prob(x, self._vector(z) + through)

    def said(self, numbers: jax.Array, some: jax.Array) -> StepPotentials:
        """The evidence about codes in an encoder's P vectors; none unless there is ``some``."""
        vectors = numbers.reshape(self.positions, 1, -1)
        near = -0.5 * jnp.sum((vectors - self.codebook) ** 2, axis=-1)
        return StepPotentials(DiscretePotential(jnp.where(some, near, 0.0)))

    def _vector(self, z: States) -> jax.Array:
        return jnp.asarray(self.codebook)[z].reshape(-1)

    def describe(self) -> str:
        """What it is, in a few words."""
        return f"Coded: {self.positions} of {self.states} codes, {self.decoder.describe()}"
