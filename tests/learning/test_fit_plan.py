"""What a fit will take, before it is begun."""

import numpy as np
import pytest
import scipy.sparse

import latentia
from latentia import (
    DiagonalGaussian,
    Discrete,
    GaussianLatent,
    LatentVariableModel,
    LinearGaussian,
    Switch,
)
from latentia.data.parquet import parquet
from latentia.learning import fit_plan
from latentia.learning.fit_plan import _chosen, _costs
from laws.engines import write

MODEL = LatentVariableModel(Discrete(2), Switch(DiagonalGaussian(dim=3), 2))
# Seconds of a pass for nothing, for each row by the clock and of work, and to read a row.
LINE = (0.1, 4e-6, 4e-6, 1e-6)


def draws(count=20_000):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 3)) + 4 * (rng.random((count, 1)) < 0.4)


class Imagined:
    """A source of so many rows that nobody has."""

    def __init__(self, rows, width=32):
        self.rows, self.width, self.batch_rows = rows, width, 65536
        self.on_disk = True

    def partitions(self, count):
        return [self] * count


@pytest.mark.exhaustive
def test_a_pilot_tells_the_passes_of_the_fit(tmp_path):
    values = draws()
    folder = write(tmp_path / "rows", values)
    told = latentia.plan(MODEL, str(folder), rows=8192)
    found = latentia.fit(MODEL, values)
    assert told.rows == 20_000 and told.columns == 3 and told.pilot == 8192 and told.certain
    assert told.parameters == found.degrees_of_freedom and told.bytes == 20_000 * 3 * 8
    assert told.stored == sum(file.stat().st_size for file in folder.iterdir())
    # Two passes come first; the pilot's optimum is about as far away as that of all rows.
    assert abs(told.passes - 2 - found.iterations) <= 0.5 * found.iterations + 3
    assert told.seconds == told.passes * told.costs[told.engine].seconds > 0
    text = repr(told)
    assert told.engine in text and "passes" in text and "of memory each" in text


@pytest.mark.exhaustive
def test_a_quadratic_model_takes_three_passes():
    model = LatentVariableModel(GaussianLatent(1), LinearGaussian(dim=3, latent_dim=1))
    assert latentia.plan(model, draws(9000), rows=8192).passes == 3


def test_costs_are_a_line_in_the_rows_and_fall_with_the_workers():
    small, large = (_costs(Imagined(n), LINE, 8, 2, 1e12) for n in (10**6, 10**8))
    assert small["memory"].seconds == pytest.approx(0.1 + 4.0)
    assert large["stream"].seconds == pytest.approx(0.1 + 400.0)
    assert small["stream"].memory == large["stream"].memory
    many = _costs(Imagined(10**9), LINE, 50, 2, 1e12)["dask"]
    assert many.workers == 50 and many.seconds == pytest.approx(0.1 + 5e-6 * 10**9 / 50 + 0.2)


@pytest.mark.parametrize(
    ("rows", "workers", "memory", "engine"),
    [
        (10**5, 2, 8e9, "memory"),
        (10**8, 1, 2e9, "stream"),
        (10**8, 2, 4e9, "processes"),
        (10**9, 100, 8e9, "dask"),
    ],
)
def test_the_engine_is_the_simplest_of_the_quick_ones_that_fit(rows, workers, memory, engine):
    assert _chosen(_costs(Imagined(rows), LINE, workers, 2, memory), workers > 2)[0] == engine


def test_a_table_in_memory_is_not_for_workers():
    source = fit_plan.source_of(draws(100), None)
    assert set(_costs(source, LINE, 8, 2, 1e12)) == {"memory", "stream"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": 100}, "rows of plan should be a whole number of at least 8192"),
        ({"workers": 0}, "workers of plan should be a whole number of at least 1"),
        ({"memory": -1}, "memory of plan should be a number of bytes"),
    ],
)
def test_what_does_not_fit_is_one_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        latentia.plan(MODEL, draws(10), **options)


def test_columns_have_to_be_those_of_the_model():
    with pytest.raises(ValueError, match="data should have 3 columns, as the model has, but has 2"):
        latentia.plan(MODEL, draws(10)[:, :2])


def test_files_are_opened_once_more_as_they_are(tmp_path):
    source = parquet(str(write(tmp_path / "rows", draws(10))))
    assert fit_plan.source_of(source, None) is source


def test_only_engines_that_take_the_data_are_weighed():
    dask_array = pytest.importorskip("dask.array")
    sparse = fit_plan.source_of(scipy.sparse.csr_array(draws(100)), None)
    assert set(_costs(sparse, LINE, 8, 2, 1e12)) == {"memory", "stream"}
    lazy = fit_plan.source_of(dask_array.from_array(draws(100), chunks=50), None)
    assert set(_costs(lazy, LINE, 8, 2, 1e12)) == {"memory", "stream", "dask"}


def test_a_plan_with_truncation_is_for_a_mixture_in_memory(tmp_path):
    learner = latentia.EM(truncation=1e-6)
    source = parquet(str(write(tmp_path / "rows", draws(10))))
    with pytest.raises(ValueError, match="truncation of EM should be 0 for a stream"):
        latentia.plan(MODEL, source, learner=learner)
    factors = LatentVariableModel(GaussianLatent(1), LinearGaussian(dim=3, latent_dim=1))
    with pytest.raises(ValueError, match="truncation of EM should be 0 for a model that is no mix"):
        latentia.plan(factors, draws(10), learner=learner)
