import pytest

from catalogue import FAMILIES
from latentia.distributions import AbstractExponentialFamily
from latentia.testing import (
    COMPLETE_FAMILY_LAWS,
    EXPONENTIAL_FAMILY_LAWS,
    LATENT_FAMILY_LAWS,
    LEARNING_LAWS,
    STEPPING_FAMILY_LAWS,
)
from laws.cases import cases
from laws.tiers import LATENT, STEPPING

EXPONENTIAL = {n: f for n, f in FAMILIES.items() if isinstance(f, AbstractExponentialFamily)}
COMPLETE_ONES = {n: f for n, f in FAMILIES.items() if n not in LATENT | STEPPING}
LATENT_ONES = {n: f for n, f in FAMILIES.items() if n in LATENT}
STEPPING_ONES = {n: f for n, f in FAMILIES.items() if n in STEPPING}
NARROW = ("statistics_add_over_data", "weights_are_repetitions", "missing_data_are_learned_from")


@pytest.mark.parametrize(("law", "family"), cases(LEARNING_LAWS, FAMILIES, NARROW))
def test_learning(law, family):
    law(family)


@pytest.mark.parametrize(("law", "family"), cases(COMPLETE_FAMILY_LAWS, COMPLETE_ONES))
def test_complete_family(law, family):
    law(family)


@pytest.mark.parametrize(("law", "family"), cases(LATENT_FAMILY_LAWS, LATENT_ONES))
def test_latent_family(law, family):
    law(family)


@pytest.mark.parametrize(("law", "family"), cases(STEPPING_FAMILY_LAWS, STEPPING_ONES))
def test_stepping_family(law, family):
    law(family)


@pytest.mark.parametrize(
    ("law", "family"), cases(EXPONENTIAL_FAMILY_LAWS, EXPONENTIAL, ("log_prob_is_a_product",))
)
def test_exponential_family(law, family):
    law(family)
