"""Likelihoods p(x|z): one link in each file, and the contract in ``interface``."""

from .interface import AbstractConjugateLikelihood as AbstractConjugateLikelihood
from .interface import AbstractLearnableLikelihood as AbstractLearnableLikelihood
from .interface import AbstractLikelihood as AbstractLikelihood
from .linear_gaussian import LinearGaussian as LinearGaussian
from .per_step import PerStep as PerStep
from .switch import Switch as Switch
