"""How far to trust what an encoder network says, told by the weights of its own draws."""

from typing import Any

import numpy as np

from latentia.verdict import Verdict, verdict_of_many

# The log evidence is known to about sqrt(1 / effective) nats (the delta method): a third of a nat
# at 10 effective draws. With fewer than 3 nearly all weight lies on one draw, and nothing of the
# posterior but that draw has been seen.
ENOUGH, FEW = 10.0, 3.0


def _judged(effective: float, draws: int) -> Verdict:
    told = f"its {draws} draws are worth {effective:.1f} independent ones"
    if effective >= ENOUGH:
        return Verdict("pass", told)
    # NaN is worth nothing.
    level = "suspect" if effective >= FEW else "fail"
    return Verdict(level, f"{told}; evaluate(model, x, k=..., refine=...) says how far off it is")


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
        worth = np.ravel(np.asarray(self.effective, float))
        each = [_judged(float(one), self.draws) for one in worth]
        return verdict_of_many(each, np.nan_to_num(worth).tolist())
