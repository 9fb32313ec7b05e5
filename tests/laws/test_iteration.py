import pytest

from catalogue import MODELS
from latentia.testing import COMPLETE_MODEL_LAWS, ITERATION_LAWS
from laws.cases import cases
from laws.tiers import LATENT, STEPPING

COMPLETE_ONES = {n: m for n, m in MODELS.items() if n not in LATENT | STEPPING}


@pytest.mark.parametrize(
    ("law", "model"), cases(ITERATION_LAWS, MODELS, ("em_never_falls",), ("em_never_falls",))
)
def test_iteration(law, model):
    law(model)


@pytest.mark.parametrize(("law", "model"), cases(COMPLETE_MODEL_LAWS, COMPLETE_ONES, main=()))
def test_complete_model(law, model):
    law(model)
