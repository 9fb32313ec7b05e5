import pytest

from catalogue import FAMILIES
from latentia.testing import DENSITY_LAWS
from laws.cases import cases

NARROW = (
    "density_integrates_to_one",
    "sampler_matches_density",
    "missing_entries_are_integrated_out",
    "nothing_observed_says_nothing",
    "impossible_values_have_probability_zero",
    "affine_changes_variables",
)


@pytest.mark.parametrize(("law", "family"), cases(DENSITY_LAWS, FAMILIES, NARROW))
def test_density(law, family):
    law(family)
