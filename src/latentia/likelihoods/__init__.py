"""Likelihoods p(x|z): one link in each file, and the contract in ``interface``."""

from .generalized_linear import GeneralizedLinear as GeneralizedLinear
from .given import sample_given as sample_given
from .interface import AbstractConjugateLikelihood as AbstractConjugateLikelihood
from .interface import AbstractLearnableLikelihood as AbstractLearnableLikelihood
from .interface import AbstractLikelihood as AbstractLikelihood
from .linear_gaussian import LinearGaussian as LinearGaussian
from .neural import Neural as Neural
from .neural import NeuralPotential as NeuralPotential
from .outputs import AbstractOutput as AbstractOutput
from .outputs import BernoulliOutput as BernoulliOutput
from .outputs import CategoricalOutput as CategoricalOutput
from .outputs import ContinuousBernoulliOutput as ContinuousBernoulliOutput
from .outputs import GaussianOutput as GaussianOutput
from .outputs import LogisticOutput as LogisticOutput
from .outputs import NegativeBinomialOutput as NegativeBinomialOutput
from .outputs import PoissonOutput as PoissonOutput
from .outputs import VaryingGaussianOutput as VaryingGaussianOutput
from .per_step import PerStep as PerStep
from .responses import BinaryResponse as BinaryResponse
from .responses import CountResponse as CountResponse
from .responses import GradedResponse as GradedResponse
from .responses import GuessedResponse as GuessedResponse
from .responses import PartialCredit as PartialCredit
from .scaled import Scaled as Scaled
from .switch import Switch as Switch
from .words import WordCounts as WordCounts
