"""Chains that covariates drive, against all paths one by one."""

import itertools

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import latentia
from latentia import (
    EM,
    DrivenMarkovChain,
    GaussianRegression,
    LatentVariableModel,
    PerStep,
    Poisson,
    Switch,
)
from latentia.data import Stream, parquet_sequences
from latentia.precision import precision_of

RATES = (1.0, 8.0)
START = np.array([0.7, 0.3])
INTERCEPTS = np.array([[0.0, -2.0], [-1.0, 0.0]])
SLOPES = np.array([[[0.0], [2.5]], [[-2.0], [0.0]]])


def model(columns=1):
    chain = DrivenMarkovChain(START, INTERCEPTS, SLOPES)
    return LatentVariableModel(
        chain, PerStep(Switch([Poisson(np.full(columns, rate)) for rate in RATES]), drivers=1)
    )


def series(steps, seed=0):
    u = np.random.default_rng(seed).normal(size=(steps, 1))
    return latentia.sample(model(), seed, given=u).x, u


def moves(u):
    odds = INTERCEPTS + u * SLOPES[..., 0]
    return np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)


def all_paths(x, u):
    """The joint log probability of every path."""
    out = {}
    for path in itertools.product(range(2), repeat=len(x)):
        value = np.log(START[path[0]])
        for t in range(1, len(x)):
            value += np.log(moves(u[t, 0])[path[t - 1], path[t]])
        for t, state in enumerate(path):
            if not np.isnan(x[t, 0]):
                count = x[t, 0]
                value += count * np.log(RATES[state]) - RATES[state]
                value -= np.log(np.arange(1, count + 1)).sum()
        out[path] = value
    return out


@pytest.mark.slow
def test_answers_are_those_of_all_paths():
    x, u = series(7)
    # Nothing is seen of this step, but its covariate moves the chain.
    x[3] = np.nan
    paths = all_paths(x, u)
    values = np.array(list(paths.values()))
    top = values.max()
    evidence = top + np.log(np.exp(values - top).sum())
    assert latentia.score(model(), x, given=u) == pytest.approx(evidence, rel=1e-12)
    assert tuple(latentia.map_estimate(model(), x, given=u)) == max(paths, key=paths.get)
    posterior = latentia.infer(model(), x, given=u)
    chances = np.exp(values - evidence)
    steps = np.array(list(paths))
    np.testing.assert_allclose(posterior.probabilities[:, 1], chances @ steps, atol=1e-12)
    both = np.einsum("n,nt,nt->t", chances, steps[:, :-1], steps[:, 1:])
    np.testing.assert_allclose(posterior.moments.moves[:, 1, 1], both, atol=1e-12)
    entropy = -np.sum(chances * np.log(chances))
    with precision_of(x):
        assert posterior.moments.entropy == pytest.approx(entropy, rel=1e-10)
        logs = jax.vmap(posterior.log_prob)(steps)
        drawn = jax.vmap(posterior.sample)(jax.random.split(jax.random.key(0), 4000))
    np.testing.assert_allclose(logs, values - evidence, atol=1e-10)
    np.testing.assert_allclose(
        np.asarray(drawn).mean(axis=0), posterior.probabilities[:, 1], atol=0.03
    )


@pytest.mark.exhaustive
def test_the_chain_is_found_again_and_ends_where_nothing_climbs():
    x, u = series(1500)
    halves = [x[:700], x[700:]], [u[:700], u[700:]]
    start = LatentVariableModel(
        DrivenMarkovChain(2, covariates=1), PerStep(Switch(Poisson(dim=1), 2), drivers=1)
    )
    fit = latentia.fit(start, halves[0], given=halves[1], learner=EM(tol=1e-9))
    assert fit.converged, fit.status
    assert np.diff(fit.trace).min() >= -1e-9 * abs(fit.trace[-1])
    assert fit.degrees_of_freedom == 1 + 4 + 2 and fit.weight == 1500
    order = np.argsort(fit.model.likelihood.emission.parts.rates[:, 0])
    found = fit.model.prior.slopes[order][:, order]
    np.testing.assert_allclose(found[..., 0], SLOPES[..., 0], atol=0.7)
    assert fit.log_likelihood > latentia.score(model(), *halves[:1], given=halves[1]).sum()
    for i, j in ((0, 1), (1, 0)):
        for change in (-1e-3, 1e-3):
            slopes = fit.model.prior.slopes.copy()
            slopes[i, j, 0] += change
            other = DrivenMarkovChain(fit.model.prior.start, fit.model.prior.intercepts, slopes)
            tried = LatentVariableModel(other, fit.model.likelihood)
            score = latentia.score(tried, halves[0], given=halves[1]).sum()
            assert score <= fit.log_likelihood + 1e-6


@pytest.mark.exhaustive
def test_three_states_with_a_prior_and_an_emission_with_covariates_of_its_own():
    rng = np.random.default_rng(1)
    u = rng.normal(size=(300, 3))
    chain = DrivenMarkovChain(3, covariates=2)
    emission = Switch(GaussianRegression(dim=1, covariates=1), 3)
    x = rng.integers(0, 3, (300, 1)) * 4 + u[:, :1] + 0.3 * rng.normal(size=(300, 1))
    learner = EM(pseudo_count=1.0)
    fit = latentia.fit(LatentVariableModel(chain, PerStep(emission, drivers=2)), x, given=u,
                       learner=learner)  # fmt: skip
    assert fit.converged, fit.status
    assert np.diff(fit.trace).min() >= -1e-9 * abs(fit.trace[-1])
    # The states are drawn without regard to the covariates, and a prior keeps the slopes small.
    assert np.abs(fit.model.prior.slopes).max() < 1
    drawn = latentia.sample(fit.model, 0, given=u)
    assert drawn.x.shape == (300, 1) and drawn.z.shape == (300,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DrivenMarkovChain(1, covariates=1), "at least 2 states and 1 covariate"),
        (lambda: DrivenMarkovChain(2), "at least 2 states and 1 covariate, but has 2 and 0"),
        (lambda: DrivenMarkovChain([0.5, 0.6], covariates=1), "probabilities that sum to 1"),
        (lambda: DrivenMarkovChain(2, np.zeros((3, 3)), SLOPES), "finite numbers of shape"),
        (lambda: PerStep(Switch(Poisson(dim=1), 2), drivers=-1), "drivers of PerStep"),
        (
            lambda: LatentVariableModel(
                DrivenMarkovChain(2, covariates=1), PerStep(Switch(Poisson(dim=1), 2))
            ),
            "do not fit",
        ),
        (lambda: latentia.sample(model(), 0), "given should hold the 1 covariates"),
    ],
)
def test_what_does_not_fit_is_told(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_covariate_must_be_known_at_every_step():
    x, u = series(6)
    x[2], u[2] = np.nan, np.nan
    with pytest.raises(ValueError, match="row 2 has one"):
        latentia.score(model(), x, given=u)


@pytest.mark.exhaustive
def test_single_precision_stays_that_where_jax_computes_in_double():
    x, u = series(40)
    narrow = jax.tree.map(lambda leaf: leaf.astype(np.float32), model())
    learner = EM(max_iter=3)
    with jax.enable_x64(True):
        fit = latentia.fit(
            narrow, x.astype(np.float32), given=u.astype(np.float32), learner=learner
        )
    assert {leaf.dtype for leaf in jax.tree.leaves(fit.model)} == {np.dtype(np.float32)}


def in_files(folder, count):
    """Sequences of 30 steps, of some of which nothing is observed: in memory, and as a stream."""
    rng = np.random.default_rng(3)
    x, u = (
        rng.poisson(rng.choice(RATES, (30 * count, 1))).astype(float),
        rng.normal(size=30 * count),
    )
    x[10:14] = x[30] = np.nan
    table = pa.table({"id": np.repeat(np.arange(count), 30), "x": x[:, 0], "u": u})
    pq.write_table(table, folder / "rows.parquet", row_group_size=1000)
    stream = parquet_sequences(folder / "rows.parquet", "id", given=["u"], batch_rows=700)
    return x.reshape(-1, 30, 1), u.reshape(-1, 30, 1), stream


def test_files_keep_what_drives_a_step_of_which_nothing_is_observed(tmp_path):
    x, u, stream = in_files(tmp_path, 2)
    for source in (stream.driven(), *stream.driven().partitions(2)):
        assert not np.isnan(next(source.batches())[0][:, 1]).any()
    rows = np.concatenate([values for values, _ in stream.driven().batches()])
    np.testing.assert_array_equal(rows, np.concatenate([x, u], axis=2).reshape(-1, 2))


@pytest.mark.exhaustive
@pytest.mark.parametrize("count", [2, 400])
def test_files_are_asked_about_and_fitted_as_sequences_in_memory(tmp_path, count):
    x, u, stream = in_files(tmp_path, count)
    found = np.concatenate(list(latentia.score(model(), stream)))
    np.testing.assert_allclose(found, latentia.score(model(), x, given=u), rtol=1e-12)
    learner = EM(start="given", max_iter=4)
    expected = latentia.fit(model(), x, given=u, learner=learner)
    found = latentia.fit(model(), stream, learner=learner, engine=Stream(2))
    np.testing.assert_allclose(found.trace, expected.trace, rtol=1e-10)


def test_files_in_which_a_driver_is_missing_are_refused(tmp_path):
    table = pa.table({"id": [1, 1], "x": [1.0, np.nan], "u": [0.5, np.nan]})
    pq.write_table(table, tmp_path / "rows.parquet")
    stream = parquet_sequences(tmp_path / "rows.parquet", "id", given=["u"])
    with pytest.raises(ValueError, match="given should have no missing values, but row 1"):
        latentia.fit(model(), stream)
