import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentia.data.sequences import GROUPS, SLIGHT, Sequences, sequence_groups, sequences


def of_lengths(lengths):
    count = int(np.sum(lengths))
    return Sequences(np.arange(count, dtype=float)[:, None], np.asarray(lengths))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=40))
def test_groups_hold_every_sequence_once(lengths):
    data = of_lengths(lengths)
    groups = sequence_groups(data)
    assert len(groups) <= GROUPS
    assert sorted(np.concatenate([group.rows for group in groups]).tolist()) == list(
        range(len(lengths))
    )
    for group in groups:
        x = np.asarray(group.blocks.x)[..., 0].reshape(-1, group.blocks.x.shape[2])
        for place, row in enumerate(group.rows):
            start, length = data.starts[row], lengths[row]
            assert np.array_equal(x[place, :length], np.arange(start, start + length))
            assert np.isnan(x[place, length:]).all()


def test_few_steps_are_one_program_and_many_are_not_filled_up():
    assert len(sequence_groups(of_lengths([30, 60, 90, 170, 200]))) == 1
    lengths = [100] * 400 + [1000] * 10
    assert SLIGHT < 400 * 900
    groups = sequence_groups(of_lengths(lengths))
    assert sorted(len(group.rows) for group in groups) == [10, 400]
    wild = np.random.default_rng(0).integers(1, 5000, 400)
    assert len(sequence_groups(of_lengths(wild))) <= GROUPS


def test_lengths_that_do_not_fit_are_told():
    table = np.zeros((6, 2))
    with pytest.raises(ValueError, match="should sum to the 6 rows"):
        sequences(table, [2, 3])
    with pytest.raises(ValueError, match="whole numbers of at least 1"):
        sequences(table, [6, 0])
