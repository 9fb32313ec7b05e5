"""Markov chains as priors: what the laws do not ask."""

import numpy as np
import pytest

import latentia
from latentia import DiagonalGaussian, LatentVariableModel, MarkovChain, PerStep, Poisson, Switch
from latentia.data import sequences

MOVES = np.array([[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.3, 0.0, 0.7]])


def poisson_model(start=3, moves=None, **options):
    parts = Switch([Poisson(np.array([rate])) for rate in (1.0, 6.0, 20.0)])
    return LatentVariableModel(MarkovChain(start, moves, **options), PerStep(parts))


def test_forbidden_moves_stay_forbidden():
    model = poisson_model(np.array([1.0, 0, 0]), MOVES, length=300)
    x = latentia.sample(model, 0).x
    fit = latentia.fit(model, x)
    assert (fit.model.prior.transitions[MOVES == 0] == 0).all()
    assert (fit.model.prior.start == [1, 0, 0]).all()
    # One free transition in each row, no start, three rates.
    assert fit.degrees_of_freedom == 3 + 3


def test_a_stationary_chain_begins_where_it_ends():
    model = poisson_model(None, MOVES)
    np.testing.assert_allclose(model.prior.shares() @ MOVES, model.prior.shares(), atol=1e-6)
    np.testing.assert_allclose(model.prior.first, model.prior.shares(), atol=1e-6)


@pytest.mark.slow
def test_sequences_in_every_shape_are_the_same():
    model = poisson_model(np.full(3, 1 / 3), MOVES, length=20)
    x = latentia.sample(model, 1, 4).x
    table = sequences(np.concatenate(x), [20] * 4)
    scores = latentia.score(model, x)
    np.testing.assert_allclose(latentia.score(model, list(x)), scores, rtol=1e-12)
    np.testing.assert_allclose(latentia.score(model, table), scores, rtol=1e-12)
    assert latentia.score(model, x[2]) == pytest.approx(scores[2], rel=1e-12)
    # Ragged: each as it is alone, and paths as long as their sequences.
    ragged = [x[0], x[1][:7], x[2][:1], x[3][:13]]
    alone = [latentia.map_estimate(model, one) for one in ragged]
    for path, other in zip(latentia.map_estimate(model, ragged), alone, strict=True):
        np.testing.assert_array_equal(path, other)
    posteriors = latentia.infer(model, ragged)
    assert [len(p.probabilities) for p in posteriors] == [20, 7, 1, 13]
    padded = np.full((1, 20, 1), np.nan)
    padded[0, :7] = x[1][:7]
    assert latentia.score(model, padded)[0] == pytest.approx(posteriors[1].log_evidence)


@pytest.mark.exhaustive
def test_fits_know_weights_lengths_labels_and_gaps():
    model = poisson_model(np.full(3, 1 / 3), MOVES, length=40)
    drawn = latentia.sample(model, 2, 6)
    x = [drawn.x[i][: 40 - 5 * i].copy() for i in range(6)]
    x[0][3:6] = np.nan
    twice = latentia.fit(model, [*x, x[0]])
    weighted = latentia.fit(model, x, weights=[2, 1, 1, 1, 1, 1])
    assert weighted.log_likelihood == pytest.approx(twice.log_likelihood, abs=1e-4)
    assert weighted.weight == sum(map(len, x)) + 40 - 6
    labels = [drawn.z[i][: 40 - 5 * i] for i in range(6)]
    known = latentia.fit(model, x, labels=labels)
    counts = np.zeros((3, 3))
    for path in labels:
        np.add.at(counts, (path[:-1], path[1:]), 1)
    expected = counts / counts.sum(axis=1, keepdims=True)
    # A step without evidence is labelled as well.
    np.testing.assert_allclose(known.model.prior.transitions, expected, atol=1e-8)


def test_well_separated_states_lose_nothing():
    """A forced detour of a thousand nats: the scaled recursions underflow, the answer does not."""
    moves = np.array([[0.5, 0.5, 0], [0, 0.5, 0.5], [0, 0, 1.0]])
    parts = [DiagonalGaussian(np.array([m]), np.array([1.0])) for m in (0.0, 60.0, 120.0)]
    model = LatentVariableModel(MarkovChain(np.array([1.0, 0, 0]), moves), PerStep(Switch(parts)))
    x = np.array([[0.0], [60.0], [0.0], [0.0], [0.0], [120.0]])
    best = -0.5 * (60**2 * 1 + 60**2) - 3 * np.log(2 * np.pi)
    assert latentia.score(model, x) == pytest.approx(
        np.logaddexp.reduce([_path(x, p) for p in _forward_paths(6)]), rel=1e-12
    )
    assert latentia.score(model, x) > 2 * best


def _forward_paths(steps):
    return [
        [0] * i + [1] * (j - i) + [2] * (steps - j)
        for i in range(1, steps + 1)
        for j in range(i, steps + 1)
        if j > i or j == steps == i
    ]


def _path(x, states):
    means = np.array([0.0, 60.0, 120.0])[states]
    density = -0.5 * ((x[:, 0] - means) ** 2 + np.log(2 * np.pi)).sum()
    moves = sum(
        np.log(1.0 if a == b == 2 else 0.5) for a, b in zip(states, states[1:], strict=False)
    )
    return density + moves


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MarkovChain(0), "should be the number of states"),
        (lambda: MarkovChain(np.array([0.5, 0.4])), "start of MarkovChain should be prob"),
        (lambda: MarkovChain(2, np.array([[0.5, 0.5], [0.4, 0.5]])), "row 1 of transitions"),
        (lambda: MarkovChain(2, np.eye(3)), r"should have the shape \(2, 2\)"),
        (lambda: MarkovChain(np.array([0.5, 0.5]), stationary=True), "leave one of the two out"),
        (lambda: MarkovChain(2, length=0), "length of MarkovChain"),
        (lambda: PerStep(Poisson(dim=1)), "emission of PerStep should be a likelihood"),
        (lambda: LatentVariableModel(MarkovChain(2), Switch(Poisson(dim=1), 2)), "do not fit"),
        (lambda: sequences(np.ones((5, 1)), [2, 2]), "should sum to the 5 rows"),
        (lambda: sequences(np.ones((5, 1)), [5, 0]), "at least 1"),
        (lambda: latentia.fit(poisson_model(), []), "should hold a sequence"),
        (lambda: latentia.fit(poisson_model(), [np.ones((2, 1)), np.ones((0, 1))]), "is empty"),
        (lambda: latentia.fit(poisson_model(), [np.ones((2, 1)), np.ones((2, 2))]), "same columns"),
        (lambda: latentia.fit(poisson_model(), np.full((4, 1), np.nan)), "all missing"),
        (lambda: latentia.fit(poisson_model(), -np.ones((4, 1))), "has probability 0"),
        (lambda: latentia.fit(poisson_model(), np.ones((4, 1)), labels=[0, 1, 3, 0]), "one is 3"),
    ],
)
def test_what_does_not_fit_is_told(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
