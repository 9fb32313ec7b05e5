"""Covariates: columns of a datum that are given, and that no part of a model describes.

They stand behind the columns that are described, so that rows stay rows wherever data travel.
"""

from functools import singledispatch
from typing import Any

import jax

from .product import Product


@singledispatch
def inputs(part: Any) -> int:
    """P, how many of the last columns of a datum are covariates: 0 for most parts."""
    return 0


@singledispatch
def drivers(part: Any) -> int:
    """How many of the covariates are for the latent variable: 0 for most parts."""
    return 0


@singledispatch
def at(part: Any, given: jax.Array) -> Any:
    """The part for these covariates ``[P]``: it describes the other columns alone."""
    return part


@inputs.register
def _(part: Product) -> int:
    if any(inputs(one) for one in part.parts):
        raise ValueError(
            "parts of Product should be without covariates, since all parts would share them: use "
            "one GaussianRegression with a column for each."
        )
    return 0
