"""Laws times instances times precisions. What takes long to compile waits for `pytest -m slow`."""

import numpy as np
import pytest

from catalogue import LONG
from latentia.testing import cast


def cases(laws, table, narrow=()):
    """Every case in both precisions: float64 by default, float32 so for the laws in ``narrow``."""
    out = []
    for law in laws:
        for name, part in table.items():
            for precision in (np.float64, np.float32):
                quick = precision is np.float64 or law.__name__ in narrow
                quick = quick and name not in LONG
                label = f"{law.__name__}-{name}-{np.dtype(precision)}"
                marks = () if quick else pytest.mark.slow
                out.append(pytest.param(law, cast(part, precision), id=label, marks=marks))
    return out
