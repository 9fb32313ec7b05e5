"""Distributions p(x): one family in each file, and the contract in ``interface``."""

from .bernoulli import Bernoulli as Bernoulli
from .categorical import Categorical as Categorical
from .diagonal_student_t import DiagonalStudentT as DiagonalStudentT
from .exponential import Exponential as Exponential
from .gaussian import Gaussian as Gaussian
from .gaussian_regression import GaussianRegression as GaussianRegression
from .independent_gaussian import DiagonalGaussian as DiagonalGaussian
from .independent_gaussian import SphericalGaussian as SphericalGaussian
from .interface import AbstractDistribution as AbstractDistribution
from .interface import AbstractExponentialFamily as AbstractExponentialFamily
from .interface import AbstractFamily as AbstractFamily
from .interface import Limits as Limits
from .mixture import Mixture as Mixture
from .poisson import Poisson as Poisson
from .poisson_regression import PoissonRegression as PoissonRegression
from .product import Product as Product
from .student_t import StudentT as StudentT
