import numpy as np
import pytest

import latentia
from latentia import GaussianMixture, StudentTMixture
from latentia.datasets import load_faithful

FAITHFUL = load_faithful().data
OUTLIERS = np.array([[9.0, 140.0], [0.0, 150.0], [10.0, 10.0], [9.0, 20.0], [11.0, 120.0]])


@pytest.mark.exhaustive
def test_clusters_stay_where_they_are_among_outliers():
    clean = StudentTMixture(2, df=4.0).fit(FAITHFUL)
    dirty = StudentTMixture(2, df=4.0).fit(np.concatenate([FAITHFUL, OUTLIERS]))
    moved = np.abs(dirty.locations_ - clean.locations_) / FAITHFUL.std(axis=0)
    assert moved.max() < 0.1
    np.testing.assert_array_equal(dirty.predict(FAITHFUL), clean.predict(FAITHFUL))
    gaussian = GaussianMixture(2).fit(np.concatenate([FAITHFUL, OUTLIERS]))
    assert (gaussian.predict(FAITHFUL) != clean.predict(FAITHFUL)).sum() > 20


@pytest.mark.exhaustive
def test_the_more_general_model_fits_better_and_its_parts_agree():
    free = StudentTMixture(2, random_state=0).fit(FAITHFUL)
    fixed = StudentTMixture(2, df=1000.0, random_state=0).fit(FAITHFUL)
    assert free.score(FAITHFUL) >= fixed.score(FAITHFUL) - 1e-6
    gaussian = GaussianMixture(2, random_state=0).fit(FAITHFUL)
    assert fixed.score(FAITHFUL) == pytest.approx(gaussian.score(FAITHFUL), abs=1e-3)
    np.testing.assert_array_equal(fixed.df_, 1000)
    assert free.locations_.shape == (2, 2) and free.scatters_.shape == (2, 2, 2)
    assert free._n_parameters() == 1 + 2 * (2 + 3 + 1)
    assert "Student t components" in free.summary()


@pytest.mark.exhaustive
def test_files_and_batches(tmp_path):
    x = FAITHFUL.copy()
    x[::7, 0] = np.nan
    one = StudentTMixture(2, covariance_type="diag").fit(x)
    latentia.save(one, tmp_path / "mixture.safetensors")
    same = latentia.load(tmp_path / "mixture.safetensors")
    np.testing.assert_array_equal(same.score_samples(x), one.score_samples(x))
    assert one.scatters_.shape == (2, 2)
    batches = StudentTMixture(2)
    for batch in np.array_split(np.random.default_rng(0).permutation(FAITHFUL), 4):
        batches.partial_fit(batch)
    whole = StudentTMixture(2).fit(FAITHFUL)
    assert batches.score(FAITHFUL) > whole.score(FAITHFUL) - 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"df": 0.1}, "df of StudentTMixture should be None, or a number from 0.5 to 1000"),
        ({"df": "learned"}, "df of StudentTMixture should be None, or a number"),
        ({"covariance_type": "tied"}, "covariance_type of StudentTMixture should be one of"),
    ],
)
def test_wrong_parameters_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        StudentTMixture(**options).fit(FAITHFUL)
