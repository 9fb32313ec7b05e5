"""Data that people should not pass: each gets the right answer, or a sentence that says why."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning

import latentia
from latentia import (
    FactorAnalysis,
    GaussianMixture,
    LatentClass,
    MixedMixture,
)
from latentia.datasets import load_faithful

X = load_faithful().data
X.flags.writeable = False
ROWS = len(X)
LONG = X[:, 0] > 3
DEGENERATE = "Degenerate: a component has shrunk"


def mixture(states=2):
    return GaussianMixture(states, random_state=0)


ESTIMATORS = [mixture(), FactorAnalysis(1), LatentClass(2), MixedMixture(2)]
NUMERIC = ESTIMATORS[:2]


def name_of(estimator):
    return type(estimator).__name__


@pytest.fixture(scope="module")
def fitted():
    return mixture().fit(X)


@pytest.fixture(scope="module")
def factors():
    return FactorAnalysis(1).fit(X)


@pytest.fixture(scope="module")
def answers():
    frame = pd.DataFrame({"wait": np.where(LONG, "long", "short"), "late": X[:, 1] > 70})
    return frame, LatentClass(2, random_state=0).fit(frame)


@pytest.fixture(scope="module")
def counts():
    table = np.round(X)
    return table, MixedMixture(2, schema={0: "poisson", 1: "poisson"}, random_state=0).fit(table)


def with_cell(value, dtype=float):
    table = X.astype(dtype)
    table[3, 1] = value
    return table


def assert_sound(model, rows):
    """Nothing that the model says of these rows is NaN or infinite."""
    answers = [model.score_samples(rows), model.transform(rows), model.score(rows)]
    published = [v for k, v in vars(model).items() if k.endswith("_") and isinstance(v, np.ndarray)]
    for value in [*answers, *(v for v in published if v.dtype.kind == "f")]:
        assert np.isfinite(value).all()


SHAPES = {
    "no rows": (np.empty((0, 2)), ValueError, r"should not be empty, but has 0 sample"),
    "no columns": (np.empty((5, 0)), ValueError, r"should not be empty, but has 0 feature"),
    "an empty frame": (pd.DataFrame({"a": [], "b": []}), ValueError, "should not be empty"),
    "one dimension": (X[:, 0], ValueError, r"should have 2 dimensions.* \(272,\)"),
    "three dimensions": (X[None], ValueError, r"should have 2 dimensions.* \(1, 272, 2\)"),
    "a number": (1.0, ValueError, r"should have 2 dimensions.* \(\)"),
    "ragged": ([[1.0, 2.0], [3.0]], ValueError, "should have rows of equal length"),
    "nothing": (None, TypeError, "should hold rows of numbers, but is a NoneType"),
    "a path": ("data.csv", TypeError, "should hold rows of numbers, but is a str"),
    "complex": (X + 0j, ValueError, "Complex data not supported: (X|data) has the dtype"),
    "dates": (np.zeros((5, 2), "M8[D]"), ValueError, "should hold numbers, .* datetime64"),
    "sparse matrix": (scipy.sparse.csr_matrix(X), TypeError, "should be dense.*toarray"),
    "sparse array": (scipy.sparse.coo_array(X), TypeError, "should be dense.*toarray"),
    "infinite": (with_cell(np.inf), ValueError, "should be finite or missing, .*row 3"),
    "minus infinite": (with_cell(-np.inf), ValueError, "should be finite or missing, .*row 3"),
    "no observed column": (
        np.column_stack([X[:, 0], np.full(ROWS, np.nan)]),
        ValueError,
        "should have an observed value .*all missing",
    ),
    "objects": (with_cell({}, object), TypeError, r"column 1 of (X|data) should hold numbers, .*3"),
}


@pytest.mark.parametrize("case", SHAPES)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=name_of)
def test_what_is_no_table_of_numbers_is_refused(estimator, case):
    bad, error, message = SHAPES[case]
    with pytest.raises(error, match=message) as refused:
        estimator.fit(bad)
    assert "X" in str(refused.value)


# The core reads paths itself, with sentences of its own for what is wrong with one, and sparse
# matrices batch by batch.
@pytest.mark.parametrize("case", sorted(set(SHAPES) - {"a path", "sparse array", "sparse matrix"}))
def test_the_core_refuses_it_too(fitted, case):
    bad, error, message = SHAPES[case]
    with pytest.raises(error, match=message) as refused:
        latentia.fit(fitted.model_, bad)
    assert "data" in str(refused.value)


def test_a_path_that_leads_to_no_parquet_file_is_named(fitted, tmp_path):
    with pytest.raises(FileNotFoundError, match="data.parquet"):
        latentia.fit(fitted.model_, tmp_path / "data.parquet")
    (tmp_path / "data.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="data.parquet' is damaged or is no Parquet file"):
        latentia.fit(fitted.model_, tmp_path / "data.parquet")


@pytest.mark.parametrize("case", sorted(set(SHAPES) - {"no observed column"}))
def test_a_fitted_model_refuses_it_too(fitted, factors, case):
    bad, error, message = SHAPES[case]
    for ask in (fitted.predict, fitted.score, factors.transform):
        with pytest.raises(error, match=message):
            ask(bad)


@pytest.mark.parametrize("estimator", NUMERIC, ids=name_of)
def test_texts_are_refused_and_numbers_as_objects_are_numbers(estimator, fitted, factors):
    with pytest.raises(ValueError, match="column 1 of X should hold .*row 3 has 'b'"):
        estimator.fit(with_cell("b", object))
    model = fitted if isinstance(estimator, GaussianMixture) else factors
    np.testing.assert_array_equal(model.score_samples(X.astype(object)), model.score_samples(X))
    none, nan = with_cell(None, object), with_cell(np.nan)
    np.testing.assert_array_equal(model.score_samples(none), model.score_samples(nan))


def test_other_columns_than_in_fit_are_refused(fitted, factors):
    for ask in (fitted.predict, factors.transform):
        with pytest.raises(ValueError, match="X has 1 features, but .* expecting 2 features"):
            ask(X[:, :1])
    with pytest.raises(ValueError, match="data should have 2 columns.* but has 1"):
        latentia.fit(fitted.model_, X[:, :1])


def test_too_few_rows_are_refused():
    for estimator in (mixture(), FactorAnalysis(1), LatentClass(2), MixedMixture(2)):
        with pytest.raises(ValueError, match="X should have at least 2 rows .* n_samples = 1"):
            estimator.fit(X[:1])
    with pytest.raises(ValueError, match="at least 273 rows .* for n_components = 273"):
        mixture(273).fit(X)
    weights = (np.arange(ROWS) == 3).astype(float)
    with pytest.raises(ValueError, match="at least 2 rows .* n_samples = 1"):
        mixture().fit(X, sample_weight=weights)


def test_fewer_distinct_rows_than_components_are_told():
    rows = np.repeat(X[[0, 1]], ROWS // 2, axis=0)
    with pytest.warns(ConvergenceWarning, match=DEGENERATE):
        model = mixture(3).fit(rows)
    assert_sound(model, rows)
    assert not model.converged_


@pytest.mark.parametrize("estimator", NUMERIC, ids=name_of)
@pytest.mark.parametrize("other", ["constant", "zero", "duplicated"])
def test_columns_that_say_nothing_are_told_and_harmless(estimator, other):
    second = {"constant": np.full(ROWS, 7.0), "zero": np.zeros(ROWS), "duplicated": X[:, 0]}[other]
    rows = np.column_stack([X[:, 0], second])
    with pytest.warns(ConvergenceWarning, match=DEGENERATE):
        estimator.fit(rows)
    assert_sound(estimator, rows)
    if isinstance(estimator, GaussianMixture):
        assert np.mean((estimator.predict(rows) == 0) == LONG) > 0.98
        if other != "duplicated":
            np.testing.assert_allclose(estimator.means_[:, 1], second[:2], rtol=1e-12)
    else:
        np.testing.assert_allclose(estimator.mean_, rows.mean(axis=0), rtol=1e-8)


@pytest.mark.parametrize("value", [-1.0, 1.5])
def test_what_is_no_count_is_refused(counts, value):
    table, model = counts
    bad = table.copy()
    bad[3, 1] = value
    message = rf"column 'x1' of X should hold counts .* row 3 has {value:g}"
    for ask in (MixedMixture(2, schema={0: "poisson", 1: "poisson"}).fit, model.predict):
        with pytest.raises(ValueError, match=message):
            ask(bad)
    # A model of counts gives what is none the probability 0, and cannot be fitted to it.
    assert latentia.score(model.model_, bad)[3] == -np.inf
    with pytest.raises(ValueError, match="data should hold only values.* counts are whole"):
        latentia.fit(model.model_, bad)


def test_unseen_categories_are_refused_or_missing(answers):
    frame, model = answers
    bad = frame.replace({"wait": {"long": "endless"}})
    with pytest.raises(ValueError, match="column 'wait' of X should hold the levels .*'endless'"):
        model.predict(bad)
    lenient = LatentClass(2, unknown="missing", random_state=0).fit(frame)
    lost = frame.assign(wait=np.where(LONG, None, "short"))
    np.testing.assert_allclose(lenient.predict_proba(bad), model.predict_proba(lost))
    with pytest.raises(ValueError, match="(?s)feature names.*late"):
        model.predict(frame[["wait"]])


WEIGHTS = {
    "negative": (np.where(np.arange(ROWS) == 3, -1.0, 1.0), "not negative .*row 3 has -1"),
    "NaN": (np.where(np.arange(ROWS) == 3, np.nan, 1.0), "finite, .*row 3 has nan"),
    "infinite": (np.where(np.arange(ROWS) == 3, np.inf, 1.0), "finite, .*row 3 has inf"),
    "zero": (np.zeros(ROWS), "a weight above zero, but all are 0"),
    "short": (np.ones(ROWS - 1), r"one entry for each of the 272 rows, .*\(271,\)"),
    "column": (np.ones((ROWS, 1)), r"one entry for each of the 272 rows, .*\(272, 1\)"),
    "text": (["1"] * ROWS, "should hold numbers"),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_that_are_none_are_refused(fitted, answers, case):
    weights, message = WEIGHTS[case]
    frame, classes = answers
    for model, rows in ((fitted, X), (FactorAnalysis(1), X), (classes, frame)):
        asks = [model.fit, model.partial_fit]
        asks += [model.score, model.bic] if hasattr(model, "model_") else []
        for ask in asks:
            with pytest.raises(ValueError, match=f"sample_weight.*{message}"):
                ask(rows, sample_weight=weights)
    with pytest.raises(ValueError, match=f"weights.*{message}"):
        latentia.fit(fitted.model_, X, weights=weights)


def test_the_core_tells_it_when_rows_are_too_few(fitted):
    found = latentia.fit(fitted.model_, X[:1])
    assert found.verdict.level == "fail"
    assert np.isfinite(found.objective)
