"""Numbers at the ends of what floats hold, and the same numbers in other clothes."""

import math
from fractions import Fraction

import numpy as np
import pytest

import latentia
from latentia import (
    FactorAnalysis,
    GaussianLatent,
    GaussianMixture,
    LatentVariableModel,
    LinearGaussian,
)
from latentia.datasets import load_faithful

X = load_faithful().data
X.flags.writeable = False
ROWS = len(X)


def mixture():
    return GaussianMixture(2, random_state=0)


NUMERIC = [mixture(), FactorAnalysis(1)]


def name_of(estimator):
    return type(estimator).__name__


@pytest.fixture(scope="module")
def fitted():
    return mixture().fit(X)


@pytest.fixture(scope="module")
def factors():
    return FactorAnalysis(1).fit(X)


def assert_sound(model, rows):
    """Nothing that the model says of these rows is NaN or infinite."""
    answers = [model.score_samples(rows), model.transform(rows), model.score(rows)]
    published = [v for k, v in vars(model).items() if k.endswith("_") and isinstance(v, np.ndarray)]
    for value in [*answers, *(v for v in published if v.dtype.kind == "f")]:
        assert np.isfinite(value).all()


# The largest entry, 96, and the smallest spread, 3.5, put these at the very ends.
SCALES = [1e-150, 1e-75, 1e75, 1e148, np.array([1e-150, 1e148])]


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_units_change_the_density_by_the_jacobian_alone(fitted, factors, scale):
    rows, jacobian = X * scale, np.log(scale * np.ones(2)).sum()
    for base, estimator in ((fitted, mixture()), (factors, FactorAnalysis(1))):
        model = estimator.fit(rows)
        expected = base.score_samples(X) - jacobian
        np.testing.assert_allclose(model.score_samples(rows), expected, rtol=1e-8)
        assert model.score(rows) == pytest.approx(base.score(X) - jacobian, rel=1e-8)
        assert_sound(model, rows)
        np.testing.assert_allclose(abs(model.transform(rows)), abs(base.transform(X)), atol=1e-6)


@pytest.mark.parametrize("estimator", NUMERIC, ids=name_of)
def test_units_beyond_that_are_refused(estimator):
    with pytest.raises(ValueError, match=r"X should be at most 1e\+150 .*rescale"):
        estimator.fit(X * 1e150)
    with pytest.raises(ValueError, match="X should spread over at least 1e-150 .*rescale"):
        estimator.fit(X * 1e-151)


@pytest.mark.parametrize("offset", [1e8, -1e8])
def test_an_offset_loses_no_digits_that_the_data_have(offset):
    far = X + offset
    # What is left of the data, exactly.
    near = far - offset
    for estimator in (mixture, lambda: FactorAnalysis(1)):
        there, here = estimator().fit(far), estimator().fit(near)
        np.testing.assert_allclose(there.score_samples(far), here.score_samples(near), atol=1e-6)
        if isinstance(there, GaussianMixture):
            np.testing.assert_array_equal(there.predict(far), here.predict(near))


def strided():
    table = np.full((2 * ROWS, 6), np.nan)
    table[::2, ::3] = X
    return table[::2, ::3]


WHOLE = np.round(X * [20, 1])
SAME = {
    "read-only": X,
    "writeable": X.copy(),
    "Fortran": np.asfortranarray(X),
    "strided": strided(),
    "backwards": X[::-1].copy()[::-1],
    "big-endian": X.astype(">f8"),
    "longdouble": X.astype(np.longdouble),
    "objects": X.astype(object),
    "masked nowhere": np.ma.array(X),
    "lists": X.tolist(),
    "int64": WHOLE.astype(np.int64),
    "uint8": WHOLE.astype(np.uint8),
    "big-endian integers": WHOLE.astype(">i4"),
    "float32": X.astype(np.float32),
    "big-endian float32": X.astype(">f4"),
    "float16": X.astype(np.float16),
    "float16 integers": WHOLE.astype(np.float16),
}


@pytest.mark.parametrize("case", SAME)
@pytest.mark.parametrize("estimator", [mixture, lambda: FactorAnalysis(1)], ids=["mixture", "fa"])
def test_the_same_numbers_give_the_same_answer_and_are_not_touched(estimator, case):
    rows = SAME[case]
    before = np.array(rows, copy=True)
    plain = before.astype(np.float64)
    model, base = estimator().fit(rows), estimator().fit(plain)
    assert np.array(rows).dtype == before.dtype
    np.testing.assert_array_equal(np.array(rows), before)
    # Narrow numbers are computed with in float64, and their answers rounded.
    rtol, atol = (1e-6, 1e-5) if "float" in case else (1e-12, 0)
    np.testing.assert_allclose(model.score_samples(rows), base.score_samples(plain), rtol, atol)
    np.testing.assert_allclose(model.transform(rows), base.transform(plain), rtol, atol)
    assert model.score(rows) == pytest.approx(base.score(plain), rel=1e-12)


@pytest.mark.slow
def test_masked_is_missing(fitted):
    masked, holes = np.ma.array(X, mask=False), X.copy()
    masked[5:9, 1] = np.ma.masked
    holes[5:9, 1] = np.nan
    np.testing.assert_array_equal(fitted.score_samples(masked), fitted.score_samples(holes))
    models = [mixture().fit(rows) for rows in (masked, holes)]
    np.testing.assert_array_equal(models[0].means_, models[1].means_)
    assert masked.mask.sum() == 4
    assert_sound(models[0], masked)


def exact_log_density(loadings, bias, noise, row):
    """Of N(bias, loadings loadings' + diag(noise)) with one factor, in rational numbers."""
    a, b, d = (list(map(Fraction, map(float, v))) for v in (loadings, row, noise))
    gap = [y - Fraction(float(m)) for y, m in zip(b, bias, strict=True)]
    grip = sum(x * x / v for x, v in zip(a, d, strict=True))
    pull = sum(x * y / v for x, y, v in zip(a, gap, d, strict=True))
    square = sum(y * y / v for y, v in zip(gap, d, strict=True)) - pull**2 / (1 + grip)
    determinant = math.prod(d) * (1 + grip)
    log_determinant = math.log(determinant.numerator) - math.log(determinant.denominator)
    return -0.5 * (float(square) + log_determinant + len(a) * math.log(2 * math.pi))


@pytest.mark.parametrize("noise", [1e-12, 1e-4])
def test_hardly_any_noise_costs_no_digits(noise):
    rng = np.random.default_rng(0)
    loadings, bias, variances = np.array([1.0, -3.0, 0.5]), np.array([2.0, 0.0, 50.0]), noise
    variances = variances * np.array([1.0, 2.0, 0.5])
    rows = bias + rng.normal(size=(20, 1)) * loadings
    rows = rows + rng.normal(size=(20, 3)) * np.sqrt(variances)
    like = LinearGaussian(loadings[:, None], bias, variances)
    model = LatentVariableModel(GaussianLatent(1), like)
    expected = [exact_log_density(loadings, bias, variances, row) for row in rows]
    np.testing.assert_allclose(latentia.score(model, rows), expected, rtol=1e-8)
    means = latentia.infer(model, rows).mean[:, 0]
    np.testing.assert_allclose(means, (rows[:, 0] - bias[0]), atol=6 * math.sqrt(noise))


@pytest.mark.exhaustive
def test_a_fit_with_hardly_any_noise_keeps_the_digits_of_its_score():
    rng = np.random.default_rng(0)
    rows = np.array([2.0, 0.0, 50.0]) + rng.normal(size=(ROWS, 1)) * np.array([1.0, -3.0, 0.5])
    rows += rng.normal(size=rows.shape) * 1e-6
    model = FactorAnalysis(1, covariance_floor=0.0).fit(rows)
    assert (model.noise_variance_ > 0).all()
    parameters = model.components_[0], model.mean_, model.noise_variance_
    expected = [exact_log_density(*parameters, row) for row in rows[:20]]
    np.testing.assert_allclose(model.score_samples(rows)[:20], expected, rtol=1e-8)
