"""Likelihoods p(x|z): one link in each file, and the contract in ``interface``."""

from .interface import AbstractConjugateLikelihood as AbstractConjugateLikelihood
from .interface import AbstractLearnableLikelihood as AbstractLearnableLikelihood
from .interface import AbstractLikelihood as AbstractLikelihood
from .linear_gaussian import LinearGaussian as LinearGaussian
from .switch import Switch as Switch
