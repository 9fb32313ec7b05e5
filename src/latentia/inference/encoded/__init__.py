"""What an encoder can propose: one kind of posterior in each file, and the contract."""

from .choosing import family_for as family_for
from .conditioned import Conditioned as Conditioned
from .conditioned import ConditionedPosterior as ConditionedPosterior
from .conditioned import Framed as Framed
from .conditioned import speaks_to as speaks_to
from .coupling import CouplingPosterior as CouplingPosterior
from .diagonal import LEAST as LEAST
from .diagonal import DiagonalPosterior as DiagonalPosterior
from .diagonal import Proposal as Proposal
from .full import FullPosterior as FullPosterior
from .full import FullProposal as FullProposal
from .interface import AbstractEncoded as AbstractEncoded
from .interface import AbstractPosteriorFamily as AbstractPosteriorFamily
from .interface import Parts as Parts
from .interface import log_weights as log_weights
from .top_down import TopDownPosterior as TopDownPosterior
