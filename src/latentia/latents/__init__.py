"""Latent structures p(z): one in each file, and the contract in ``interface``."""

from .branching import Branching as Branching
from .branching import BranchMoments as BranchMoments
from .branching import BranchPosterior as BranchPosterior
from .chain_posterior import ChainMoments as ChainMoments
from .chain_posterior import GaussianChainPosterior as GaussianChainPosterior
from .discrete import Discrete as Discrete
from .discrete import DiscretePosterior as DiscretePosterior
from .driven_markov_chain import DrivenMarkovChain as DrivenMarkovChain
from .driven_posterior import DrivenPosterior as DrivenPosterior
from .gaussian import GaussianLatent as GaussianLatent
from .gaussian import GaussianMoments as GaussianMoments
from .gaussian import GaussianPosterior as GaussianPosterior
from .gaussian_chain import GaussianChain as GaussianChain
from .interface import AbstractConjugatePrior as AbstractConjugatePrior
from .interface import AbstractLabelledPrior as AbstractLabelledPrior
from .interface import AbstractPosterior as AbstractPosterior
from .interface import AbstractPrior as AbstractPrior
from .interface import AbstractSequencePosterior as AbstractSequencePosterior
from .interface import AbstractVectorPrior as AbstractVectorPrior
from .markov_chain import MarkovChain as MarkovChain
from .markov_posterior import MarkovPosterior as MarkovPosterior
from .semi_markov_chain import SemiMarkovChain as SemiMarkovChain
from .semi_markov_chain import SemiMarkovPosterior as SemiMarkovPosterior
from .student_t import StudentTLatent as StudentTLatent
from .topics import Topics as Topics
from .topics import TopicsPosterior as TopicsPosterior
