"""Likelihoods p(x|z): one link in each file, and the contract in ``interface``."""

from .custom import Custom as Custom
from .custom import CustomPotential as CustomPotential
from .generalized_linear import GeneralizedLinear as GeneralizedLinear
from .given import sample_given as sample_given
from .interface import AbstractConjugateLikelihood as AbstractConjugateLikelihood
from .interface import AbstractLearnableLikelihood as AbstractLearnableLikelihood
from .interface import AbstractLikelihood as AbstractLikelihood
from .interface import AbstractWholeLikelihood as AbstractWholeLikelihood
from .linear_gaussian import LinearGaussian as LinearGaussian
from .per_step import PerStep as PerStep
from .responses import BinaryResponse as BinaryResponse
from .responses import CountResponse as CountResponse
from .responses import GradedResponse as GradedResponse
from .responses import GuessedResponse as GuessedResponse
from .responses import PartialCredit as PartialCredit
from .scaled import Scaled as Scaled
from .switch import Switch as Switch
from .words import WordCounts as WordCounts
