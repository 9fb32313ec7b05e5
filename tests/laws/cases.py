"""Laws times instances times precisions.

By default laws run on a few models of different kinds; on all of them with `pytest -m slow`; and
those others in float32 too with `pytest -m exhaustive`.
"""

import numpy as np
import pytest

from catalogue import EVERYDAY
from latentia.testing import cast


def cases(laws, table, narrow=()):
    """Every case in both precisions: float64 by default, float32 so for the laws in ``narrow``."""
    out = []
    # By entries, so that the laws of one find its programs compiled.
    for name, part in table.items():
        for precision in (np.float64, np.float32):
            for law in laws:
                quick = precision is np.float64 or law.__name__ in narrow
                label = f"{law.__name__}-{name}-{np.dtype(precision)}"
                marks = tier(name, precision, quick)
                out.append(pytest.param(law, cast(part, precision), id=label, marks=marks))
    return out


def tier(name, precision, quick):
    """The mark of a law on an entry of the catalogue, for a law that is ``quick`` or not."""
    if name in EVERYDAY:
        return () if quick else pytest.mark.slow
    return pytest.mark.slow if precision is np.float64 else pytest.mark.exhaustive
