import pytest

from catalogue import MODELS
from latentia.testing import FITTING_LAWS, cast


@pytest.mark.parametrize("law", FITTING_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", MODELS)
def test_fitting(law, name, precision):
    law(cast(MODELS[name], precision))
