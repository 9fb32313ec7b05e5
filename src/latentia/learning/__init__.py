"""Learning data -> parameters: one learner in each file, and the contract in ``interface``."""

from .bound_fit import BoundFit as BoundFit
from .bound_fit import BoundFitInterrupted as BoundFitInterrupted
from .bound_fit import Ending as Ending
from .em import EM as EM
from .fit_plan import FitPlan as FitPlan
from .fit_plan import plan as plan
from .fit_result import Fit as Fit
from .fit_result import FitInterrupted as FitInterrupted
from .gradient import Gradient as Gradient
from .interface import AbstractLearner as AbstractLearner
from .objectives import ELBO as ELBO
from .objectives import ImportanceBound as ImportanceBound
from .status import Status as Status
from .stochastic_gradient import StochasticGradient as StochasticGradient
