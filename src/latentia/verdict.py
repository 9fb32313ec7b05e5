"""How far a result can be trusted, and why."""

from collections.abc import Sequence
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


def verdict_of_many(each: Sequence[Verdict], trust: Sequence[float] | None = None) -> Verdict:
    """The verdict on the posteriors of N data: the worst of theirs, and how many are how good.

    Args:
        each: of every datum; that of a single one is returned as it is.
        trust: of every datum, of which the least is named among those of the worst level;
            without it the first is.

    Raises:
        ValueError: if there is none.
    """
    if not each:
        raise ValueError(
            "data should have one row or more for a verdict, but have none: give some."
        )
    if len(each) == 1:
        return each[0]
    levels = [verdict.level for verdict in each]
    level = next(level for level in ("fail", "suspect", "pass") if level in levels)
    among = [i for i, one in enumerate(levels) if one == level]
    worst = among[0] if trust is None else min(among, key=lambda i: trust[i])
    counts = ", ".join(f"{levels.count(name)} {name}" for name in ("pass", "suspect", "fail"))
    reason = f"of {len(each)} posteriors {counts}; number {worst}: {each[worst].reason}"
    return Verdict(level, reason)
