"""How far to trust what an encoder network says, told by the weights of its own draws."""

import math
from typing import Any

import numpy as np

from latentia.verdict import Verdict

# The log evidence is known to about sqrt(1 / effective) nats (the delta method): a third of a nat
# at 10 effective draws. With fewer than 3 nearly all weight lies on one draw, and nothing of the
# posterior but that draw has been seen.
ENOUGH, FEW = 10.0, 3.0


def _level(effective: float) -> str:
    if not math.isfinite(effective) or effective < FEW:
        return "fail"
    return "pass" if effective >= ENOUGH else "suspect"


class JudgedByDraws:
    """A posterior whose importance weights are worth ``effective`` of its ``draws`` draws."""

    effective: Any
    draws: int

    @property
    def verdict(self) -> Verdict:
        """How far to trust it: of N posteriors the worst, and how many are how good.

        The weights p(x, z) / q(z | x) of the draws are worth 1 / sum of squared shares of them
        (Kong 1992): at least 10 pass, and fewer than 3 fail. An encoder that fails may still rank
        data well, and its ``log_evidence`` is still below the truth in expectation.
        """
        each = np.ravel(np.asarray(self.effective, float))
        levels = [_level(one) for one in each]
        level = next(level for level in ("fail", "suspect", "pass") if level in levels)
        worst = int(np.nanargmin(each)) if np.isfinite(each).any() else 0
        told = f"its {self.draws} draws are worth {each[worst]:.1f} independent ones"
        if len(each) > 1:
            counts = ", ".join(f"{levels.count(n)} {n}" for n in ("pass", "suspect", "fail"))
            told = f"of {len(each)} posteriors {counts}; number {worst}: {told}"
        if level != "pass":
            told += (
                "; ask evaluate(model, x, k=..., refine=...) how far the bound is from the truth"
            )
        return Verdict(level, told)
