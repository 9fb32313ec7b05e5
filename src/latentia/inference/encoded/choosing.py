"""The kind of posterior that a prior asks for, where none was chosen."""

from typing import Any

from latentia.latents import AbstractVectorPrior, LayeredLatent

from .conditioned import ConditionedPosterior
from .diagonal import DiagonalPosterior
from .interface import AbstractPosteriorFamily
from .top_down import TopDownPosterior


def family_for(prior: Any) -> AbstractPosteriorFamily:
    """Diagonal Gaussians for a vector, top-down ones for layers, and the prior's own posteriors for
    any other structure."""
    if isinstance(prior, LayeredLatent):
        return TopDownPosterior()
    if isinstance(prior, AbstractVectorPrior):
        return DiagonalPosterior()
    return ConditionedPosterior()
