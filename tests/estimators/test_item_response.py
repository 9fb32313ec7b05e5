import jax
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.exceptions import ConvergenceWarning

from catalogue import MODELS
from golden.tables import golden, text
from latentia import ItemResponse, load, save
from latentia.plots import plot_information, plot_item_curves

LSAT = golden("item_response.json")
NAMES = [f"Item {i}" for i in range(1, 6)]
LEVELS = ["strongly disagree", "disagree", "agree", "strongly agree"]


@pytest.fixture(scope="module")
def lsat():
    codes = np.repeat(LSAT["patterns"], LSAT["counts"], axis=0)
    return pd.DataFrame(codes, columns=NAMES)


@pytest.fixture(scope="module")
def fitted(lsat):
    return ItemResponse("2pl").fit(lsat)


@pytest.mark.slow
def test_parameters_in_the_words_of_the_field(fitted):
    difficulty, slope = np.array(LSAT["coef_2PL"]).T
    np.testing.assert_allclose(fitted.discrimination_, slope, atol=1e-3)
    # The other program stopped 7e-6 short of the maximum.
    np.testing.assert_allclose(fitted.difficulty_, difficulty, atol=4e-3)
    intercept = fitted.item_parameters_["intercept"]
    np.testing.assert_allclose(intercept, -fitted.discrimination_ * fitted.difficulty_)
    assert not fitted.guessing_.any()
    assert "Item 3" in fitted.summary()
    assert "quadrature" in fitted.fit_.method
    assert fitted.fit_.error < 1e-8
    assert "quadrature" in repr(fitted.fit_)


@pytest.mark.slow
def test_weights_kinds_of_tables_and_levels_change_nothing(fitted, lsat):
    weighted = ItemResponse("2pl").fit(LSAT["patterns"], sample_weight=LSAT["counts"])
    np.testing.assert_allclose(weighted.discrimination_, fitted.discrimination_, atol=1e-10)
    words = pl.from_pandas(lsat.replace({0: "no", 1: "yes"}))
    other = ItemResponse("2pl").fit(words)
    np.testing.assert_allclose(other.discrimination_, fitted.discrimination_, atol=1e-10)
    rows, traits = other.sample(5, random_state=0)
    assert isinstance(rows, pl.DataFrame)
    assert traits.shape == (5, 1)
    turned = ItemResponse("2pl", levels=["yes", "no"]).fit(words)
    np.testing.assert_allclose(turned.difficulty_, -fitted.difficulty_, atol=1e-3)
    assert turned.score(words) == pytest.approx(fitted.score(lsat), abs=1e-8)


def test_scores_of_rows_with_gaps(fitted, lsat):
    holes = lsat[:4].astype(float)
    holes.iloc[0] = np.nan
    holes.iloc[1, 2] = np.nan
    for method in ("eap", "map"):
        scores = fitted.scores(holes, method)
        np.testing.assert_allclose(scores.value[0], 0, atol=1e-9)
        np.testing.assert_allclose(scores.error[0], 1, atol=1e-9)
        assert (scores.error[1:] < 1).all()
    np.testing.assert_array_equal(fitted.transform(holes), fitted.scores(holes).value)
    assert fitted.score_samples(holes)[0] == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="method should be 'eap' or 'map'"):
        fitted.scores(holes, "ml")


def test_information_is_the_curvature_of_the_log_likelihood(fitted):
    slope, place = fitted.discrimination_, fitted.difficulty_
    trait = np.linspace(-3, 3, 7)
    right = 1 / (1 + np.exp(-slope * (trait[:, None] - place)))
    shares = fitted.item_probabilities(trait)
    np.testing.assert_allclose(np.stack(shares, axis=1)[..., 1], right, rtol=1e-12)
    expected = slope**2 * right * (1 - right)
    np.testing.assert_allclose(fitted.item_information(trait), expected, rtol=1e-12)
    with pytest.raises(ValueError, match="trait should be finite numbers of shape"):
        fitted.item_information([[0.0, 1.0]])


def test_standard_errors_are_those_of_a_numerical_hessian(fitted, lsat):
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    patterns, counts = np.array(LSAT["patterns"]), np.array(LSAT["counts"])

    def total(parameters):
        slope, bias = parameters[:5], parameters[5:]
        right = 1 / (1 + np.exp(-(slope * nodes[:, None] + bias)))
        each = np.where(patterns[:, None] == 1, right, 1 - right).prod(axis=2)
        return counts @ np.log(each @ weights)

    centre = np.concatenate([fitted.discrimination_, fitted.item_parameters_["intercept"]])
    steps, h = np.eye(10) * 1e-3, 1e-3
    bend = np.array(
        [
            [
                total(centre + a + b) - total(centre + a - b)
                - total(centre - a + b) + total(centre - a - b)
                for a in steps
            ]
            for b in steps
        ]
    ) / (4 * h * h)  # fmt: skip
    expected = np.sqrt(np.diagonal(np.linalg.inv(-bend)))
    found = fitted.standard_errors(lsat)
    np.testing.assert_allclose(found["discrimination"], expected[:5], rtol=1e-3)
    np.testing.assert_allclose(found["intercept"], expected[5:], rtol=1e-3)
    assert np.isnan(found["guessing"]).all()


def test_a_file_keeps_everything(fitted, lsat, tmp_path):
    save(fitted, tmp_path / "items.safetensors")
    back = load(tmp_path / "items.safetensors")
    np.testing.assert_array_equal(back.scores(lsat[:9]).value, fitted.scores(lsat[:9]).value)
    assert back.fit_.method == fitted.fit_.method
    assert back.summary() == fitted.summary()


def test_pictures(fitted):
    import matplotlib.pyplot as plt

    curves = plot_item_curves(fitted)
    assert [line.get_label() for line in curves.lines_] == NAMES
    some = plot_item_curves(fitted, items=["Item 3"], ax=curves.ax_)
    assert some.ax_ is curves.ax_
    information = plot_information(fitted)
    top = information.lines_[0].get_ydata().max()
    assert top == pytest.approx(fitted.item_information(information.trait).sum(axis=1).max())
    with pytest.raises(ValueError, match="items should be names or positions"):
        plot_item_curves(fitted, items=["Item 9"])
    plt.close("all")


def test_bad_input_is_one_sentence(lsat):
    alike = lsat.assign(**{"Item 2": 1})
    with pytest.raises(ValueError, match="all are alike in 'Item 2'"):
        ItemResponse().fit(alike)
    three = lsat.astype(float)
    three.iloc[0, 1] = 2
    with pytest.raises(ValueError, match="two levels in every column, but 'Item 2' has 3"):
        ItemResponse().fit(three)
    with pytest.raises(ValueError, match="n_dimensions should be at most 5"):
        ItemResponse(n_dimensions=6).fit(lsat)
    with pytest.raises(ValueError, match="model of ItemResponse should be one of"):
        ItemResponse("4pl").fit(lsat)
    words = lsat.astype(object)
    words.iloc[:, 0] = np.resize(["a", "b", "c"], len(lsat))
    with pytest.raises(ValueError, match="whose order"):
        ItemResponse("graded").fit(words)
    with pytest.raises(ValueError, match="levels should hold the levels of all items"):
        ItemResponse("graded", levels=["a", "b"]).fit(words[["Item 1"]])
    model = ItemResponse("rasch", max_iter=3, tol=1.0, n_init=1).fit(lsat)
    with pytest.raises(ValueError, match="should hold the levels of the schema"):
        model.transform(lsat + 1)


@pytest.mark.exhaustive
def test_one_item_says_its_share_and_no_more(lsat):
    one = ItemResponse("2pl", n_init=1).fit(lsat[["Item 3"]])
    share = lsat["Item 3"].mean()
    expected = share * np.log(share) + (1 - share) * np.log(1 - share)
    assert one.score(lsat[["Item 3"]]) == pytest.approx(expected, abs=1e-8)
    assert one._n_parameters() == 1


@pytest.mark.exhaustive
def test_a_slope_that_grows_for_ever_stops_at_the_bound(lsat):
    # The same item three times.
    same = np.repeat(lsat[["Item 3"]].to_numpy(), 3, axis=1)
    with pytest.warns(ConvergenceWarning, match="grown to its bound"):
        steep = ItemResponse("2pl", n_init=1).fit(same)
    assert np.isfinite(steep.discrimination_).all()
    assert np.abs(steep.discrimination_).max() <= 40
    assert np.isfinite(steep.scores(same[:5]).value).all()


@pytest.mark.exhaustive
def test_graded_response_against_a_likelihood_written_out():
    table = np.array(text("ltm_science", ["Comfort", "Work", "Future", "Benefit"]))
    model = ItemResponse("graded", levels=LEVELS).fit(table)
    codes = np.argmax(table[..., None] == np.array(LEVELS), axis=2)
    nodes = np.linspace(-8, 8, 400)
    weights = np.exp(-0.5 * nodes**2) / np.sqrt(2 * np.pi) * (nodes[1] - nodes[0])

    def total(slope, bias):
        eta = nodes[:, None, None] * slope[:, None] + bias
        above = 1 / (1 + np.exp(-eta))
        ends = np.ones((400, 4, 1))
        shares = -np.diff(np.concatenate([ends, above, 0 * ends], axis=2), axis=2)
        each = np.prod([shares[:, j, codes[:, j]] for j in range(4)], axis=0)
        return np.log(weights @ each).sum()

    slope, bias = model.discrimination_, model.item_parameters_["intercept"]
    best = total(slope, bias)
    assert model.fit_.log_likelihood == pytest.approx(best, abs=1e-6)
    rng = np.random.default_rng(0)
    for _ in range(20):
        change = rng.normal(size=16) * 1e-2
        assert total(slope + change[:4], bias + change[4:].reshape(4, 3)) < best
    assert model.difficulty_.shape == (4, 3)
    assert (np.diff(model.difficulty_, axis=1) > 0).all()


@pytest.mark.parametrize("name", ["rasch", "guessed answers", "graded response", "partial credit",
                                  "poisson factors in the plane"])  # fmt: skip
def test_core_models_come_back_from_files(name, tmp_path):
    model = MODELS[name]
    save(model, tmp_path / "model.safetensors")
    back = load(tmp_path / "model.safetensors")
    assert jax.tree.structure(back) == jax.tree.structure(model)
    for one, two in zip(jax.tree.leaves(back), jax.tree.leaves(model), strict=True):
        np.testing.assert_array_equal(one, two)
