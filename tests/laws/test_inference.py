import pytest

from catalogue import MODELS
from latentia.latents import AbstractLabelledPrior
from latentia.testing import INFERENCE_LAWS, LABEL_LAWS, cast

LABELLED = [n for n, m in MODELS.items() if isinstance(m.prior, AbstractLabelledPrior)]


@pytest.mark.parametrize("law", INFERENCE_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", MODELS)
def test_inference(law, name, precision):
    law(cast(MODELS[name], precision))


@pytest.mark.parametrize("law", LABEL_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", LABELLED)
def test_labels(law, name, precision):
    law(cast(MODELS[name], precision))
