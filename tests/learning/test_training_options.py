"""How a training may be run: on several devices, in half precision, from a stream."""

import subprocess
import sys

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import latentia as lt
from latentia.networks import MLP

SHARED = """
import sys
import numpy as np
import latentia as lt
from latentia.networks import MLP
import jax
assert len(jax.devices()) == 2
x = np.random.default_rng(0).normal(size=(64, 5)).astype("f4")
likelihood = lt.Neural(MLP(2, 5, (8,)), lt.GaussianOutput(), 5, 2)
model = lt.LatentVariableModel(lt.GaussianLatent(2), likelihood, lt.Amortized(MLP(5, 4, (8,))))
traces = []
for devices in (1, 2):
    learner = lt.StochasticGradient(epochs=3, batch=16, held_out=0.25, devices=devices)
    fit = lt.fit(model, x, learner=learner)
    traces.append([(row.bound, row.rate, row.held_out) for row in fit.epochs])
one, two = np.asarray(traces)
# float32 rounds in proportion to the numbers.
print(np.abs((two - one) / one).max(), np.ptp(one) / np.abs(one).max())
saved = lt.StochasticGradient(
    epochs=3, batch=16, held_out=0.25, devices=2, checkpoint=sys.argv[1]
)

def stop(row):
    if row.epoch == 1:
        raise KeyboardInterrupt

try:
    saved.fit(model, x, None, 0, watch=stop)
except KeyboardInterrupt:
    resumed = lt.fit(model, x, learner=saved)
pairs = zip(jax.tree.leaves(resumed.model), jax.tree.leaves(fit.model), strict=True)
print(all((a == b).all() for a, b in pairs))
try:
    lt.fit(model, x, learner=lt.StochasticGradient(batch=15, devices=2))
except ValueError as error:
    print(error)
try:
    lt.fit(model, x, learner=lt.StochasticGradient(batch=16, devices=3))
except ValueError as error:
    print(error)
"""


@pytest.mark.exhaustive
def test_two_devices_share_every_batch_and_lose_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    told = subprocess.run(
        [sys.executable, "-c", SHARED, str(tmp_path / "state")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    numbers, resumed, odd, many = told.splitlines()
    assert resumed == "True"
    gap, spread = map(float, numbers.split())
    assert gap < 1e-5 < spread
    assert "multiple of 2" in odd and "at most 2" in many


def rows(n=600):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(n, 2))
    return (z @ rng.normal(size=(2, 5)) + 0.5 * rng.normal(size=(n, 5))).astype("f4")


def model():
    likelihood = lt.Neural(MLP(2, 5, ()), lt.GaussianOutput(), 5, 2, unit=1.0)
    return lt.LatentVariableModel(lt.GaussianLatent(2), likelihood, lt.Amortized(MLP(5, 4, ())))


def table(path, x):
    columns = {f"c{i}": column for i, column in enumerate(x.T)}
    pq.write_table(pa.table(columns), path, row_group_size=50)
    return lt.data.parquet(path)


@pytest.mark.slow
def test_a_stream_is_learned_from_and_a_killed_training_of_it_resumes_to_the_same_bits(tmp_path):
    stream = table(tmp_path / "rows.parquet", rows(610))
    options = {"epochs": 3, "batch": 40, "held_out": 0.2, "rows_at_once": 160}
    whole = lt.fit(model(), stream, learner=lt.StochasticGradient(**options), key=3)
    assert whole.epochs[-1].held_out > whole.epochs[0].held_out
    # Eight blocks of 20 are together in memory; a fifth of all blocks is held out, at most eight.
    assert whole.weight in (610 - 7 * 20, 610 - 6 * 20 - 10)
    path = str(tmp_path / "training")
    learner = lt.StochasticGradient(**options, checkpoint=path)

    def stop(row):
        if row.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learner.fit(model(), stream, None, 3, watch=stop)
    resumed = lt.fit(model(), stream, learner=learner, key=3)
    assert len(resumed.epochs) == 3
    for a, b in zip(jax.tree.leaves(resumed.model), jax.tree.leaves(whole.model), strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_row_of_a_stream_is_seen_once_in_an_epoch_and_never_one_that_is_held_out(tmp_path):
    from latentia.learning.feeding import StreamFeed
    from latentia.learning.row_streams import Streamed

    x = np.repeat(np.arange(333.0)[:, None], 5, axis=1)
    stream = Streamed(model(), table(tmp_path / "rows.parquet", x), 0.25, 64, 0)
    feed = StreamFeed(stream.take, stream.blocks, stream.at_once, 16, 0, lambda tree: tree)
    held = stream.held()[0][:, 0]
    orders = []
    for epoch in range(2):
        seen, steps = [], 0
        for chunk in feed.chunks(jax.random.key(0), epoch):
            order = np.asarray(chunk.order).ravel()
            seen += list(np.asarray(chunk.data[0])[order[order >= 0], 0])
            assert np.asarray(chunk.data[1])[order[order >= 0]].min() == 1
            steps += len(chunk.order)
        assert steps == feed.steps and len(seen) == feed.rows
        np.testing.assert_array_equal(np.sort([*seen, *held]), np.arange(333))
        orders.append(seen)
    assert orders[0] != orders[1]


@pytest.mark.exhaustive
def test_a_folder_of_images_is_a_stream(tmp_path):
    from matplotlib.image import imsave

    rng = np.random.default_rng(0)
    for i in range(40):
        image = np.clip(rng.normal(0.5, 0.1, size=(4, 4, 3)) + 0.3 * (i % 2), 0, 1)
        imsave(tmp_path / f"{i:02}.png", image)
    folder = lt.data.image_folder(tmp_path)
    assert len(folder) == 40 and folder.shape == (4, 4, 3)
    likelihood = lt.Neural(MLP(2, 48, (8,)), lt.GaussianOutput(), folder.shape, 2)
    built = lt.LatentVariableModel(lt.GaussianLatent(2), likelihood, lt.Amortized(MLP(48, 4, ())))
    learner = lt.StochasticGradient(epochs=20, batch=8, rows_at_once=16, learning_rate=0.01)
    fit = lt.fit(built, tmp_path, learner=learner)
    assert fit.epochs[-1].bound > fit.epochs[0].bound + 1
    imsave(tmp_path / "40.png", np.zeros((5, 4, 3)))
    with pytest.raises(ValueError, match="of one size"):
        lt.data.image_folder(tmp_path).take(np.array([40]))


@pytest.mark.exhaustive
def test_half_precision_of_networks_keeps_parameters_and_bounds_wide():
    learner = lt.StochasticGradient(epochs=3, batch=100, compute="bfloat16", held_out=0.25)
    wide = lt.StochasticGradient(epochs=3, batch=100, held_out=0.25)
    low, full = (lt.fit(model(), rows(400), learner=one, key=1) for one in (learner, wide))
    assert {leaf.dtype for leaf in jax.tree.leaves(low.model)} == {np.dtype("float32")}
    gap = abs(low.epochs[-1].bound - full.epochs[-1].bound)
    # Eight bits of a number are left, and the bound is that of nearly the same weights.
    assert 0 < gap < 0.05


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compute": "float16"}, "compute should be"),
        ({"devices": -1}, "devices should be"),
        ({"rows_at_once": 0}, "rows_at_once of StochasticGradient"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        lt.StochasticGradient(**options)


def test_paths_are_opened_as_streams(tmp_path):
    from latentia.learning.row_streams import opened

    table(tmp_path / "rows.parquet", np.column_stack([rows(50), np.ones(50)]))
    stream, weights = opened(str(tmp_path / "rows.parquet"), "c5")
    assert stream.width == 5 and stream.weights == "c5" and weights is None
    assert opened([[1.0]], None) == ([[1.0]], None)


def test_what_cannot_be_read_in_any_order_is_refused(tmp_path):
    (tmp_path / "rows.csv").write_text("c0,c1,c2,c3,c4\n1,2,3,4,5\n")
    for data in (str(tmp_path / "rows.csv"), lt.data.csv(tmp_path / "rows.csv")):
        with pytest.raises(ValueError, match="data should be an array, a folder of images"):
            lt.fit(model(), data)
    table(tmp_path / "rows.parquet", np.column_stack([rows(50), np.ones(50)]))
    with pytest.raises(ValueError, match="labels should be None where the stream is opened"):
        lt.fit(model(), lt.data.parquet(tmp_path / "rows.parquet", labels="c5"))


def test_streams_have_no_weights_beside_them(tmp_path):
    stream = table(tmp_path / "rows.parquet", rows(50))
    with pytest.raises(ValueError, match="weights should be None"):
        lt.fit(model(), stream, weights=np.ones(50))


def test_the_bar_tells_of_every_epoch(capsys):
    from latentia.learning.bound_fit import Epoch
    from latentia.learning.progress import shown, told

    row = Epoch(0, -12.5, 10.0, 2.5, -13.0, 2, 0.1)
    assert told(row) == "bound -12.5, held out -13, distortion 10, rate 2.5, active 2"
    assert told(row._replace(held_out=float("nan"), active=-1)).endswith("10, rate 2.5")
    with shown(3, lambda row: row.epoch == 0) as watch:
        assert watch(row) is True
    assert "rate 2.5" in capsys.readouterr().err.replace("\n", " ")
