"""Laws times instances times precisions.

By default laws run on a few entries of different kinds; the main ones on one entry of every kind
with `pytest -m slow`; and all on all of them, in both precisions, with `pytest -m exhaustive`
besides.
"""

import numpy as np
import pytest

from latentia.testing import cast
from laws.tiers import EVERYDAY, RARE


def cases(laws, table, narrow=(), main=None):
    """Every case in both precisions: float64 by default, float32 so for the laws in ``narrow``.

    Of entries that do not run by default, the laws in ``main`` (by default all) are slow.
    """
    out = []
    # By entries, so that the laws of one find its programs compiled.
    for name, part in table.items():
        for precision in (np.float64, np.float32):
            for law in laws:
                quick = precision is np.float64 or law.__name__ in narrow
                label = f"{law.__name__}-{name}-{np.dtype(precision)}"
                leading = main is None or law.__name__ in main
                marks = tier(name, precision, quick, leading)
                out.append(pytest.param(law, cast(part, precision), id=label, marks=marks))
    return out


def tier(name, precision, quick, main=True):
    """The mark of a law on an entry of the catalogue, for a law that is ``quick`` or not, and a
    ``main`` one or not."""
    if name in EVERYDAY:
        return () if quick else pytest.mark.exhaustive
    usual = precision is np.float64 and name not in RARE and main
    return pytest.mark.slow if usual else pytest.mark.exhaustive
