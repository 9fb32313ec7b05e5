"""The rungs of the ladder: one method in each file, and the contract in ``interface``."""

from .annealed import Annealed as Annealed
from .flow import Flow as Flow
from .full_rank import FullRank as FullRank
from .interface import AbstractRung as AbstractRung
from .interface import Attempt as Attempt
from .interface import Climb as Climb
from .low_rank import LowRank as LowRank
from .mean_field import MeanField as MeanField
from .mode import AtMode as AtMode
from .moment_matching import MomentMatching as MomentMatching
from .nuts import NUTS as NUTS
from .pathfinder import Pathfinder as Pathfinder
from .stochastic import Stochastic as Stochastic
