import jax
import numpy as np
import pytest

from latentia.data import keeping
from latentia.data.interface import Units
from latentia.data.keeping import kept_blocks
from latentia.data.reading import blocks_of
from latentia.data.table_rows import TableRows

VALUES = np.random.default_rng(0).normal(size=(2500, 2))
SOURCE = TableRows(VALUES, batch_rows=1000)
UNITS = Units(np.zeros(2), np.ones(2))


@pytest.fixture(autouse=True)
def empty(monkeypatch):
    monkeypatch.setattr(keeping, "_kept", {})


@pytest.fixture
def reads(monkeypatch):
    done = []

    def counted(*arguments):
        done.append(1)
        return blocks_of(*arguments)

    monkeypatch.setattr(keeping, "blocks_of", counted)
    return done


def ask(units=UNITS, room=10**9, source=SOURCE):
    with jax.enable_x64(True):
        return jax.device_get(list(kept_blocks(source, units, room)))


def assert_same(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_second_pass_reads_nothing_and_is_the_same(reads):
    first = ask()
    assert_same(first, list(blocks_of(SOURCE, UNITS)))
    assert_same(ask(), first)
    assert len(reads) == 1


def test_other_units_and_other_data_are_read_and_the_old_are_let_go(reads):
    ask()
    other = Units(np.ones(2), np.ones(2))
    assert_same(ask(other), list(blocks_of(SOURCE, other)))
    ask(other, source=TableRows(VALUES + 1, batch_rows=1000))
    assert len(reads) == 3 and len(keeping._kept) == 2


def test_no_more_is_kept_than_there_is_room_for(reads):
    one = sum(array.nbytes for data in blocks_of(SOURCE, UNITS) for array in data)
    parts = SOURCE.partitions(2)
    for _ in range(2):
        for part in parts:
            assert_same(ask(room=int(0.7 * one), source=part), list(blocks_of(part, UNITS)))
    # The second part is read in both passes.
    assert len(reads) == 3 and len(keeping._kept) == 1


def test_a_pass_that_is_broken_off_keeps_nothing():
    with jax.enable_x64(True):
        passing = kept_blocks(SOURCE, UNITS, 10**9)
        next(passing)
        passing.close()
    assert not keeping._kept
