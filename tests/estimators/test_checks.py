"""scikit-learn's own conformance checks, on every estimator."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from latentia import (
    FactorAnalysis,
    GaussianMixture,
    LatentClass,
    MixedMixture,
    MixtureOfFactorAnalyzers,
    ProbabilisticPCA,
)

ESTIMATORS = [
    GaussianMixture(),
    GaussianMixture(3, covariance_type="tied", reg_covar=1e-6),
    FactorAnalysis(),
    FactorAnalysis(1, rotation="varimax"),
    ProbabilisticPCA(),
    MixtureOfFactorAnalyzers(),
    # The checks score rows that they kept from `fit`, with levels that it never saw.
    LatentClass(unknown="missing"),
    MixedMixture(unknown="missing"),
]


@parametrize_with_checks(ESTIMATORS)
def test_check(estimator, check):
    check(estimator)
