"""Forward-backward against the sum over all paths, and its quick forms against its plain one."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from latentia.latents.forward_backward import forward_backward, log_forward_backward
from latentia.latents.scaled_recursions import cut, joined, pieces_of, scaled
from latentia.precision import precision_of


def chain(states, steps, seed, *, varying=False, zeros=0.0):
    rng = np.random.default_rng(seed)
    size = (steps - 1, states) if varying else states
    moves = rng.dirichlet(np.ones(states), size)
    moves = np.where(rng.random(moves.shape) < zeros, 0.0, moves) + 1e-300
    moves = np.where(moves < 1e-200, 0.0, moves / moves.sum(-1, keepdims=True))
    return rng.dirichlet(np.ones(states)), moves, rng.normal(size=(steps, states))


def enumerated(start, moves, values):
    """Evidence, smoothed states and expected moves from all K^T paths."""
    steps, states = values.shape
    paths = np.array(list(itertools.product(range(states), repeat=steps)))
    each = np.broadcast_to(moves, (steps - 1, states, states))
    with np.errstate(divide="ignore"):
        joint = np.log(start)[paths[:, 0]] + values[0, paths[:, 0]]
        for t in range(1, steps):
            joint = joint + np.log(each[t - 1])[paths[:, t - 1], paths[:, t]]
            joint = joint + values[t, paths[:, t]]
    evidence = np.logaddexp.reduce(joint)
    share = np.exp(joint - evidence)
    smoothed = np.stack([np.bincount(p, share, states) for p in paths.T])
    both = np.zeros((steps - 1, states, states))
    for t in range(steps - 1):
        np.add.at(both[t], (paths[:, t], paths[:, t + 1]), share)
    return evidence, smoothed, both if moves.ndim == 3 else both.sum(axis=0)


def assert_same(got, expected, tolerance=1e-10):
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("size", "varying"),
    [
        (1.0, True),
        pytest.param(2000.0, False, marks=pytest.mark.slow),
        pytest.param(1.0, False, marks=pytest.mark.exhaustive),
        pytest.param(2000.0, True, marks=pytest.mark.exhaustive),
    ],
)
def test_all_paths(varying, size):
    """With evidence of thousands of nats the scaled form loses what the plain one finds."""
    for seed in range(3):
        start, moves, values = chain(3, 5, seed, varying=varying, zeros=0.3)
        values = values * size
        expected = enumerated(start, moves, values)
        with precision_of(values):
            for method in (log_forward_backward, forward_backward):
                found = method(start, moves, values)
                got = found.log_evidence, found.smoothed, found.moves
                assert_same(got, expected, 1e-9)
            many = jax.vmap(forward_backward, (None, None, 0))(start, moves, np.stack([values] * 2))
            assert_same((many.log_evidence[1], many.smoothed[1], many.moves[1]), expected, 1e-9)


def test_one_step_is_a_mixture():
    start, moves, values = chain(3, 2, 0)
    with precision_of(values):
        found = forward_backward(start, moves, values[:1])
    expected = np.logaddexp.reduce(np.log(start) + values[0])
    assert_same((found.log_evidence,), (expected,))
    assert (np.asarray(found.moves) == 0).all()


@pytest.mark.exhaustive
@pytest.mark.parametrize("sticky", [0.0, 0.999])
def test_pieces_of_a_long_sequence_are_the_whole(sticky):
    start, moves, values = chain(4, 5003, 1)
    moves = sticky * np.eye(4) + (1 - sticky) * moves
    with precision_of(values):
        plain = log_forward_backward(start, moves, values)
        pieces = pieces_of(1, 5003, False)
        assert pieces > 1
        lanes = cut(jnp.asarray(values[None]), pieces)
        counted = cut(jnp.ones((1, 5003, 1), bool).at[0, -1].set(False), pieces)
        found = scaled(jnp.asarray(start[:, None]), jnp.asarray(moves), lanes, counted, pieces)
        assert bool(found.safe)
        smoothed = joined(found.smoothed, pieces, 5003)[0]
        assert_same((found.log_evidence[0], smoothed), (plain.log_evidence, plain.smoothed))
        assert_same((found.moves[..., 0] / 5003,), (plain.moves / 5003,))


def test_gradients_are_the_moments():
    start, moves, values = chain(3, 6, 2)
    with precision_of(values):
        found = forward_backward(start, moves, values)
        slope = jax.grad(lambda v: forward_backward(start, moves, v).log_evidence)(values)
        by_move = jax.grad(lambda a: forward_backward(start, a, values).log_evidence)(moves)
    assert_same((slope, np.asarray(by_move) * moves), (found.smoothed, found.moves))


@pytest.mark.slow
def test_a_long_chain_in_float32():
    """A million steps; the sum of so many logarithms must not drift."""
    start, moves, values = chain(3, 2, 3)
    values = np.random.default_rng(3).normal(size=(1_000_000, 3)) * 2
    with precision_of(values):
        wide = jax.jit(forward_backward)(start, moves, values).log_evidence
    narrow = [a.astype(np.float32) for a in (start, moves, values)]
    assert float(jax.jit(forward_backward)(*narrow).log_evidence) == pytest.approx(
        float(wide), rel=1e-4
    )


def test_moves_after_the_last_evidence_are_not_counted():
    start, moves, values = chain(3, 6, 4)
    padded = np.concatenate([values, np.zeros((5, 3))])
    with precision_of(values):
        short, long = (forward_backward(start, moves, v) for v in (values, padded))
    assert_same((long.log_evidence, long.moves), (short.log_evidence, short.moves))
    assert_same((long.smoothed[:6],), (short.smoothed,))


def test_an_impossible_step_has_no_evidence_and_no_nan():
    start, moves, values = chain(3, 6, 5)
    values[2] = -np.inf
    with precision_of(values):
        found = forward_backward(start, moves, values)
    assert float(found.log_evidence) == -np.inf
    assert np.isfinite(np.asarray(found.moves)).all()
    np.testing.assert_allclose(np.asarray(found.smoothed).sum(axis=1), 1)
