"""Latent variable models: a prior p(z) and a likelihood p(x|z), fitted, queried and compared."""

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # For type checkers and editors; at run time the same names come from `_WHERE`, on first use.
    from . import data as data
    from . import datasets as datasets
    from . import densities as densities
    from . import io as io
    from . import networks as networks
    from . import plots as plots
    from . import supports as supports
    from . import testing as testing
    from .answers import write_answers as write_answers
    from .answers import write_draws as write_draws
    from .calibration import Calibration as Calibration
    from .calibration import calibrate as calibrate
    from .compilation import enable_compilation_cache as enable_compilation_cache
    from .distributions import Bernoulli as Bernoulli
    from .distributions import Categorical as Categorical
    from .distributions import DiagonalGaussian as DiagonalGaussian
    from .distributions import DiagonalStudentT as DiagonalStudentT
    from .distributions import Exponential as Exponential
    from .distributions import Gaussian as Gaussian
    from .distributions import GaussianRegression as GaussianRegression
    from .distributions import Mixture as Mixture
    from .distributions import Poisson as Poisson
    from .distributions import PoissonRegression as PoissonRegression
    from .distributions import Product as Product
    from .distributions import SphericalGaussian as SphericalGaussian
    from .distributions import StudentT as StudentT
    from .dynamic_factors import dynamic_factors as dynamic_factors
    from .dynamic_factors import fit_dynamic_factors as fit_dynamic_factors
    from .estimators.bayesian_gaussian_mixture import (
        BayesianGaussianMixture as BayesianGaussianMixture,
    )
    from .estimators.categorical_hmm import CategoricalHMM as CategoricalHMM
    from .estimators.factor_analysis import FactorAnalysis as FactorAnalysis
    from .estimators.files import load as load
    from .estimators.files import save as save
    from .estimators.gaussian_hmm import GaussianHMM as GaussianHMM
    from .estimators.gaussian_mixture import GaussianMixture as GaussianMixture
    from .estimators.gmm_hmm import GMMHMM as GMMHMM
    from .estimators.hidden_markov_model import HiddenMarkovModel as HiddenMarkovModel
    from .estimators.item_response import ItemResponse as ItemResponse
    from .estimators.latent_class import LatentClass as LatentClass
    from .estimators.latent_dirichlet_allocation import (
        LatentDirichletAllocation as LatentDirichletAllocation,
    )
    from .estimators.linear_gaussian_state_space import (
        LinearGaussianStateSpace as LinearGaussianStateSpace,
    )
    from .estimators.mixed_mixture import MixedMixture as MixedMixture
    from .estimators.mixture_of_factor_analyzers import (
        MixtureOfFactorAnalyzers as MixtureOfFactorAnalyzers,
    )
    from .estimators.poisson_hmm import PoissonHMM as PoissonHMM
    from .estimators.probabilistic_pca import ProbabilisticPCA as ProbabilisticPCA
    from .estimators.student_t_mixture import StudentTMixture as StudentTMixture
    from .estimators.variational_autoencoder import (
        VariationalAutoencoder as VariationalAutoencoder,
    )
    from .evaluation import Disentanglement as Disentanglement
    from .evaluation import Evaluation as Evaluation
    from .evaluation import Sandwich as Sandwich
    from .evaluation import TwoSample as TwoSample
    from .evaluation import disentanglement as disentanglement
    from .evaluation import evaluate as evaluate
    from .evaluation import two_sample as two_sample
    from .forecasting import Forecast as Forecast
    from .forecasting import forecast as forecast
    from .inference import NUTS as NUTS
    from .inference import Amortized as Amortized
    from .inference import Annealed as Annealed
    from .inference import AtMode as AtMode
    from .inference import Auto as Auto
    from .inference import ConditionedPosterior as ConditionedPosterior
    from .inference import CoordinateAscent as CoordinateAscent
    from .inference import CouplingPosterior as CouplingPosterior
    from .inference import DiagonalPosterior as DiagonalPosterior
    from .inference import Exact as Exact
    from .inference import ExpectationPropagation as ExpectationPropagation
    from .inference import Flow as Flow
    from .inference import FullPosterior as FullPosterior
    from .inference import FullRank as FullRank
    from .inference import Ladder as Ladder
    from .inference import Laplace as Laplace
    from .inference import LowRank as LowRank
    from .inference import MeanField as MeanField
    from .inference import MomentMatching as MomentMatching
    from .inference import Pathfinder as Pathfinder
    from .inference import Quadrature as Quadrature
    from .inference import Stochastic as Stochastic
    from .inference import TopDownPosterior as TopDownPosterior
    from .inference import UntrustedPosterior as UntrustedPosterior
    from .inference import Variational as Variational
    from .inference import align_labels as align_labels
    from .inference import choose as choose
    from .inference import exchangeable as exchangeable
    from .inference import match_components as match_components
    from .latents import Branching as Branching
    from .latents import Continuous as Continuous
    from .latents import Discrete as Discrete
    from .latents import DrivenGaussianChain as DrivenGaussianChain
    from .latents import DrivenMarkovChain as DrivenMarkovChain
    from .latents import FlowLatent as FlowLatent
    from .latents import GaussianChain as GaussianChain
    from .latents import GaussianLatent as GaussianLatent
    from .latents import LayeredLatent as LayeredLatent
    from .latents import MarkovChain as MarkovChain
    from .latents import MixtureLatent as MixtureLatent
    from .latents import SemiMarkovChain as SemiMarkovChain
    from .latents import StudentTLatent as StudentTLatent
    from .latents import Topics as Topics
    from .latents import VampPrior as VampPrior
    from .learning import ELBO as ELBO
    from .learning import EM as EM
    from .learning import Fit as Fit
    from .learning import FitPlan as FitPlan
    from .learning import Gradient as Gradient
    from .learning import ImportanceBound as ImportanceBound
    from .learning import StochasticGradient as StochasticGradient
    from .learning import plan as plan
    from .likelihoods import BernoulliOutput as BernoulliOutput
    from .likelihoods import BinaryResponse as BinaryResponse
    from .likelihoods import CategoricalOutput as CategoricalOutput
    from .likelihoods import Coded as Coded
    from .likelihoods import ContinuousBernoulliOutput as ContinuousBernoulliOutput
    from .likelihoods import CountResponse as CountResponse
    from .likelihoods import Custom as Custom
    from .likelihoods import Enumerated as Enumerated
    from .likelihoods import GaussianOutput as GaussianOutput
    from .likelihoods import GeneralizedLinear as GeneralizedLinear
    from .likelihoods import GradedResponse as GradedResponse
    from .likelihoods import GuessedResponse as GuessedResponse
    from .likelihoods import LinearGaussian as LinearGaussian
    from .likelihoods import LinearGaussianRegression as LinearGaussianRegression
    from .likelihoods import LogisticOutput as LogisticOutput
    from .likelihoods import NegativeBinomialOutput as NegativeBinomialOutput
    from .likelihoods import Neural as Neural
    from .likelihoods import PartialCredit as PartialCredit
    from .likelihoods import PerStep as PerStep
    from .likelihoods import PoissonOutput as PoissonOutput
    from .likelihoods import Scaled as Scaled
    from .likelihoods import Switch as Switch
    from .likelihoods import VaryingGaussianOutput as VaryingGaussianOutput
    from .likelihoods import WordCounts as WordCounts
    from .model import LatentVariableModel as LatentVariableModel
    from .numpyro_models import from_numpyro as from_numpyro
    from .predictive import PredictiveCheck as PredictiveCheck
    from .predictive import predictive_check as predictive_check
    from .selection import Selection as Selection
    from .selection import select as select
    from .structural_series import fit_structural as fit_structural
    from .structural_series import structural as structural
    from .unconstrained import LogDensity as LogDensity
    from .unconstrained import log_density as log_density
    from .verbs import fit as fit
    from .verbs import infer as infer
    from .verbs import map_estimate as map_estimate
    from .verbs import sample as sample
    from .verbs import score as score

__version__ = "0.1.0"

_WHERE = {
    "LatentVariableModel": "latentia.model",
    "sample": "latentia.verbs",
    "infer": "latentia.verbs",
    "map_estimate": "latentia.verbs",
    "score": "latentia.verbs",
    "fit": "latentia.verbs",
    "write_answers": "latentia.answers",
    "write_draws": "latentia.answers",
    "Exponential": "latentia.distributions",
    "Gaussian": "latentia.distributions",
    "DiagonalGaussian": "latentia.distributions",
    "SphericalGaussian": "latentia.distributions",
    "Bernoulli": "latentia.distributions",
    "Categorical": "latentia.distributions",
    "Poisson": "latentia.distributions",
    "PoissonRegression": "latentia.distributions",
    "Product": "latentia.distributions",
    "StudentT": "latentia.distributions",
    "DiagonalStudentT": "latentia.distributions",
    "Mixture": "latentia.distributions",
    "GaussianRegression": "latentia.distributions",
    "Discrete": "latentia.latents",
    "DrivenGaussianChain": "latentia.latents",
    "DrivenMarkovChain": "latentia.latents",
    "GaussianLatent": "latentia.latents",
    "Continuous": "latentia.latents",
    "Branching": "latentia.latents",
    "GaussianChain": "latentia.latents",
    "MarkovChain": "latentia.latents",
    "SemiMarkovChain": "latentia.latents",
    "Topics": "latentia.latents",
    "StudentTLatent": "latentia.latents",
    "Custom": "latentia.likelihoods",
    "Enumerated": "latentia.likelihoods",
    "Switch": "latentia.likelihoods",
    "Scaled": "latentia.likelihoods",
    "LinearGaussian": "latentia.likelihoods",
    "LinearGaussianRegression": "latentia.likelihoods",
    "PerStep": "latentia.likelihoods",
    "GeneralizedLinear": "latentia.likelihoods",
    "BinaryResponse": "latentia.likelihoods",
    "GuessedResponse": "latentia.likelihoods",
    "GradedResponse": "latentia.likelihoods",
    "PartialCredit": "latentia.likelihoods",
    "CountResponse": "latentia.likelihoods",
    "WordCounts": "latentia.likelihoods",
    "Amortized": "latentia.inference",
    "DiagonalPosterior": "latentia.inference",
    "FullPosterior": "latentia.inference",
    "CouplingPosterior": "latentia.inference",
    "TopDownPosterior": "latentia.inference",
    "ConditionedPosterior": "latentia.inference",
    "Neural": "latentia.likelihoods",
    "Coded": "latentia.likelihoods",
    "BernoulliOutput": "latentia.likelihoods",
    "CategoricalOutput": "latentia.likelihoods",
    "ContinuousBernoulliOutput": "latentia.likelihoods",
    "GaussianOutput": "latentia.likelihoods",
    "LogisticOutput": "latentia.likelihoods",
    "NegativeBinomialOutput": "latentia.likelihoods",
    "PoissonOutput": "latentia.likelihoods",
    "VaryingGaussianOutput": "latentia.likelihoods",
    "ELBO": "latentia.learning",
    "ImportanceBound": "latentia.learning",
    "StochasticGradient": "latentia.learning",
    "MixtureLatent": "latentia.latents",
    "VampPrior": "latentia.latents",
    "FlowLatent": "latentia.latents",
    "LayeredLatent": "latentia.latents",
    "evaluate": "latentia.evaluation",
    "disentanglement": "latentia.evaluation",
    "Disentanglement": "latentia.evaluation",
    "two_sample": "latentia.evaluation",
    "TwoSample": "latentia.evaluation",
    "Evaluation": "latentia.evaluation",
    "Sandwich": "latentia.evaluation",
    "CoordinateAscent": "latentia.inference",
    "Exact": "latentia.inference",
    "Quadrature": "latentia.inference",
    "Laplace": "latentia.inference",
    "Variational": "latentia.inference",
    "ExpectationPropagation": "latentia.inference",
    "Ladder": "latentia.inference",
    "AtMode": "latentia.inference",
    "FullRank": "latentia.inference",
    "LowRank": "latentia.inference",
    "MeanField": "latentia.inference",
    "NUTS": "latentia.inference",
    "Stochastic": "latentia.inference",
    "align_labels": "latentia.inference",
    "exchangeable": "latentia.inference",
    "match_components": "latentia.inference",
    "Pathfinder": "latentia.inference",
    "MomentMatching": "latentia.inference",
    "Annealed": "latentia.inference",
    "Flow": "latentia.inference",
    "UntrustedPosterior": "latentia.inference",
    "Auto": "latentia.inference",
    "choose": "latentia.inference",
    "EM": "latentia.learning",
    "Gradient": "latentia.learning",
    "Fit": "latentia.learning",
    "FitPlan": "latentia.learning",
    "plan": "latentia.learning",
    "Calibration": "latentia.calibration",
    "calibrate": "latentia.calibration",
    "PredictiveCheck": "latentia.predictive",
    "predictive_check": "latentia.predictive",
    "Forecast": "latentia.forecasting",
    "forecast": "latentia.forecasting",
    "dynamic_factors": "latentia.dynamic_factors",
    "fit_dynamic_factors": "latentia.dynamic_factors",
    "from_numpyro": "latentia.numpyro_models",
    "log_density": "latentia.unconstrained",
    "LogDensity": "latentia.unconstrained",
    "structural": "latentia.structural_series",
    "fit_structural": "latentia.structural_series",
    "select": "latentia.selection",
    "Selection": "latentia.selection",
    "save": "latentia.estimators.files",
    "load": "latentia.estimators.files",
    "GaussianMixture": "latentia.estimators.gaussian_mixture",
    "BayesianGaussianMixture": "latentia.estimators.bayesian_gaussian_mixture",
    "FactorAnalysis": "latentia.estimators.factor_analysis",
    "ProbabilisticPCA": "latentia.estimators.probabilistic_pca",
    "StudentTMixture": "latentia.estimators.student_t_mixture",
    "MixtureOfFactorAnalyzers": "latentia.estimators.mixture_of_factor_analyzers",
    "ItemResponse": "latentia.estimators.item_response",
    "LatentClass": "latentia.estimators.latent_class",
    "LatentDirichletAllocation": "latentia.estimators.latent_dirichlet_allocation",
    "MixedMixture": "latentia.estimators.mixed_mixture",
    "GaussianHMM": "latentia.estimators.gaussian_hmm",
    "GMMHMM": "latentia.estimators.gmm_hmm",
    "PoissonHMM": "latentia.estimators.poisson_hmm",
    "CategoricalHMM": "latentia.estimators.categorical_hmm",
    "HiddenMarkovModel": "latentia.estimators.hidden_markov_model",
    "LinearGaussianStateSpace": "latentia.estimators.linear_gaussian_state_space",
    "VariationalAutoencoder": "latentia.estimators.variational_autoencoder",
    "enable_compilation_cache": "latentia.compilation",
}
_MODULES = (
    "data",
    "datasets",
    "densities",
    "io",
    "networks",
    "plots",
    "supports",
    "testing",
)

# Derived, so that a new public name is one line in `_WHERE` and one import above.
__all__ = [*_WHERE, *_MODULES, "__version__"]  # pyright: ignore[reportUnsupportedDunderAll]


# Hidden from type checkers, which would otherwise believe that every name exists.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Load a public name when it is first used: `import latentia` alone loads no JAX."""
        if name in _WHERE:
            value = getattr(importlib.import_module(_WHERE[name]), name)
        elif name in _MODULES:
            value = importlib.import_module(f"{__name__}.{name}")
        else:
            raise AttributeError(
                f"module {__name__!r} has no attribute {name!r}: see dir({__name__}).",
                name=name,
                obj=sys.modules[__name__],
            )
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
