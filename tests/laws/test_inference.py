import pytest

from catalogue import MODELS
from latentia.latents import AbstractLabelledPrior
from latentia.testing import INFERENCE_LAWS, LABEL_LAWS
from laws.cases import cases

LABELLED = {n: m for n, m in MODELS.items() if isinstance(m.prior, AbstractLabelledPrior)}


@pytest.mark.parametrize(
    ("law", "model"),
    cases(INFERENCE_LAWS, MODELS, ("posterior_follows_bayes",), ("posterior_follows_bayes",)),
)
def test_inference(law, model):
    law(model)


@pytest.mark.parametrize(("law", "model"), cases(LABEL_LAWS, LABELLED))
def test_labels(law, model):
    law(model)
