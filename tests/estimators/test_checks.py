"""scikit-learn's own conformance checks, on every estimator."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from latentia import (
    FactorAnalysis,
    GaussianMixture,
    ItemResponse,
    LatentClass,
    MixedMixture,
    MixtureOfFactorAnalyzers,
    ProbabilisticPCA,
    StudentTMixture,
)

# Each takes a minute or two to compile, and shares much of its shell with one of those above.
RELATIVES = [
    # The checks score rows that they kept from `fit`, with levels that it never saw.
    LatentClass(unknown="missing"),
    ProbabilisticPCA(),
    StudentTMixture(),
    MixtureOfFactorAnalyzers(),
    MixedMixture(unknown="missing"),
    # As many levels as there are numbers, which only the models of ordered levels can take.
    ItemResponse("graded", unknown="missing", n_init=1, max_iter=20),
]

# Some checks fit points on a line, constants or repeated rows, where no variance is left.
no_variance = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.slow
@no_variance
@parametrize_with_checks([GaussianMixture()])
def test_check(estimator, check):
    check(estimator)


@pytest.mark.exhaustive
@no_variance
@parametrize_with_checks([FactorAnalysis()])
def test_check_of_factors(estimator, check):
    check(estimator)


@pytest.mark.exhaustive
@no_variance
@parametrize_with_checks(RELATIVES)
def test_check_of_relatives(estimator, check):
    check(estimator)
