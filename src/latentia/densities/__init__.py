"""Densities of named latent variables, for ``Continuous`` priors and ``Custom`` likelihoods."""

from .bounded import LKJ as LKJ
from .bounded import Beta as Beta
from .bounded import Dirichlet as Dirichlet
from .bounded import Uniform as Uniform
from .flat import Flat as Flat
from .flat import Sorted as Sorted
from .interface import AbstractDensity as AbstractDensity
from .positive import Exponential as Exponential
from .positive import Gamma as Gamma
from .positive import HalfCauchy as HalfCauchy
from .positive import HalfNormal as HalfNormal
from .positive import InverseGamma as InverseGamma
from .positive import LogNormal as LogNormal
from .real_line import Cauchy as Cauchy
from .real_line import Normal as Normal
from .real_line import StudentT as StudentT
