"""The family of each observed entry, whose parameters a network gives."""

from .binary import BernoulliOutput as BernoulliOutput
from .binary import ContinuousBernoulliOutput as ContinuousBernoulliOutput
from .categories import CategoricalOutput as CategoricalOutput
from .counts import NegativeBinomialOutput as NegativeBinomialOutput
from .counts import PoissonOutput as PoissonOutput
from .gaussian import GaussianOutput as GaussianOutput
from .gaussian import VaryingGaussianOutput as VaryingGaussianOutput
from .interface import AbstractOutput as AbstractOutput
from .logistic import LogisticOutput as LogisticOutput
