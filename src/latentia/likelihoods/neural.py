"""The likelihood of a deep latent variable model: a family whose parameters a network gives."""

from math import prod
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from latentia.constraints import fixed
from latentia.networks import AbstractNetwork, Given, as_network
from latentia.potentials import AbstractSmoothPotential
from latentia.typing import Form, Key, LatentVector, Scalar

from .interface import AbstractConjugateLikelihood
from .outputs import AbstractOutput


class NeuralPotential(AbstractSmoothPotential):
    """Evidence about z from one x: ``log p(x|z)``, through the network."""

    likelihood: "Neural"
    x: jax.Array

    @property
    def latent_dim(self) -> int:
        return self.likelihood.latent_dim

    def at(self, points: jax.Array) -> jax.Array:
        return jax.vmap(self)(points)

    def __call__(self, z: LatentVector) -> Scalar:
        return self.likelihood.log_prob(self.x, z)

    def __add__(self, other: Self) -> Self:
        raise NotImplementedError("Evidence of two data about one z is not kept in one potential.")


class Neural(AbstractConjugateLikelihood):
    """``p(x|z) = family(network(z))``: the decoder of a variational autoencoder.

    The entries of x are independent given z; a missing one (NaN) is integrated out. Without an
    encoder z is found by quadrature in up to six dimensions and by Laplace's method beyond; with
    one, in ``LatentVariableModel(..., inference=Amortized(encoder))``, in one step.
    (Kingma and Welling 2014; Rezende, Mohamed and Wierstra 2014.)

    With covariates (``inputs``) it is ``p(x|z, u)``, a conditional model (Sohn, Lee and Yan 2015):
    the network takes z and u one behind the other, and one x is a row ``[D + P]``, with u last.

    Args:
        network: from z ``[L]``, or z and u ``[L + P]``, to an array of as many numbers as ``shape``
            has entries, times the ``parameters`` of the family: one of ``latentia.networks``, or
            any equinox module.
        family: the distribution of an entry, such as ``BernoulliOutput()``.
        shape: of one x: a number of columns, ``(D,)``, or ``(height, width, channels)``.
        latent_dim: L.
        offset: ``[*shape, P]``, what is added to the network's output; learned, from the mean of
            the data at first.
        unit: ``[*shape]``, above 0: x is described in these units. By default the standard
            deviations of the columns of a table of real numbers, and 1 for anything else.
        inputs: P, how many covariates there are, to be passed as ``given``.
        standard: ``[2, P]``, what is subtracted from the covariates before a network sees them, and
            what they are then divided by: by default their means and standard deviations.

    Raises:
        ValueError: if the network's output does not fit the family and the shape.
    """

    network: AbstractNetwork
    family: AbstractOutput
    offset: Float[Array, "... P"]
    unit: Float[Array, "..."] = eqx.field(metadata=fixed)
    standard: Float[Array, "2 P"] = eqx.field(metadata=fixed)
    shape: tuple[int, ...] = eqx.field(static=True)
    latent_dim: int = eqx.field(static=True)
    inputs: int = eqx.field(static=True)

    def __init__(
        self,
        network: Any,
        family: AbstractOutput,
        shape: int | tuple[int, ...],
        latent_dim: int,
        *,
        offset: Any = None,
        unit: Any = None,
        inputs: int = 0,
        standard: Any = None,
    ) -> None:
        if not isinstance(family, AbstractOutput):
            raise TypeError(
                f"family of Neural should be a family of outputs, but is {family!r}: write "
                "BernoulliOutput(), for instance."
            )
        self.network = as_network(network, "network of Neural")
        self.family = family
        self.shape = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
        self.latent_dim = latent_dim
        self.inputs = inputs
        self.standard = _array(standard, (2, max(int(inputs), 0)))
        self.offset = _array(offset, (*self.shape, family.parameters))
        self.unit = _array(unit, self.shape)

    def __check_init__(self) -> None:
        if not self.shape or min(self.shape) < 1:
            raise ValueError(
                f"shape of Neural should be sizes of at least 1, but is {self.shape}: write the "
                "number of columns, or (height, width, channels)."
            )
        if not isinstance(self.latent_dim, int) or self.latent_dim < 1:
            raise ValueError(
                "latent_dim of Neural should be a whole number of at least 1, but is "
                f"{self.latent_dim!r}."
            )
        if not isinstance(self.inputs, int) or self.inputs < 0:
            raise ValueError(
                f"inputs of Neural should be a whole number of at least 0, but is {self.inputs!r}."
            )
        expected = (*self.shape, self.family.parameters)
        if np.shape(self.offset) != expected or np.shape(self.unit) != self.shape:
            raise ValueError(
                f"offset and unit of Neural should have the shapes {expected} and {self.shape}, "
                f"but have {np.shape(self.offset)} and {np.shape(self.unit)}."
            )
        self._check_output(expected)

    def _check_output(self, expected: tuple[int, ...]) -> None:
        taken = self.latent_dim + self.inputs
        z = jax.ShapeDtypeStruct((taken,), jnp.float32)
        try:
            made = jax.eval_shape(lambda network, z: network(z), self.network, z)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"network of Neural should take a vector of {taken} numbers (latent_dim = "
                f"{self.latent_dim}, inputs = {self.inputs}), but does not "
                f"({str(error).splitlines()[0]}): give both the same size."
            ) from error
        if made.size != prod(expected):
            raise ValueError(
                f"network of Neural should give {prod(expected)} numbers, {self.family.parameters} "
                f"for each of the {self.dim} entries of x, but gives {made.size}: choose its "
                "outputs so."
            )

    @property
    def dim(self) -> int:
        """D, how many entries one x has."""
        return prod(self.shape)

    @property
    def states(self) -> int:
        """1: z has no states."""
        return 1

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of one x: of a conditional model that of a row with u behind it."""
        return (self.dim + self.inputs,) if self.inputs else self.shape

    def split(self, x: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        """One x as ``[*shape]``, and the covariates behind it, if it has any, as networks see
        them."""
        if self.inputs == 0:
            return x.reshape(self.shape), None
        return x[: self.dim].reshape(self.shape), self.standardized(x[self.dim :])

    def standardized(self, u: jax.Array) -> jax.Array:
        """Covariates as networks see them."""
        return (u - self.standard[0]) / self.standard[1]

    def given(self, u: jax.Array | None) -> "Neural":
        """p(x|z) for these covariates ``[P]``, as networks see them."""
        if u is None:
            return self
        network, unit = Given(self.network, u), self.unit
        return Neural(
            network, self.family, self.shape, self.latent_dim, offset=self.offset, unit=unit
        )

    def free(self, z: LatentVector) -> jax.Array:
        """The free numbers of every entry, ``[*shape, P]``."""
        return self.network(z).reshape(self.offset.shape) + self.offset

    def mean(self, z: LatentVector) -> jax.Array:
        """The x expected for one z, ``[*shape]``."""
        return self.unit * self.family.mean(self.free(z))

    def sample(self, key: Key, z: LatentVector) -> jax.Array:
        return self.unit * self.family.sample(key, self.free(z))

    def log_prob(self, x: jax.Array, z: LatentVector) -> Scalar:
        x, u = self.split(x)
        z = z if u is None else jnp.concatenate([z, u.astype(z.dtype)])
        seen = ~jnp.isnan(x)
        each = self.family.log_prob(jnp.where(seen, x, 0.0) / self.unit, self.free(z))
        return jnp.sum(jnp.where(seen, each - jnp.log(self.unit), 0.0))

    def potential(self, x: jax.Array) -> NeuralPotential:
        if self.inputs:
            raise ValueError(
                "A Neural likelihood with covariates should be in a model with an encoder: pass "
                "inference=Amortized(...)."
            )
        return NeuralPotential(self, x)

    def prepare(self, form: Form) -> Self:
        """Itself: there is nothing to factor."""
        return self

    def degrees_of_freedom(self, states: int) -> int:
        """How many numbers are learned."""
        leaves = jax.tree.leaves((self.network, self.family, self.offset))
        return sum(int(np.size(leaf)) for leaf in leaves)

    def describe(self) -> str:
        also = f", given {self.inputs} covariates" if self.inputs else ""
        return f"Neural: {self.family.describe()}, {self.network.describe()}{also}"


def _array(value: Any, shape: tuple[int, ...]) -> Any:
    """In the precision of networks; NaN stands for what is not set yet."""
    if value is None:
        return np.full(shape, np.nan, np.float32)
    return (
        value
        if isinstance(value, jax.Array)
        else np.broadcast_to(np.asarray(value, np.float32), shape).copy()
    )
