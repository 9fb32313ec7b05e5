"""How good a fitted model is: likelihood, draws beside data, and latents beside true factors."""

from .annealing import Sandwich as Sandwich
from .disentanglement import Disentanglement as Disentanglement
from .disentanglement import disentanglement as disentanglement
from .measuring import evaluate as evaluate
from .report import Evaluation as Evaluation
from .two_sample import TwoSample as TwoSample
from .two_sample import two_sample as two_sample
