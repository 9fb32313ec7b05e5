import pytest

from catalogue import FAMILIES
from latentia.testing import DENSITY_LAWS, cast


@pytest.mark.parametrize("law", DENSITY_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", FAMILIES)
def test_density(law, name, precision):
    law(cast(FAMILIES[name], precision))
