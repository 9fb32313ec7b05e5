import numpy as np
import pytest

from catalogue import MODELS
from latentia.testing import FITTING_LAWS, cast
from laws.cases import tier

# Whole fits take the longest to compile, so most of these wait for the other tiers.
QUICK = {
    "fits_end_at_a_maximum": ("gaussian mixture", "factor analysis"),
    "units_do_not_matter": ("gaussian mixture", "factor analysis"),
    "acceleration_changes_the_way_only": ("gaussian mixture",),
    "empty_rows_change_nothing": ("gaussian mixture", "factor analysis"),
    "a_prior_is_part_of_the_objective": ("gaussian mixture",),
    "precisions_fit_alike": (),
}


SLOW = ("gaussian hidden markov model", "linear dynamical system", "latent classes", "topics")


def cases():
    # By models, so that the laws of one find its programs compiled.
    for name in MODELS:
        for precision in (np.float64, np.float32):
            for law in FITTING_LAWS:
                wide = precision is np.float64
                marks = tier(name, precision, name in QUICK[law.__name__] and wide)
                if marks:
                    chosen = wide and law is FITTING_LAWS[0] and name in SLOW
                    marks = pytest.mark.slow if chosen else pytest.mark.exhaustive
                label = f"{law.__name__}-{name}-{np.dtype(precision)}"
                yield pytest.param(law, name, precision, id=label, marks=marks)


@pytest.mark.parametrize(("law", "name", "precision"), list(cases()))
def test_fitting(law, name, precision):
    law(cast(MODELS[name], precision))
