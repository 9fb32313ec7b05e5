"""The total is additive, order-free and partition-free, on every engine."""

from contextlib import closing

import jax
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from latentia.data import parquet
from latentia.data.dask_cluster import Dask
from latentia.data.stream import Stream
from latentia.learning.expectation import expectations
from latentia.typing import Form
from laws.engines import (
    CENTRE,
    MODEL,
    SCALE,
    UNITS,
    in_processes,
    local_engines,
    on_two_devices,
    rows,
    write,
)

VALUES, WEIGHT = rows()
NAMES = [
    "memory",
    "stream",
    "mesh",
    "dask",
    pytest.param("dask processes", marks=pytest.mark.slow),
    pytest.param("processes", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module")
def make():
    """The engine of a name with so many partitions; clusters live as long as the file's tests."""
    clients = {}

    def client(processes):
        from distributed import Client

        if processes not in clients:
            clients[processes] = Client(
                processes=processes,
                n_workers=2,
                threads_per_worker=1,
                dashboard_address=":0",
                set_as_default=False,
            )
        return clients[processes]

    def engine(name, partitions):
        if name.startswith("dask"):
            return Dask(client("processes" in name), partitions=partitions)
        if name == "processes":
            return in_processes(partitions)
        return local_engines(partitions)[name]

    yield engine
    for each in clients.values():
        each.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("rows"), VALUES, WEIGHT)


def total(engine, source, model=MODEL):
    with closing(engine.open(source)) as data:
        return data.total(expectations, model, UNITS, form=Form.COMPLETE, labelled=False)


def opened(folder):
    return parquet(folder, weights="w", batch_rows=700)


def assert_equal(one, other, rtol=1e-12):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert type(a) is type(b) and a.dtype == np.float64
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(a).max())


def log_likelihood():
    """By scipy."""
    parts = MODEL.likelihood.parts
    densities = [
        multivariate_normal.logpdf((VALUES - CENTRE) / SCALE, mean, covariance)
        for mean, covariance in zip(parts.mean, parts.covariance, strict=True)
    ]
    return WEIGHT @ logsumexp(densities, axis=0, b=MODEL.prior.weights[:, None])


@pytest.mark.parametrize("name", NAMES)
def test_total_is_that_of_scipy(make, folder, name):
    found = total(make(name, 3), opened(folder))
    np.testing.assert_allclose(found.log_likelihood, log_likelihood(), rtol=1e-11)


@pytest.mark.parametrize("name", NAMES)
def test_total_is_additive(make, folder, name):
    engine = make(name, 2)
    parts = [total(engine, part) for part in opened(folder).partitions(2)]
    both = jax.tree.map(lambda one, other: np.asarray(one + other), *parts)
    assert_equal(both, total(engine, opened(folder)))


@pytest.mark.parametrize("name", NAMES)
def test_total_is_order_free(make, folder, tmp_path, name):
    order = np.random.default_rng(5).permutation(len(VALUES))
    shuffled = write(tmp_path / "shuffled", VALUES[order], WEIGHT[order], files=2)
    assert_equal(total(make(name, 2), opened(shuffled)), total(make(name, 2), opened(folder)))


@pytest.mark.parametrize("name", NAMES)
def test_total_is_partition_free(make, folder, name):
    source = opened(folder)
    once = total(make(name, 1), source)
    for partitions in (2, 5):
        assert_equal(total(make(name, partitions), source), once)


@pytest.mark.parametrize("name", NAMES)
def test_equal_partitions_give_equal_bits(make, folder, name):
    source, engine = opened(folder), make(name, 4)
    first = total(engine, source)
    for again in (total(engine, source), total(make(name, 4), opened(folder))):
        assert_equal(first, again, rtol=0)
    if name not in ("memory", "mesh"):
        # Wherever the sums are made.
        assert_equal(first, total(Stream(4), source), rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_gathered_is_in_the_order_of_the_partitions(make, folder, name):
    # Inside, so that it is sent to processes which cannot import this file.
    def task(part, argument):
        return part.rows, argument

    with closing(make(name, 4).open(opened(folder))) as data:
        found = data.gather(task, list(range(data.count)))
        assert [argument for _, argument in found] == list(range(data.count))
        assert sum(count for count, _ in found) == len(VALUES)


@pytest.mark.exhaustive
def test_two_devices_sum_as_one_does():
    code = """
        import jax, numpy as np
        from latentia.data.mesh import Mesh
        from latentia.data.table_rows import TableRows
        from latentia.learning.expectation import expectations
        from latentia.typing import Form
        from laws.engines import MODEL, UNITS, rows

        assert len(jax.devices()) == 2
        # Two blocks for one device, and one for the other.
        source = TableRows(*(each[:1100] for each in rows()))
        sums = [
            Mesh(tuple(jax.devices()[:n])).open(source).total(
                expectations, MODEL, UNITS, form=Form.COMPLETE, labelled=False
            )
            for n in (1, 2)
        ]
        for one, two in zip(*map(jax.tree.leaves, sums), strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-12 * abs(one).max())
    """
    on_two_devices(code)
