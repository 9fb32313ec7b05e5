"""Columns given a linear predictor: one kind of response in each file, and the contract."""

from .binary import BinaryResponse as BinaryResponse
from .count import CountResponse as CountResponse
from .graded import GradedResponse as GradedResponse
from .guessed import GuessedResponse as GuessedResponse
from .interface import AbstractResponse as AbstractResponse
from .partial_credit import PartialCredit as PartialCredit
