"""Learning data -> parameters: one learner in each file, and the contract in ``interface``."""

from .em import EM as EM
from .fit_result import Fit as Fit
from .fit_result import FitInterrupted as FitInterrupted
from .gradient import Gradient as Gradient
from .interface import AbstractLearner as AbstractLearner
from .status import Status as Status
