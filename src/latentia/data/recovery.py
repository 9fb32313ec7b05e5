"""Work that is begun again where workers were lost: its owner is the process that asked for it.

A sum over data is the same however often it is made, so whatever happened to a worker, the remedy
is to make it again.
"""

import logging
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Hashable
from typing import TypeVar

R = TypeVar("R")

logger = logging.getLogger("latentia")

# How long, in seconds, to wait for work of a kind that was never done before: it compiles first.
_FIRST = 600.0
# After this many times the median of its kind, work counts as lost.
_SLOW = 20.0
_ATTEMPTS = 6


class EngineError(OSError):
    """The workers of an engine were lost again and again."""


class Recovery:
    """Runs work until it succeeds.

    Args:
        lost: the errors that tell of lost workers; all others are those of the work.
        patience: how many seconds to wait at least before workers count as frozen.
        restart: starts the workers anew.
    """

    def __init__(
        self, lost: tuple[type[BaseException], ...], patience: float, restart: Callable[[], None]
    ) -> None:
        self._lost, self._patience, self._restart = lost, patience, restart
        self._taken: dict[Hashable, list[float]] = defaultdict(list)

    def run(self, kind: Hashable, work: Callable[[float], R]) -> R:
        """What ``work(seconds)`` returns, which gives up with an error after so many seconds.

        Raises:
            EngineError: if workers were lost in every attempt.
        """
        problem: BaseException | None = None
        for attempt in range(_ATTEMPTS):
            begun = time.monotonic()
            try:
                if problem is not None:
                    self._restart()
                # Longer each time, should it be slow and not lost.
                answer = work(self._limit(kind) * 2**attempt)
            except self._lost as error:
                problem = error
                name = type(error).__name__
                logger.warning("workers were lost (%s); beginning this pass again", name)
                continue
            self._taken[kind].append(time.monotonic() - begun)
            return answer
        raise EngineError(
            f"The workers were lost {_ATTEMPTS} times in one pass over the data "
            f"({type(problem).__name__}): see to it that they have enough memory and reach the "
            "files; with a checkpoint the fit goes on from the last whole pass."
        ) from problem

    def _limit(self, kind: Hashable) -> float:
        taken = self._taken[kind]
        if not taken:
            return max(self._patience, _FIRST)
        return max(self._patience, _SLOW * statistics.median(taken))
