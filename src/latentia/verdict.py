"""How far a result can be trusted, and why."""

from enum import StrEnum
from typing import NamedTuple


class Exactness(StrEnum):
    """What kind of number an inference returns."""

    EXACT = "exact"
    LOWER_BOUND = "lower bound"
    APPROXIMATION = "approximation"
    ESTIMATE = "estimate"


class Verdict(NamedTuple):
    """A judgement and its reason.

    ``level`` is "pass", "suspect" or "fail"; ``reason`` is a sentence.
    """

    level: str
    reason: str

    def __str__(self) -> str:
        return f"{self.level}: {self.reason}"
