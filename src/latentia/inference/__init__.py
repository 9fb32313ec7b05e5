"""Inference x -> p(z|x): one method in each file, and the contract in ``interface``."""

from .amortized import Amortized as Amortized
from .amortized_posterior import AmortizedPosterior as AmortizedPosterior
from .auto import Auto as Auto
from .auto import choose as choose
from .auto import choose_for_fit as choose_for_fit
from .coordinate_ascent import CoordinateAscent as CoordinateAscent
from .exact import Exact as Exact
from .interface import AbstractInference as AbstractInference
from .interface import AbstractRefinable as AbstractRefinable
from .label_alignment import align_labels as align_labels
from .label_alignment import exchangeable as exchangeable
from .label_alignment import match_components as match_components
from .ladder import Ladder as Ladder
from .ladder import UntrustedPosterior as UntrustedPosterior
from .laplace import Laplace as Laplace
from .quadrature import Quadrature as Quadrature
from .rungs import NUTS as NUTS
from .rungs import AtMode as AtMode
from .rungs import Flow as Flow
from .rungs import FullRank as FullRank
from .rungs import LowRank as LowRank
from .rungs import MeanField as MeanField
from .rungs import MomentMatching as MomentMatching
from .rungs import Pathfinder as Pathfinder
from .rungs import Stochastic as Stochastic
from .weighted_posterior import WeightedPosterior as WeightedPosterior
