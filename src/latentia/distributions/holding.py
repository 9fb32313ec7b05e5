"""Statistics for parameters that are fixed.

Most parameters have an M-step of their own, so that a fixed one is simply put back. Where one
enters the M-step of another, ``hold`` changes the statistics such that the others come out right: a
variance about a mean that is fixed, say.
"""

from functools import singledispatch
from typing import Any

import jax
import jax.numpy as jnp

from latentia.typing import Statistics

from .diagonal_student_t import DiagonalStudentT
from .gaussian import Gaussian
from .gaussian_regression import GaussianRegression
from .independent_gaussian import DiagonalGaussian, SphericalGaussian
from .mixture import Mixture
from .poisson_regression import PoissonRegression
from .product import Product
from .student_t import StudentT


@singledispatch
def hold(part: Any, statistics: Statistics, held: Any) -> Statistics:
    """Statistics whose ``maximize`` is the maximum with some parameters fixed, those put back.

    Args:
        part: one distribution or likelihood, whose statistics these are.
        statistics: as ``part`` collected them.
        held: a ``part`` with a boolean in place of each number: whether it is fixed.
    """
    return statistics


def _about_the_mean(part: Any, statistics: Any, held: Any) -> Any:
    # Moments are about the mean that the family has: without the first, it stays the mean.
    return statistics._replace(first=jnp.where(held.mean, 0.0, statistics.first))


for _family in (Gaussian, DiagonalGaussian, SphericalGaussian):
    hold.register(_family, _about_the_mean)


@hold.register(GaussianRegression)
@hold.register(PoissonRegression)
def _(part: Any, statistics: Any, held: Any) -> Any:
    fixed = jnp.concatenate([held.coefficients, held.intercept[..., None]], axis=-1)
    return without_equations(statistics, fixed)


def without_equations(statistics: Any, fixed: jax.Array) -> Any:
    """A regression in which some coefficients do not change: their equations are taken out.

    Args:
        statistics: with ``cross [..., Q]`` and ``design [..., Q, Q]``.
        fixed: ``[..., Q]``, which of the coefficients.
    """
    free = ~fixed
    columns = (*fixed.shape[:-1], *statistics.design.shape[-2:])
    design = jnp.broadcast_to(statistics.design, columns)
    both = free[..., :, None] & free[..., None, :]
    eye = jnp.eye(fixed.shape[-1], dtype=design.dtype)
    return statistics._replace(
        cross=jnp.where(free, statistics.cross, 0.0), design=jnp.where(both, design, eye)
    )


@hold.register
def _(part: Product, statistics: Any, held: Any) -> Any:
    triples = zip(part.parts, statistics, held.parts, strict=True)
    return tuple(hold(*triple) for triple in triples)


def _about_the_location(part: Any, statistics: Any, held: Any) -> Any:
    return statistics._replace(first=jnp.where(held.location, 0.0, statistics.first))


for _family in (StudentT, DiagonalStudentT):
    hold.register(_family, _about_the_location)


@hold.register
def _(part: Mixture, statistics: Any, held: Any) -> Any:
    return statistics._replace(parts=jax.vmap(hold)(part.parts, statistics.parts, held.parts))
