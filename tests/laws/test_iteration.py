import pytest

from catalogue import MODELS
from latentia.testing import ITERATION_LAWS, cast


@pytest.mark.parametrize("law", ITERATION_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", MODELS)
def test_iteration(law, name, precision):
    law(cast(MODELS[name], precision))
