import time

import numpy as np
import pytest
from scipy.cluster.hierarchy import cut_tree, linkage
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from latentia.learning.partitions import (
    KINDS,
    NOISE,
    condense,
    hierarchical,
    kmeans_plus_plus,
    lloyd,
    partitions,
    random_rows,
    standardise,
)

LONE = ("random_from_data", "k-means++")
HARD = tuple(kind for kind in KINDS if kind not in ("random", "noisy", *LONE))
EVERY = KINDS * 2


def blobs(count=150, states=3, columns=2, seed=0, spread=0.3):
    rng = np.random.default_rng(seed)
    labels = rng.integers(states, size=count)
    centres = rng.permutation(4.0 * np.eye(states, columns) + np.arange(states)[:, None])
    return centres[labels] + spread * rng.normal(size=(count, columns)), labels


def starts(points, weights, states=3, seed=5, kinds=EVERY):
    unique, mass, _ = condense(points, weights)
    return partitions(standardise(unique, mass), mass, states, seed, kinds)


def assert_shares(shares, shape, kinds=EVERY):
    assert shares.shape == shape and np.isfinite(shares).all() and (shares >= 0).all()
    for share, kind in zip(shares, kinds, strict=True):
        total = share.sum(axis=1)
        if kind in LONE:
            assert set(total) <= {0.0, 1.0}
            assert (share.sum(axis=0) <= 1).all()
            assert total.sum() == min(shape[1:])
        else:
            np.testing.assert_allclose(total, 1, rtol=1e-12)
        if kind in HARD:
            assert set(share.ravel()) <= {0.0, 1.0}


# Columns of few values have many ties, which rounding must not decide one way or the other.
def tables():
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 4, size=(80, 3)).astype(float)
    coarse[rng.random(coarse.shape) < 0.1] = np.nan
    return [blobs()[0], coarse]


@pytest.mark.parametrize("points", tables(), ids=["continuous", "coarse with holes"])
class TestInvariance:
    weights = np.random.default_rng(1).integers(0, 4, size=150).astype(float)

    def test_order_of_the_rows(self, points):
        weights = self.weights[: len(points)] / 10
        order = np.random.default_rng(2).permutation(len(points))
        got = starts(points[order], weights[order])
        np.testing.assert_array_equal(got, starts(points, weights))

    def test_a_weight_is_a_repetition_and_zero_removes_the_row(self, points):
        weights = self.weights[: len(points)]
        repeated = np.repeat(points, weights.astype(int), axis=0)
        first, second = starts(points, weights), starts(repeated, np.ones(len(repeated)))
        np.testing.assert_array_equal(first, second)

    def test_units_of_the_columns_and_of_the_weights(self, points):
        weights = np.ones(len(points))
        scale, shift = np.geomspace(1e-100, 3e100, points.shape[1]), 7.0
        first = starts(points, weights)
        others = [(points * scale, weights), (points + shift, weights)]
        others += [(points, weights * factor) for factor in (2.0**-800, 2.0**800)]
        for other in others:
            np.testing.assert_array_equal(first, starts(*other))

    def test_earlier_starts_stay_as_they_are(self, points):
        weights = np.random.default_rng(1).random(len(points))
        kinds = (KINDS * 4)[:29]
        everything = starts(points, weights, kinds=kinds)
        for count in (1, 2, 3, 9, 17):
            some = starts(points, weights, kinds=kinds[:count])
            np.testing.assert_array_equal(some, everything[:count])
        alone = [kind if i == 8 else "random" for i, kind in enumerate(kinds[:9])]
        np.testing.assert_array_equal(starts(points, weights, kinds=alone)[8], everything[8])

    def test_starts_differ_by_seed_and_place(self, points):
        weights = np.ones(len(points))
        chancy = [kind for kind in KINDS if kind not in ("kmeans", "hierarchical")] * 2
        first, other = (starts(points, weights, 3, seed, chancy) for seed in (5, 6))
        for i, later in enumerate(first[len(chancy) // 2 :]):
            assert not np.array_equal(first[i], later)
            assert not np.array_equal(first[i], other[i])
        np.testing.assert_array_equal(first, starts(points, weights, kinds=chancy))


def test_standardising_before_condensing_gives_the_same():
    points, weights = blobs()[0], np.random.default_rng(1).random(150)
    scores = standardise(points, weights)[::-1]
    got = partitions(*condense(scores, weights[::-1])[:2], 3, 5, EVERY)
    np.testing.assert_array_equal(got, starts(points, weights))


def test_standardised_columns_have_mean_zero_and_variance_one():
    rng = np.random.default_rng(0)
    weights = rng.random(400)
    points = rng.normal(size=(400, 6)) * [1, 1e-150, 1e150, 1, 1e-308, 1e307]
    points += [0, 0, 0, 1e8, 0, 1e307]
    points[rng.random(points.shape) < 0.2] = np.nan
    got = standardise(points, weights)
    for column, raw in zip(got.T, points.T, strict=True):
        seen = ~np.isnan(raw)
        mean = np.average(column[seen], weights=weights[seen])
        assert abs(mean) < 1e-8
        assert abs(np.average((column[seen] - mean) ** 2, weights=weights[seen]) - 1) < 1e-7
        assert (np.argsort(column[seen]) == np.argsort(raw[seen])).all()
        assert (column[~seen] == 0).all()


def test_an_offset_of_a_hundred_million_deviations_changes_nothing():
    points, ones = np.random.default_rng(0).integers(-99, 99, size=(50, 2)) / 64, np.ones(50)
    np.testing.assert_array_equal(standardise(points, ones), standardise(points + 1e8, ones))


def test_nothing_to_standardise_becomes_zero():
    points = np.full((4, 4), 0.1)
    points[:, 1] = np.nan
    points[:, 2] = [1, 1, 1, 1e300]
    points[:, 3] = [np.inf, 2, np.nan, 3]
    got = standardise(points, np.array([1.0, 1, 1, 0]))
    np.testing.assert_array_equal(got[:3], 0)
    np.testing.assert_array_equal(got[3, :2], 0)
    assert np.isfinite(got).all()
    np.testing.assert_array_equal(standardise(points, np.zeros(4)), 0)
    assert standardise(np.zeros((0, 3)), np.zeros(0)).shape == (0, 3)


@pytest.mark.parametrize("weight", [1e-320, 1e-300, 1e-20, 1e300])
def test_weights_of_any_size_are_survived(weight):
    points = np.random.default_rng(0).normal(size=(20, 2))
    weights = np.append(np.ones(19), weight)
    assert_shares(starts(points, weights), (len(EVERY), 20, 3))


def test_distinct_rows_are_sorted_and_summed():
    points = np.array([[1, np.nan], [0, 2], [-0.0, 2], [1, np.nan], [0, 1], [5, 5]])
    unique, mass, places = condense(points, np.array([1.0, 2, 3, 4, 5, 0]))
    np.testing.assert_array_equal(unique, [[0, 1], [0, 2], [1, np.nan]])
    np.testing.assert_array_equal(mass, [5, 5, 5])
    np.testing.assert_array_equal(places, [2, 1, 1, 2, 0, -1])


def test_of_many_distinct_rows_a_sample_is_taken_by_weight():
    points = np.random.default_rng(0).normal(size=(5000, 3))
    weights = np.where(np.arange(5000) == 17, 2500.0, 1.0)
    unique, mass, places = condense(points, weights, limit=300, seed=1)
    assert places is None and 150 < len(unique) <= 300
    np.testing.assert_allclose(mass.sum(), weights.sum())
    heavy = (unique == points[17]).all(axis=1)
    np.testing.assert_allclose(mass[heavy], 2500, rtol=0.01)
    centre = np.average(points, axis=0, weights=weights)
    np.testing.assert_allclose(np.average(unique, axis=0, weights=mass), centre, atol=0.2)
    order = np.random.default_rng(1).permutation(5000)
    again = condense(points[order], weights[order], limit=300, seed=1)
    np.testing.assert_array_equal(again[0], unique)
    assert not np.array_equal(condense(points, weights, 300, 2)[0], unique)


def test_of_very_many_rows_only_a_sample_is_sorted():
    points = np.random.default_rng(0).integers(0, 3, size=(1_000_000, 16)).astype(float)
    weights = np.where(np.arange(len(points)) % 7 == 0, 1.0, 0.0)
    weights[3] = 1e6
    started = time.perf_counter()
    unique, mass, places = condense(points, weights, seed=1)
    assert time.perf_counter() - started < 2
    assert places is None and len(unique) <= 2000
    np.testing.assert_allclose(mass.sum(), weights.sum())
    kept = weights > 0
    np.testing.assert_array_equal(condense(points[kept], weights[kept], seed=1)[0], unique)


@pytest.mark.parametrize("seed", range(5))
def test_separated_clusters_are_found(seed):
    points, labels = blobs(seed=seed)
    for kind in ("kmeans", "noisy", "hierarchical"):
        share = starts(points, np.ones(len(points)), kinds=[kind])[0]
        found = share[condense(points, np.ones(len(points)))[2]].argmax(axis=1)
        assert adjusted_rand_score(labels, found) == 1


def test_a_sample_of_many_points_is_merged_and_the_rest_follow():
    points, labels = blobs(count=1900, states=4, columns=3)
    assert adjusted_rand_score(labels, hierarchical(points, np.ones(1900), 4)) == 1


def test_wards_method_is_that_of_scipy_and_ties_do_not_make_fewer_clusters():
    points = np.random.default_rng(0).normal(size=(60, 2))
    grid = np.stack(np.meshgrid(np.arange(6.0), np.arange(6.0)), axis=-1).reshape(-1, 2)
    for states in (1, 2, 5, 30):
        expected = cut_tree(linkage(points, "ward"), states)[:, 0]
        assert adjusted_rand_score(expected, hierarchical(points, np.ones(60), states)) == 1
        assert len(set(hierarchical(grid, np.ones(36), states))) == states


def inertia(points, weights, labels):
    total = 0.0
    for k in np.unique(labels):
        mine, mass = points[labels == k], weights[labels == k]
        total += mass @ ((mine - np.average(mine, axis=0, weights=mass)) ** 2).sum(axis=1)
    return total


def test_k_means_is_as_good_as_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    points, weights = rng.normal(size=(300, 4)), rng.exponential(size=300)
    seeds = kmeans_plus_plus(points, weights, 6, rng.spawn(10))
    labels = lloyd(points, weights, points[seeds], steps=300)
    best = min(inertia(points, weights, found) for found in labels)
    model = KMeans(6, n_init=10, random_state=0).fit(points, sample_weight=weights)
    assert best < 1.02 * model.inertia_
    assert all(len(set(chosen)) == 6 for chosen in seeds)


def test_a_state_without_points_moves_to_the_farthest():
    points = np.array([[0.0], [1], [2], [50]])
    labels = lloyd(points, np.ones(4), np.array([[1.0], [900], [901]]))
    assert len(set(labels)) == 3 and (labels[:3] != labels[3]).all()


def test_slices_are_equally_heavy_and_rows_drawn_by_weight():
    rng = np.random.default_rng(0)
    points, weights = rng.normal(size=(500, 3)), rng.random(500)
    shares = partitions(points, weights, 4, 0, ["directions"] * 5)
    np.testing.assert_allclose(weights @ shares / weights.sum(), 0.25, atol=0.01)
    drawn = np.array([random_rows(np.array([1.0, 2, 5]), 2, rng) for _ in range(4000)])
    np.testing.assert_allclose(np.bincount(drawn[:, 0]) / 4000, [0.125, 0.25, 0.625], atol=0.03)
    assert (drawn[:, 0] != drawn[:, 1]).all()


def test_noise_leaves_the_majority_to_k_means():
    points, _ = blobs(spread=1.5)
    kmeans, noisy = (starts(points, np.ones(150), kinds=[kind])[0] for kind in ("kmeans", "noisy"))
    np.testing.assert_array_equal(noisy.argmax(axis=1), kmeans.argmax(axis=1))
    assert 1 - NOISE <= noisy.max(axis=1).min() < 0.9


@pytest.mark.parametrize("states", [1, 2, 4, 12])
@pytest.mark.parametrize("seed", range(4))
def test_more_states_than_distinct_points(states, seed):
    points = np.array([[1.0, 0.1, np.nan], [1, 0.3, 2], [1, np.nan, 7]])[[0, 1, 2, 2, 1, 1]]
    shares = starts(points, np.full(6, 0.7), states, seed)
    assert_shares(shares, (len(EVERY), 3, states))
    for share, kind in zip(shares, EVERY, strict=True):
        if kind not in ("random", "noisy"):
            assert (share.sum(axis=0) > 0).sum() == min(3, states)


DEGENERATE = {
    "one row": np.array([[3.0, np.nan]]),
    "all missing": np.full((5, 2), np.nan),
    "constant": np.full((5, 2), 0.1),
    "no columns": np.zeros((5, 0)),
    "empty rows": np.array([[np.nan, np.nan], [1, 2], [np.nan, np.nan], [3, 5]]),
}


@pytest.mark.parametrize("points", DEGENERATE.values(), ids=DEGENERATE)
@pytest.mark.parametrize("states", [1, 2, 3])
def test_degenerate_tables(points, states):
    weights = np.ones(len(points))
    unique = len(condense(points, weights)[0])
    assert_shares(starts(points, weights, states), (len(EVERY), unique, states))


def test_coinciding_points_are_no_trouble():
    points = np.repeat(np.array([[0.1, 0.7], [0.3, 0.2]]), 40, axis=0)
    shares = partitions(points, np.full(80, 0.3), 5, 0, HARD)
    assert_shares(shares, (len(HARD), 80, 5), HARD)


def test_nothing_to_share_out():
    unique, mass, places = condense(np.ones((3, 2)), np.zeros(3))
    assert unique.shape == (0, 2) and mass.shape == (0,) and places is not None
    np.testing.assert_array_equal(places, -1)
    assert partitions(unique, mass, 2, 0, EVERY).shape == (len(EVERY), 0, 2)
    assert partitions(np.ones((3, 2)), np.ones(3), 2, 0, []).shape == (0, 3, 2)


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="'ward' is no kind of start: use one of kmeans, noisy"):
        partitions(np.ones((3, 2)), np.ones(3), 2, 0, ["rows", "ward"])
