import pytest

from catalogue import FAMILIES
from latentia.distributions import AbstractExponentialFamily
from latentia.testing import EXPONENTIAL_FAMILY_LAWS, LEARNING_LAWS
from laws.cases import cases

EXPONENTIAL = {n: f for n, f in FAMILIES.items() if isinstance(f, AbstractExponentialFamily)}
NARROW = ("statistics_add_over_data", "weights_are_repetitions", "missing_data_are_learned_from")


@pytest.mark.parametrize(("law", "family"), cases(LEARNING_LAWS, FAMILIES, NARROW))
def test_learning(law, family):
    law(family)


@pytest.mark.parametrize(
    ("law", "family"), cases(EXPONENTIAL_FAMILY_LAWS, EXPONENTIAL, ("log_prob_is_a_product",))
)
def test_exponential_family(law, family):
    law(family)
