import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone

import latentia as lt
from latentia.io import ModelFileError

QUICK = {"max_iter": 2, "batch_size": 32}


@pytest.fixture(scope="module")
def pictures():
    return lt.datasets.doges(96, seed=0, size=8).images


@pytest.fixture(scope="module")
def fitted(pictures):
    return lt.VariationalAutoencoder(3, widths=(8,), **QUICK).fit(pictures)


def test_shapes_of_what_it_answers(fitted, pictures):
    assert fitted.transform(pictures[:5]).shape == (5, 3)
    assert fitted.inverse_transform(np.zeros((2, 3))).shape == (2, 8, 8, 3)
    assert fitted.score_samples(pictures[:5]).shape == (5,)
    x, z = fitted.sample(4, random_state=1)
    assert x.shape == (4, 8, 8, 3) and z.shape == (4, 3)
    assert fitted.n_iter_ == 2 and np.isfinite(fitted.lower_bound_)
    assert "GaussianOutput" not in repr(fitted.fit_) and "ELBO" in repr(fitted.fit_)


def test_it_is_saved_as_data_and_answers_the_same(fitted, pictures, tmp_path):
    path = tmp_path / "vae.safetensors"
    lt.save(fitted, path)
    again = lt.load(path)
    np.testing.assert_array_equal(again.transform(pictures[:3]), fitted.transform(pictures[:3]))
    np.testing.assert_array_equal(again.score_samples(pictures[:3]),
                                  fitted.score_samples(pictures[:3]))  # fmt: skip
    assert clone(again).get_params() == clone(fitted).get_params()
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged"):
        lt.load(path)


@pytest.mark.exhaustive
def test_partial_fit_goes_on_from_the_weights(fitted, pictures):
    again = clone(fitted).partial_fit(pictures)
    before = again.model_.likelihood.network.layers[0].weight
    again.partial_fit(pictures)
    assert not np.array_equal(before, again.model_.likelihood.network.layers[0].weight)


@pytest.mark.slow
def test_missing_entries_of_a_table_are_integrated_out():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)) * [1, 10, 100, 0.1]
    x[rng.random(x.shape) < 0.2] = np.nan
    vae = lt.VariationalAutoencoder(2, widths=(8,), **QUICK).fit(x)
    assert np.isfinite(vae.score_samples(x)).all()
    assert vae.model_.inference.masked


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_components": 0}, "n_components of VariationalAutoencoder"),
        ({"family": "cauchy"}, "family of VariationalAutoencoder"),
        ({"family": "bernoulli"}, "should be 0 or 1"),
        ({"family": "poisson"}, "should be whole numbers"),
        ({"network": "conv"}, "should be for pictures"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        lt.VariationalAutoencoder(**options).fit(np.full((20, 3), 0.5))


@pytest.mark.exhaustive
@pytest.mark.parametrize("network", ["mlp", "conv", "residual", "broadcast"])
def test_covariates_make_it_conditional(network, pictures, tmp_path):
    u = np.linspace(-1, 1, 2 * len(pictures)).reshape(-1, 2)
    vae = lt.VariationalAutoencoder(2, widths=(8,), network=network, **QUICK)
    vae.fit(pictures, given=u)
    assert vae.transform(pictures[:5], given=u[:5]).shape == (5, 2)
    one, other = (vae.inverse_transform(np.zeros((1, 2)), given=g[None]) for g in (u[0], u[-1]))
    assert one.shape == (1, 8, 8, 3) and not np.allclose(one, other)
    assert vae.sample(3, random_state=0, given=u[0])[0].shape == (3, 8, 8, 3)
    lt.save(vae, tmp_path / "vae.safetensors")
    again = lt.load(tmp_path / "vae.safetensors")
    assert again.score(pictures, given=u) == vae.score(pictures, given=u)
    with pytest.raises(ValueError, match="given should hold the 2 covariates"):
        vae.transform(pictures)


@pytest.mark.exhaustive
def test_rows_of_no_weight_are_not_looked_at():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3)).astype(np.float32)
    options = {"widths": (4,), "max_iter": 2, "validation_fraction": 0.0, "batch_size": 16}
    weight = np.repeat([1.0, 0.0], 40)
    bounds = [
        lt.VariationalAutoencoder(2, **options)
        .fit(np.concatenate([x, other]), sample_weight=weight)
        .lower_bound_
        for other in (x, x[::-1] - 7)
    ]
    assert bounds[0] == bounds[1]
    with pytest.raises(ValueError, match="weights should"):
        lt.VariationalAutoencoder(2, **options).fit(x, sample_weight=-np.ones(40))


def test_what_the_fitted_model_cannot_answer_is_refused(fitted, pictures):
    holed = np.where(np.arange(8)[:, None, None] == 2, np.nan, pictures[:2])
    with pytest.raises(ValueError, match="fit again with some"):
        fitted.transform(holed)
    with pytest.raises(ValueError, match="X should be finite"):
        fitted.inverse_transform(np.full((1, 3), np.nan))
    with pytest.raises(TypeError, match=r"call .toarray\(\)"):
        fitted.transform(csr_matrix(np.zeros((2, 192))))


def test_pictures_of_missing_pixels_only_are_refused(pictures):
    with pytest.raises(ValueError, match="X should have observed entries"):
        lt.VariationalAutoencoder(2, **QUICK).fit(np.full_like(pictures, np.nan))


@pytest.mark.parametrize("prior", ["normal", "vamp"])
def test_codes_are_the_means_of_posteriors(prior, pictures):
    vae = lt.VariationalAutoencoder(2, widths=(4,), prior=prior, n_clusters=3, **QUICK)
    vae.fit(pictures)
    found = lt.infer(vae.model_, pictures[:9]).mean
    np.testing.assert_allclose(vae.transform(pictures[:9]), found, rtol=1e-5, atol=1e-5)


def test_pictures_of_mixed_sizes_are_refused():
    with pytest.raises(ValueError, match="one size"):
        lt.VariationalAutoencoder().fit([np.zeros((8, 8)), np.zeros((9, 8))])
