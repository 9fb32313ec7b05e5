import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from latentia import GaussianMixture, LatentClass, MixedMixture
from latentia.datasets import load_carcinoma

SHARED = Path(os.environ.get("LATENTIA_DATA", Path(__file__).parents[3] / "shared/data")).parent


@pytest.fixture(scope="module")
def slides():
    table = load_carcinoma()
    return pd.DataFrame(table.data, columns=list(table.columns))


@pytest.fixture(scope="module")
def mixed():
    rng = np.random.default_rng(0)
    z = rng.integers(0, 2, 200)
    frame = pd.DataFrame(
        {
            "city": np.where(rng.random(200) < 0.2 + 0.6 * z, "A", "B"),
            "visits": rng.poisson(2 + 6 * z),
            "height": rng.normal(3 * z, 1),
            "member": rng.random(200) < 0.3 + 0.4 * z,
        }
    )
    frame.loc[3, "height"], frame.loc[4, "city"] = np.nan, None
    return frame


@pytest.mark.skipif(not (SHARED / "golden").exists(), reason="needs ../shared/golden")
@pytest.mark.parametrize("classes", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_latent_classes_are_those_of_polca(slides, classes):
    text = (SHARED / "golden/latent_class_polca.json").read_text()
    golden = json.loads(text)[f"carcinoma_{classes}"]
    model = LatentClass(classes, tol=1e-9).fit(slides)
    assert model.fit_.log_likelihood == pytest.approx(golden["llik"], abs=1e-6)
    assert model.bic(slides) == pytest.approx(golden["bic"], abs=1e-5)
    fit = model.goodness_of_fit(slides)
    assert fit.likelihood_ratio == pytest.approx(golden["Gsq"], abs=1e-5)
    assert fit.pearson == pytest.approx(golden["Chisq"], abs=1e-3)
    assert fit.dof == golden["resid.df"]
    order = np.argsort(-np.atleast_1d(golden["P"]))
    for item, shares in zip(slides.columns, model.item_probabilities_, strict=True):
        expected = np.array(golden["probs"][item])[order]
        np.testing.assert_allclose(shares, expected, atol=1e-4)


def test_items_are_what_they_were(slides):
    model = LatentClass(2, random_state=0).fit(slides)
    rows, classes = model.sample(5)
    assert list(rows.columns) == list(slides.columns)
    assert classes.shape == (5,)
    holes = slides.astype(float)
    holes.iloc[0, 0] = holes.iloc[100, 2] = np.nan
    filled = model.impute(holes)
    assert filled.iloc[0, 0] == 0
    assert len(model.impute(holes, draws=3)) == 3
    array = LatentClass(2).fit(slides.to_numpy())
    np.testing.assert_allclose(array.predict_proba(slides.to_numpy()), model.predict_proba(slides))
    assert isinstance(array.sample(2)[0], np.ndarray)


def test_levels_that_were_not_there(slides):
    model = LatentClass(2).fit(slides)
    strange = slides.replace({"A": {1: 7}})
    with pytest.raises(ValueError, match="column 'A' of X should hold the levels"):
        model.predict(strange)
    model.set_params(unknown="missing")
    lost = slides.astype(float).replace({"A": {1: np.nan}})
    np.testing.assert_allclose(model.predict_proba(strange), model.predict_proba(lost))


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("diag", marks=pytest.mark.slow),
        *(pytest.param(kind, marks=pytest.mark.exhaustive) for kind in ("full", "tied")),
    ],
)
def test_mixed_columns(mixed, kind):
    model = MixedMixture(2, covariance_type=kind).fit(mixed)
    assert model.score(mixed) == pytest.approx(model.fit_.objective, abs=1e-6)
    assert [column.kind for column in model.schema_.columns] == [
        "categorical",
        "poisson",
        "gaussian",
        "bernoulli",
    ]
    assert set(model.parameters_) == set(mixed.columns)
    np.testing.assert_allclose(model.parameters_["city"]["probabilities"].sum(axis=1), 1)
    assert model.parameters_["visits"]["rate"].max() > 5
    filled = model.impute(mixed)
    assert not filled.isna().any().any()
    np.testing.assert_array_equal(filled["visits"], mixed["visits"])
    assert "P(A)" in model.summary()


def test_polars_in_polars_out(mixed):
    frame = pl.from_pandas(mixed)
    model = MixedMixture(2).set_output(transform="polars").fit(frame)
    np.testing.assert_allclose(
        model.predict_proba(frame), MixedMixture(2).fit(mixed).predict_proba(mixed)
    )
    assert model.transform(frame).columns == ["mixedmixture0", "mixedmixture1"]
    assert model.sample(2)[0].columns == frame.columns


@pytest.mark.exhaustive
def test_a_schema_says_otherwise(mixed):
    model = MixedMixture(2, schema={"visits": "gaussian"}).fit(mixed)
    assert "mean" in model.parameters_["visits"]
    with pytest.raises(ValueError, match="'vists' does not exist"):
        MixedMixture(2, schema={"vists": "gaussian"}).fit(mixed)


@pytest.mark.exhaustive
def test_numbers_alone_are_a_gaussian_mixture():
    rows = np.random.default_rng(0).normal(size=(100, 2))
    rows[:50] += 4
    ours = MixedMixture(2).fit(rows)
    peer = GaussianMixture(2, covariance_type="diag").fit(rows)
    np.testing.assert_allclose(ours.score_samples(rows), peer.score_samples(rows), rtol=1e-6)
