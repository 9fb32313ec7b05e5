import jax
import numpy as np
import pytest

import latentia
from latentia import (
    EM,
    Branching,
    Discrete,
    Gaussian,
    GaussianLatent,
    LatentVariableModel,
    LinearGaussian,
    Switch,
)
from latentia.learning import online_em
from latentia.learning.online_em import OnlineEM, online_step, online_update, state_after
from latentia.precision import precision_of

NAN = np.nan
ROWS = 60  # one shape, so that few programs are compiled


def mixture(states=2, dim=2, **options):
    return LatentVariableModel(Discrete(states), Switch(Gaussian(dim=dim, **options), states))


def factors(dim=5, latent=2):
    return LatentVariableModel(GaussianLatent(latent), LinearGaussian(dim=dim, latent_dim=latent))


def blobs(rows=ROWS, seed=0, holes=0.0):
    rng = np.random.default_rng(seed)
    which = rng.random(rows) < 0.3
    values = rng.normal(size=(rows, 2)) * [1.0, 3.0] + np.where(which, 4.0, 0.0)[:, None]
    values[rng.random(values.shape) < holes] = NAN
    return values


def chain(rows=ROWS, seed=0, holes=0.0):
    rng = np.random.default_rng(seed)
    loadings = np.random.default_rng(9).normal(size=(2, 5))
    values = 3 + rng.normal(size=(rows, 2)) @ loadings + 0.5 * rng.normal(size=(rows, 5))
    values[rng.random(values.shape) < holes] = NAN
    return values


def parts_of_factors():
    prior = Branching(2, GaussianLatent(1))
    return LatentVariableModel(prior, Switch(LinearGaussian(dim=5, latent_dim=1), 2))


CASES = {
    "mixture": (mixture, blobs),
    "tied": (lambda: mixture(tied=True), blobs),
    "factors": (factors, chain),
    "mixture of factors": (parts_of_factors, chain),
}


# Two latent structures at once; the others share their code and take as long to compile.
NAMES = [
    name if name in ("mixture", "factors") else pytest.param(name, marks=pytest.mark.slow)
    for name in CASES
]


def assert_alike(one, other, **tolerance):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


def followed(batches, weights=None, learner=OnlineEM(), model=None):
    model, state = mixture() if model is None else model, None
    for i, values in enumerate(batches):
        weight = None if weights is None else weights[i]
        model, state = online_update(model, state, values, weight, learner=learner)
    return model, state


@pytest.mark.exhaustive
@pytest.mark.parametrize("holes", [0.0, 0.2])
@pytest.mark.parametrize("name", NAMES)
def test_with_a_step_of_one_it_is_one_step_of_em(name, holes):
    make, draw = CASES[name]
    values = draw(holes=holes)
    values = values[~np.isnan(values).all(axis=1)]
    weight = np.random.default_rng(1).random(len(values))
    begun = latentia.fit(make(), draw(seed=5), learner=EM(max_iter=2)).model
    # The second pass is at the model after one step, which the given start is not reordered from.
    given = EM(max_iter=2, memory=0, start="given", covariance_floor=0.0)
    stepped = latentia.fit(begun, values, weights=weight, learner=given)
    _, state = online_update(begun, state_after(0, values.shape[1]), values, weight)
    with precision_of(values):
        moved, score = online_step(begun, values, weight, 1.0, state, given)
    assert_alike(moved, stepped.model, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(score, stepped.trace[0], rtol=1e-11)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", CASES)
def test_no_step_changes_nothing_and_the_optimum_stays(name):
    make, draw = CASES[name]
    values = draw()
    best = latentia.fit(make(), values, learner=EM(tol=1e-13, max_iter=3000)).model
    _, state = online_update(best, state_after(0, values.shape[1]), values)
    with precision_of(values):
        for step, tolerance in ((0.0, 1e-12), (0.3, 1e-4)):
            moved, _ = online_step(best, values, np.ones(ROWS), step, state, EM())
            assert_alike(moved, best, rtol=tolerance, atol=tolerance)


@pytest.mark.exhaustive
def test_steps_of_one_over_t_come_near_the_optimum_of_all_rows():
    values = blobs(200 * ROWS)
    best = latentia.fit(mixture(), values)
    model, state = followed(np.split(values, 200), learner=OnlineEM(exponent=1.0))
    assert state.weight == best.weight
    score = latentia.score(model, values).mean()
    assert best.objective - 2e-3 < score <= best.objective + 1e-6
    assert abs(state.score - best.objective) < 1.0
    np.testing.assert_allclose(state.mean, values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(state.spread, values.std(axis=0), rtol=1e-12)


@pytest.mark.exhaustive
def test_weights_are_repetitions_and_empty_rows_nothing():
    batches = [blobs(ROWS, seed, holes=0.1) for seed in range(3)]
    weights = [np.random.default_rng(seed).integers(0, 3, ROWS) for seed in range(3)]
    repeated = [np.repeat(v, w, axis=0) for v, w in zip(batches, weights, strict=True)]
    empty = np.full((4, 2), NAN)
    longer = [np.concatenate([values, empty]) for values in batches]
    one, state = followed(batches, weights)
    assert_alike(one, followed(repeated)[0], rtol=1e-9)
    grown = [np.append(w, [1, 2, 3, 4]) for w in weights]
    assert_alike(one, followed(longer, grown)[0], rtol=1e-9)
    scaled, _ = followed(batches, [2.5 * w for w in weights])
    assert_alike(one, scaled, rtol=1e-9)
    same, after = online_update(one, state, empty)
    assert same is one and after is state


def test_units_change_nothing_but_units():
    batches = [blobs(ROWS, seed) for seed in range(3)]
    plain, state = followed(batches)
    moved, other = followed([1e6 + 1e-3 * values for values in batches])
    got = moved.likelihood.parts
    np.testing.assert_allclose(got.mean, 1e6 + 1e-3 * plain.likelihood.parts.mean, rtol=1e-12)
    np.testing.assert_allclose(got.covariance, 1e-6 * plain.likelihood.parts.covariance, rtol=1e-5)
    np.testing.assert_allclose(other.score, state.score - 2 * np.log(1e-3), rtol=1e-6)


def test_steps():
    learner = OnlineEM(exponent=0.7)
    assert learner.step(10.0, 10.0) == 1.0
    np.testing.assert_allclose([learner.step(5.0, 5.0 * t) for t in (2, 3)], [2**-0.7, 3**-0.7])
    assert OnlineEM(warm_up=30.0, exponent=1.0).step(10.0, 10.0) == 0.25
    assert OnlineEM(smallest_step=0.1).step(1.0, 1e9) == 0.1


def test_a_smallest_step_follows_data_that_drift():
    batches = [blobs()] * 20 + [blobs() + 50.0] * 20
    settled, _ = followed(batches, learner=OnlineEM(exponent=1.0))
    following, _ = followed(batches, learner=OnlineEM(exponent=1.0, smallest_step=0.3))
    mean = [m.prior.weights @ m.likelihood.parts.mean for m in (settled, following)]
    assert (mean[0] < 30).all() and (mean[1] > 49).all()


@pytest.mark.slow
def test_a_ridge_is_added_once():
    batches = [blobs()] * 30
    ridged = OnlineEM(first=EM(ridge=0.5, memory=0))
    got, _ = followed(batches, learner=ridged)
    batch = latentia.fit(mixture(), batches[0], learner=EM(ridge=0.5, memory=0, tol=1e-9)).model
    assert_alike(got, batch, rtol=0.02, atol=0.02)


def test_the_floor_holds():
    rng = np.random.default_rng(2)
    batches = [np.column_stack([rng.normal(size=ROWS), np.ones(ROWS)]) for _ in range(4)]
    model, _ = followed(batches)
    variances = np.linalg.eigvalsh(model.likelihood.parts.covariance)
    assert np.isfinite(variances).all() and variances.min() >= 0.99e-6


def test_a_fitted_model_goes_on():
    fit = latentia.fit(mixture(), blobs())
    model, state = online_update(fit.model, state_after(1000, 2), blobs(seed=3))
    assert state.weight == 1000 + ROWS
    assert_alike(model, fit.model, rtol=0.3, atol=0.3)
    again, _ = online_update(fit.model, state_after(1000, 2), blobs(seed=3))
    assert_alike(model, again, rtol=0, atol=0)
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(model))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exponent": 0.5}, "exponent should be above 0.5"),
        ({"exponent": 1.1}, "exponent should be above 0.5"),
        ({"smallest_step": 1.5}, "smallest_step should be from 0 to 1"),
        ({"warm_up": -1.0}, "warm_up should be a weight"),
    ],
)
def test_settings_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        OnlineEM(**options)


def test_what_is_not_finite_is_refused_and_the_old_model_stays(monkeypatch):
    model, state = followed([blobs()])
    before = jax.tree.map(np.copy, model)
    broken = jax.tree.map(lambda leaf: leaf * NAN, model)
    monkeypatch.setattr(online_em, "online_step", lambda *_: (broken, 0.0))
    with pytest.raises(ValueError, match="should keep the model finite"):
        online_update(model, state, blobs(seed=1))
    assert_alike(model, before, rtol=0)
