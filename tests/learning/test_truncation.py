"""Mixtures of many states, of which each row looks at a few: bounds, and the same fit."""

import jax
import numpy as np
import pytest
from scipy.special import xlogy

import latentia
from latentia import (
    EM,
    Bernoulli,
    DiagonalGaussian,
    Discrete,
    Gaussian,
    GaussianLatent,
    LatentVariableModel,
    LinearGaussian,
    SphericalGaussian,
    StudentT,
    Switch,
)
from latentia.learning import Status
from latentia.learning.reach import within_reach
from latentia.learning.tiles import Tiles, in_buckets, laid_out

STATES, DIM, ROWS = 40, 3, 6000
EPSILON = 1e-5


def clusters(rows=ROWS, seed=0):
    rng = np.random.default_rng(seed)
    centres = 9 * rng.normal(size=(STATES, DIM))
    return centres, centres[rng.integers(STATES, size=rows)] + rng.normal(size=(rows, DIM))


CENTRES, VALUES = clusters()
WEIGHT = np.random.default_rng(1).integers(0, 3, ROWS) / 2


def begun(kind):
    near = CENTRES + 0.5
    parts = {
        "full": lambda: Gaussian(near, np.stack([2 * np.eye(DIM) + 0.3] * STATES)),
        "diagonal": lambda: DiagonalGaussian(near, np.full((STATES, DIM), 2.0)),
        "spherical": lambda: SphericalGaussian(near, np.full(STATES, 2.0)),
        "robust": lambda: StudentT(near, np.stack([np.eye(DIM)] * STATES), np.full(STATES, 5.0)),
    }
    return LatentVariableModel(Discrete(np.full(STATES, 1 / STATES)), Switch(parts[kind]()))


def fitted(model, values, weight, truncation, passes=300):
    learner = EM(start="given", truncation=truncation, max_iter=passes, tol=1e-7)
    return latentia.fit(model, values, weights=weight, learner=learner)


def same(kind, values=VALUES):
    dense = fitted(begun(kind), values, WEIGHT, 0.0)
    few = fitted(begun(kind), values, WEIGHT, EPSILON)
    # Fits that were cut off may be a step apart: only where both end are they the same.
    assert few.status == dense.status and few.status is Status.CONVERGED
    # The last pass is exact, whatever the ones before left out.
    exact = latentia.score(few.model, values) @ WEIGHT
    np.testing.assert_allclose(few.log_likelihood, exact, rtol=1e-10)
    # It rises, but for what a new choice of candidates may leave out.
    assert np.diff(few.trace).min() >= -2 * EPSILON
    np.testing.assert_allclose(few.log_likelihood, dense.log_likelihood, rtol=1e-6)
    np.testing.assert_allclose(few.entropy, dense.entropy, atol=1e-3 * WEIGHT.sum())
    return dense, few


@pytest.mark.slow
def test_it_is_the_fit_with_all_states():
    dense, few = same("diagonal")
    np.testing.assert_allclose(few.model.prior.weights, dense.model.prior.weights, atol=1e-4)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("full", marks=pytest.mark.exhaustive),
        pytest.param("spherical", marks=pytest.mark.exhaustive),
        pytest.param("robust", marks=pytest.mark.exhaustive),
    ],
)
def test_it_is_the_fit_with_all_states_of_any_family(kind):
    same(kind)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["diagonal", "full"])
def test_missing_entries_are_integrated_out_as_ever(kind):
    holes = np.random.default_rng(2).random(VALUES.shape) < 0.1
    same(kind, np.where(holes, np.nan, VALUES))


@pytest.mark.exhaustive
def test_binary_columns_have_candidates_too():
    rng = np.random.default_rng(3)
    chances = rng.choice([0.02, 0.98], (STATES, 12))
    values = (rng.random((ROWS, 12)) < chances[rng.integers(STATES, size=ROWS)]).astype(float)
    begin = LatentVariableModel(
        Discrete(np.full(STATES, 1 / STATES)), Switch(Bernoulli(0.9 * chances + 0.05))
    )
    # So many columns that more than 4096 rows differ.
    values = np.column_stack([values, rng.random((ROWS, 12)) < 0.5])
    begin = LatentVariableModel(
        begin.prior, Switch(Bernoulli(np.column_stack([0.9 * chances + 0.05,
                                                       np.full((STATES, 12), 0.5)])))
    )  # fmt: skip
    # Plain EM, step by step the same; the last pass of the second is exact and no step.
    learner = EM(start="given", memory=0, tol=1e-12, max_iter=8)
    dense = latentia.fit(begin, values, learner=learner)
    learner = EM(start="given", memory=0, tol=1e-12, max_iter=9, truncation=EPSILON)
    few = latentia.fit(begin, values, learner=learner)
    np.testing.assert_allclose(few.trace[:8], dense.trace, atol=2 * EPSILON)
    np.testing.assert_allclose(few.log_likelihood, dense.log_likelihood, rtol=1e-6)


def random_gaussians(kind, rng, states=30, dim=4):
    mean = 4 * rng.normal(size=(states, dim))
    if kind == "spherical":
        return SphericalGaussian(mean, rng.gamma(2, 1, states))
    if kind == "diagonal":
        return DiagonalGaussian(mean, rng.gamma(1, 1, (states, dim)) + 0.02)
    root = rng.normal(size=(states, dim, dim)) * rng.gamma(1, 1, (states, 1, dim))
    return Gaussian(mean, root @ np.swapaxes(root, 1, 2) + 0.02 * np.eye(dim))


@pytest.mark.parametrize(
    "kind",
    ["full", *(pytest.param(k, marks=pytest.mark.exhaustive) for k in ("diagonal", "spherical"))],
)
def test_what_is_out_of_reach_has_no_share(kind):
    rng = np.random.default_rng(4)
    with jax.enable_x64(True):
        parts = random_gaussians(kind, rng)
        model = LatentVariableModel(Discrete(rng.dirichlet(np.ones(30))), Switch(parts))
        x = np.asarray(parts.mean)[rng.integers(30, size=900)] + rng.normal(size=(900, 4))
        joint = np.log(model.prior.weights) + np.asarray(
            jax.vmap(lambda row: jax.vmap(lambda part: part.log_prob(row))(parts))(x)
        )
        evidence = np.logaddexp.reduce(joint, axis=1)
        layout, used = laid_out(joint.argmax(axis=1), 30)
        tiles = layout.tiles(x, np.ones(900))
        own = joint.argmax(axis=1)[layout.rows[:used, 0]]
        ends = np.searchsorted(own, np.arange(31)).astype(np.int32)
        filled = np.where(layout.rows >= 0, layout.rows, np.maximum(layout.rows[:, :1], 0))
        kept = np.asarray(within_reach(model, Tiles(*tiles), evidence[filled], ends, -9.0))
    share = joint - evidence[:, None]
    largest = share[filled].max(axis=1)
    assert kept[:used][largest[:used] > -9].all()
    # And the bound is of some use.
    assert kept[:used].mean() < 0.7


def test_every_row_is_in_one_tile_and_every_candidate_in_its_bucket():
    rng = np.random.default_rng(5)
    best = rng.integers(0, 20, 1000)
    layout, used = laid_out(best, 20)
    rows = layout.rows[:used]
    assert sorted(rows[rows >= 0]) == list(range(1000)) and (layout.rows[used:] < 0).all()
    assert all(len(set(best[row[row >= 0]])) == 1 for row in rows)
    keep = rng.random((len(layout.rows), 100)) < rng.choice([0.02, 0.2, 0.9], (len(layout.rows), 1))
    order, buckets = in_buckets(keep, used)
    seen = []
    for bucket in buckets:
        for tile in range(bucket.start, bucket.stop):
            seen.append(tile)
            if bucket.candidates.shape[1] < 100:
                chosen = bucket.candidates[tile]
                assert list(chosen[chosen < 100]) == list(np.flatnonzero(keep[order[tile]]))
    assert seen == list(range(used)) and sorted(order) == list(range(len(keep)))


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (begun("diagonal"), {"labels": np.zeros(ROWS, int)}, "0 with labels"),
        (begun("diagonal"), {"engine": "memory"}, "0 for a stream or under an engine"),
        (
            LatentVariableModel(GaussianLatent(1), LinearGaussian(dim=3, latent_dim=1)),
            {},
            "0 for a model that is no mixture",
        ),
    ],
)
def test_what_it_is_not_for_is_one_sentence(model, options, message):
    with pytest.raises(ValueError, match=f"truncation of EM should be {message}"):
        latentia.fit(model, VALUES, learner=EM(truncation=1e-6), **options)


def test_the_error_is_small_and_not_negative():
    with pytest.raises(ValueError, match="truncation of EM should be a small number of nats"):
        EM(truncation=-1.0)


@pytest.mark.exhaustive
def test_a_conjugate_prior_counts_in_the_objective():
    options = {"start": "given", "tol": 1e-7, "pseudo_count": 2.0}
    learner = EM(truncation=EPSILON, max_iter=20, **options)
    few = latentia.fit(begun("diagonal"), VALUES, learner=learner)
    again = latentia.fit(few.model, VALUES, learner=EM(max_iter=1, **options))
    np.testing.assert_allclose(few.objective, again.objective, rtol=1e-10)
    assert np.diff(few.trace).min() >= -2 * EPSILON


@pytest.mark.exhaustive
def test_the_entropy_is_that_of_the_model_at_the_limit_of_steps():
    # An odd number of passes, after which no choice of candidates is due.
    few = fitted(begun("diagonal"), VALUES, WEIGHT, EPSILON, passes=7)
    shares = latentia.infer(few.model, VALUES).probabilities
    entropy = -WEIGHT @ xlogy(shares, shares).sum(axis=1)
    np.testing.assert_allclose(few.entropy, entropy, rtol=1e-3)


@pytest.mark.parametrize("value", [-1.0, 1.0, np.nan, "a", None])
def test_what_is_no_truncation_is_one_sentence(value):
    with pytest.raises(ValueError, match="truncation of EM should be a small number"):
        EM(truncation=value)
