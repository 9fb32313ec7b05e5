import pytest

from catalogue import MODELS
from latentia.testing import ITERATION_LAWS
from laws.cases import cases


@pytest.mark.parametrize(("law", "model"), cases(ITERATION_LAWS, MODELS, ("em_never_falls",)))
def test_iteration(law, model):
    law(model)
