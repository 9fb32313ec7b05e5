import pytest

from catalogue import FAMILIES
from latentia.distributions import AbstractExponentialFamily
from latentia.testing import EXPONENTIAL_FAMILY_LAWS, LEARNING_LAWS, cast

EXPONENTIAL = [n for n, f in FAMILIES.items() if isinstance(f, AbstractExponentialFamily)]


@pytest.mark.parametrize("law", LEARNING_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", FAMILIES)
def test_learning(law, name, precision):
    law(cast(FAMILIES[name], precision))


@pytest.mark.parametrize("law", EXPONENTIAL_FAMILY_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", EXPONENTIAL)
def test_exponential_family(law, name, precision):
    law(cast(FAMILIES[name], precision))
