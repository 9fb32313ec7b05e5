import jax
import numpy as np
import pytest
from scipy import optimize, stats

import latentia
from golden.tables import numbers
from latentia import DiagonalStudentT, Discrete, LatentVariableModel, StudentT, Switch
from latentia.datasets import load_faithful
from latentia.precision import precision_of

LOCATION = np.array([1.0, -2.0, 0.5])
SCATTER = np.array([[2.0, -0.7, 0.3], [-0.7, 0.5, 0.0], [0.3, 0.0, 1.5]])


def alone(family):
    return LatentVariableModel(Discrete([1.0]), Switch(family, 1))


def fitted(family, x, **options):
    learner = latentia.EM(tol=1e-12, max_iter=5000, covariance_floor=0.0)
    return latentia.fit(alone(family), x, learner=learner, **options)


@pytest.mark.parametrize("df", [0.5, 1.0, 3.7, 60.0, 1000.0])
def test_densities_are_those_of_scipy(df):
    x = np.random.default_rng(0).normal(size=(20, 3)) * 4
    family = StudentT(LOCATION, SCATTER, np.array(df))
    expected = stats.multivariate_t(LOCATION, SCATTER, df).logpdf(x)
    np.testing.assert_allclose(latentia.score(alone(family), x), expected, rtol=1e-11)
    diagonal = DiagonalStudentT(LOCATION, np.diagonal(SCATTER), np.array(df))
    expected = stats.multivariate_t(LOCATION, np.diag(np.diagonal(SCATTER)), df).logpdf(x)
    np.testing.assert_allclose(latentia.score(alone(diagonal), x), expected, rtol=1e-11)
    x[:, 1] = np.nan
    keep = [0, 2]
    expected = stats.multivariate_t(LOCATION[keep], SCATTER[np.ix_(keep, keep)], df)
    expected = expected.logpdf(x[:, keep])
    np.testing.assert_allclose(latentia.score(alone(family), x), expected, rtol=1e-11)


def test_single_precision_keeps_its_digits_where_gamma_functions_cancel():
    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    narrow = StudentT(*(v.astype(np.float32) for v in (LOCATION, SCATTER, np.array(1000.0))))
    expected = stats.multivariate_t(LOCATION, SCATTER, 1000.0).logpdf(x)
    np.testing.assert_allclose(latentia.score(alone(narrow), x), expected, rtol=3e-6)


def maximum_by_scipy(x):
    """The largest log-likelihood of a Student t, by quasi-Newton over a Cholesky factor."""
    dim = x.shape[1]
    rows, columns = np.tril_indices(dim)

    def loss(free):
        lower = np.zeros((dim, dim))
        lower[rows, columns] = free[dim:-1]
        shape = lower @ lower.T
        return -sum(
            stats.multivariate_t(
                free[:dim][seen], shape[np.ix_(seen, seen)], np.exp(free[-1])
            ).logpdf(x[(~np.isnan(x) == seen).all(axis=1)][:, seen]).sum()
            for seen in np.unique(~np.isnan(x), axis=0)
        )  # fmt: skip

    lower = np.linalg.cholesky(np.diag(np.nanvar(x, axis=0)))
    start = np.concatenate([np.nanmean(x, axis=0), lower[rows, columns], [np.log(5.0)]])
    found = optimize.minimize(loss, start, method="BFGS", options={"gtol": 1e-6})
    return -found.fun, np.exp(found.x[-1])


@pytest.mark.exhaustive
@pytest.mark.parametrize("missing", [False, True])
def test_em_reaches_the_maximum_that_a_general_optimiser_finds(missing):
    rng = np.random.default_rng(3)
    x = stats.multivariate_t(LOCATION[:2], SCATTER[:2, :2], 3).rvs(150, random_state=rng)
    if missing:
        x[:20, 0] = x[20:40, 1] = np.nan
    value, df = maximum_by_scipy(x)
    fit = fitted(StudentT(dim=2), x)
    assert fit.log_likelihood == pytest.approx(value, abs=1e-6)
    assert fit.model.likelihood.parts.df[0] == pytest.approx(df, rel=1e-3)


@pytest.mark.slow
def test_real_data_with_missing_entries():
    """Ozone and wind; of the 153 days 37 lack the ozone."""
    x = numbers("airquality", ["Ozone", "Wind"])
    x = (x - np.nanmean(x, axis=0)) / np.nanstd(x, axis=0)
    value, _ = maximum_by_scipy(x)
    assert fitted(StudentT(dim=2), x).log_likelihood == pytest.approx(value, abs=1e-5)


@pytest.mark.exhaustive
def test_outliers_have_little_say():
    clean = load_faithful().data
    dirty = clean.copy()
    dirty[:5] = [50.0, -500.0]

    def moved(family, name):
        centres = [getattr(fitted(family, x).model.likelihood.parts, name)[0]
                   for x in (clean, dirty)]  # fmt: skip
        return np.abs(centres[1] - centres[0]) / clean.std(axis=0)

    assert moved(StudentT(dim=2, fixed_df=3.0), "location").max() < 0.05
    assert moved(latentia.Gaussian(dim=2), "mean").min() > 0.5


@pytest.mark.exhaustive
def test_gaussian_data_end_near_the_gaussian():
    x = np.random.default_rng(0).uniform(size=(200, 2))
    student, gaussian = fitted(StudentT(dim=2), x), fitted(latentia.Gaussian(dim=2), x)
    assert student.model.likelihood.parts.df[0] == pytest.approx(1000)
    assert student.log_likelihood == pytest.approx(gaussian.log_likelihood, abs=0.5)


@pytest.mark.slow
def test_fixed_degrees_are_kept_and_are_no_parameter():
    x = load_faithful().data
    fit = fitted(StudentT(dim=2, fixed_df=4.0), x)
    assert fit.model.likelihood.parts.fixed_df[0] == 4.0
    assert fit.model.likelihood.parts.df is None
    assert fit.degrees_of_freedom == 5
    assert fitted(StudentT(dim=2), x).log_likelihood >= fit.log_likelihood


@pytest.mark.exhaustive
def test_far_outliers_do_not_overflow():
    x = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    x[0] = 1e15
    fit = latentia.fit(alone(StudentT(dim=2)), x)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(fit.model))


@pytest.mark.parametrize("make", [
    lambda df: StudentT([0.4], [[1.3]], df), lambda df: DiagonalStudentT([0.4], [1.3], df),
])  # fmt: skip
def test_the_expected_log_density_is_that_of_x_and_scale(make):
    """E log p(x, u) under another, by quadrature over both, up to a constant of the other."""
    other = make(np.array(6.0))

    x, log_u = np.meshgrid(np.linspace(-40, 40, 1601), np.linspace(-7, 2.5, 400), indexing="ij")
    cell = (x[1, 0] - x[0, 0]) * (log_u[0, 1] - log_u[0, 0])

    def log_joint(member):
        u, df = np.exp(log_u), float(member.df)
        variance = float(np.ravel(jax.tree.leaves(member)[1])[0])
        given = stats.norm.logpdf(x, float(member.location[0]), np.sqrt(variance / u))
        return given + stats.gamma.logpdf(u, df / 2, scale=2 / df)

    def mean(member):
        return np.sum(log_joint(member) * np.exp(log_joint(other) + log_u)) * cell

    members = [other, make(np.array(2.0))]
    members.append(type(other)(members[1].location - 1, 2 * jax.tree.leaves(other)[1], other.df))
    with precision_of(other):
        gaps = [float(m.expected_log_prob(other)) - mean(m) for m in members]
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"df": np.array(3.0), "fixed_df": 3.0}, "df of StudentT should be given as df"),
        ({"fixed_df": 0.1}, "fixed_df should be from 0.5 to 1000, but is 0.1"),
        ({"df": np.array(2000.0)}, "df should be from 0.5 to 1000"),
        ({"df": np.array([3.0])}, "df of StudentT should have shape"),
        ({"scatter": np.eye(3)}, "scatter of StudentT should have shape"),
    ],
)
def test_wrong_parameters_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        StudentT(**{"location": np.zeros(2), "scatter": np.eye(2), **options})
