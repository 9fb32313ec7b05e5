import numpy as np
import pytest

import latentia
from latentia.data import read_table
from latentia.datasets import load_carcinoma, load_faithful
from latentia.selection.candidates import Candidate, named
from latentia.selection.selecting import compare

FAITHFUL = load_faithful().data
# So loose that every start of a grid goes all the way, as in a single fit.
LOOSE = latentia.EM(tol=1e-4, n_init=4)


def mixture(count, family=None):
    family = latentia.DiagonalGaussian(dim=2) if family is None else family
    return latentia.LatentVariableModel(latentia.Discrete(count), latentia.Switch(family, count))


def same(first, second, tolerance=1e-8):
    assert first.status is second.status
    assert first.log_likelihood == pytest.approx(second.log_likelihood, rel=tolerance)
    assert first.degrees_of_freedom == second.degrees_of_freedom
    # Steps taken back and forth may round to another path, but never to another optimum.
    assert first.icl == pytest.approx(second.icl, rel=1e-6)
    assert first.model.likelihood.states == second.model.likelihood.states
    assert first.columns == second.columns


@pytest.mark.exhaustive
@pytest.mark.parametrize("missing", [False, True])
def test_a_grid_finds_what_single_fits_find(missing):
    data = FAITHFUL.copy()
    if missing:
        data[::7, 0] = np.nan
    family = latentia.DiagonalGaussian(dim=2)
    grid = latentia.select(
        data, model=lambda k: mixture(k, family), components=[1, 2, 4], learner=LOOSE
    )
    same(grid.fits[1], latentia.fit(mixture(2, family), data, learner=LOOSE))
    assert [fit.model.likelihood.states for fit in grid.fits] == [1, 2, 4]
    assert all(np.isclose(fit.model.prior.weights.sum(), 1) for fit in grid.fits)


@pytest.mark.exhaustive
def test_the_geyser_has_three_tied_components():
    found = latentia.select(
        FAITHFUL, components=range(1, 5), covariance=("tied", "diag"), learner=latentia.EM(n_init=6)
    )
    row = found.table[found.index]
    # mclust 6.1: EEE with 3 components, BIC -2314.296 in its sign.
    assert (row["components"], row["covariance"]) == (3, "tied")
    assert row["bic"] == pytest.approx(2314.296, abs=0.01)
    assert found.best.bic == row["bic"]
    assert "<- best" in repr(found)
    assert len(found.to_frame()) == len(found.table) == 8


@pytest.mark.exhaustive
def test_held_out_is_the_mean_over_rows_that_were_left_out():
    table = read_table(FAITHFUL)
    candidates = [Candidate(mixture(k), k) for k in (1, 2, 3)]
    together = compare(candidates, table, criterion="held_out", learner=LOOSE, folds=3)
    alone = [
        compare([c], table, criterion="held_out", learner=LOOSE, folds=3).table[0]["held_out"]
        for c in candidates[:1]
    ]
    assert together.table[0]["held_out"] == pytest.approx(alone[0], rel=1e-6)
    assert together.table[1]["held_out"] > together.table[0]["held_out"] + 0.5
    assert together.table[together.index]["held_out"] == max(
        row["held_out"] for row in together.table
    )


@pytest.mark.exhaustive
def test_degenerate_candidates_are_listed_and_never_chosen():
    rng = np.random.default_rng(0)
    data = np.concatenate([rng.normal(size=(40, 2)), np.full((20, 2), 3.0)])
    found = latentia.select(data, components=[1, 2], covariance="full", learner=LOOSE)
    assert [row["status"] for row in found.table] == ["converged", "degenerate"]
    assert found.table[1]["bic"] < found.table[0]["bic"]
    assert found.index == 0


def test_a_failed_candidate_is_a_row(monkeypatch):
    import latentia.selection.selecting as module

    def fail(model, *args, **kwargs):
        raise ValueError("no")

    monkeypatch.setattr(module, "fit", fail)
    candidates = named("factor-analysis", 2, (1,), (1,), ())
    found = compare(candidates, read_table(FAITHFUL))
    assert found.table[0]["status"] == "failed: no"
    assert found.index is None
    with pytest.raises(ValueError, match="No candidate"):
        _ = found.best


@pytest.mark.exhaustive
def test_factors_and_classes_are_compared_too():
    rng = np.random.default_rng(1)
    data = rng.normal(size=(200, 1)) @ rng.normal(size=(1, 5)) + 0.3 * rng.normal(size=(200, 5))
    found = latentia.select(data, model="factor-analysis", factors=[1, 2])
    assert found.table[found.index]["factors"] == 1
    assert found.plot().ax_.get_xlabel() == "number of factors"
    ratings = load_carcinoma().data
    found = latentia.select(ratings, model="latent-class", components=[1, 2, 3], learner=LOOSE)
    assert found.table[1]["log_likelihood"] == pytest.approx(-317.26, abs=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"components": 0}, "components should be whole numbers"),
        ({"criterion": "best"}, "criterion should be one of"),
        ({"covariance": "round"}, "covariance should be of"),
        ({"model": "forest"}, "model should be a function or one of"),
        ({"criterion": "held_out", "folds": 1}, "folds should be from 2"),
        ({"weights": np.zeros(272)}, "weights should have a weight above zero"),
    ],
)
def test_bad_arguments_are_one_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        latentia.select(FAITHFUL, **{"components": 1, **options})
