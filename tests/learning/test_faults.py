"""What can go wrong in the middle of a fit: the same numbers as without, or one clear sentence."""

import errno
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import latentia
from latentia import EM, DiagonalGaussian, Discrete, LatentVariableModel, Switch
from latentia.data.dask_cluster import Dask
from latentia.data.processes import Processes
from latentia.data.recovery import EngineError, Recovery
from latentia.data.stream import Stream
from laws.engines import rows, write

VALUES, WEIGHT = rows()
MIXTURE = LatentVariableModel(Discrete(2), Switch(DiagonalGaussian(dim=3), 2))


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "rows", VALUES, WEIGHT)


def fit(folder, engine, **options):
    learner = EM(n_init=2, max_iter=6, tol=1e-13, **options)
    return latentia.fit(MIXTURE, str(folder), weights="w", learner=learner, engine=engine)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return fit(write(tmp_path_factory.mktemp("whole"), VALUES, WEIGHT), Stream(4))


def truncated(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def other_schema(path):
    pq.write_table(pa.table({"y": np.arange(7.0)}), path)


@pytest.mark.parametrize(
    "engine", ["stream", "dask", pytest.param("processes", marks=pytest.mark.exhaustive)]
)
@pytest.mark.parametrize(
    ("harm", "error", "message"),
    [
        (truncated, ValueError, "001.parquet' .*: (restore it|call latentia.data.parquet again)"),
        (os.unlink, FileNotFoundError, "No such file .*001.parquet"),
        (other_schema, ValueError, "001.parquet' was changed after it was opened: call"),
    ],
)
def test_a_file_that_breaks_is_one_sentence_and_a_checkpoint_goes_on(
    folder, tmp_path, at_pass, client, undisturbed, engine, harm, error, message
):
    # A worker that keeps its data would not notice.
    engine = {
        "stream": lambda: Stream(4),
        "dask": lambda: Dask(client, partitions=4, keep=0),
        "processes": lambda: Processes(workers=2, partitions=4, keep=0),
    }[engine]()
    path = folder / "001.parquet"
    shutil.copy2(path, tmp_path / "copy")
    checkpoint = str(tmp_path / "fit.safetensors")
    at_pass(2, lambda: harm(path))
    with pytest.raises(error, match=message):
        fit(folder, engine, checkpoint=checkpoint)
    shutil.copy2(tmp_path / "copy", path)
    resumed = fit(folder, engine, checkpoint=checkpoint)
    np.testing.assert_array_equal(resumed.trace, undisturbed.trace)


def test_lost_workers_are_asked_again_and_given_more_time():
    asked, restarts = [], []

    def work(seconds):
        asked.append(seconds)
        if len(asked) < 4:
            raise TimeoutError
        return "done"

    recovery = Recovery((TimeoutError,), 2.0, lambda: restarts.append(1))
    assert recovery.run("a", work) == "done" and len(restarts) == 3
    # Work that was never done may take long; after that it is known how long.
    assert asked == [600, 1200, 2400, 4800]
    recovery.run("a", work)
    assert asked[-1] == 2.0


def test_errors_of_the_work_itself_are_not_tried_again():
    calls = []

    def work(seconds):
        calls.append(seconds)
        raise ValueError("bad data")

    with pytest.raises(ValueError, match="bad data"):
        Recovery((TimeoutError,), 1.0, lambda: None).run("a", work)
    assert len(calls) == 1


def test_workers_that_are_always_lost_are_one_sentence():
    def work(seconds):
        raise TimeoutError

    def restart():
        raise TimeoutError

    with pytest.raises(EngineError, match="The workers were lost 6 times in one pass"):
        Recovery((TimeoutError,), 1.0, restart).run("a", work)


def workers():
    """The processes that compute, of this process."""
    here = psutil.Process()
    names = [(p, " ".join(p.cmdline())) for p in here.children(recursive=True)]
    kinds = ("spawn_main", "loky.backend.popen_loky_posix")
    return [p for p, name in names if any(k in name for k in kinds)]


def one(sign):
    workers()[-1].send_signal(sign)


def all_of_them(sign):
    for worker in workers():
        worker.send_signal(sign)


def trials():
    """Every engine, signal, number of kept rows and victims; one kill and one freeze are slow."""
    chosen = [(Dask, signal.SIGKILL, 10**9, all_of_them), (Processes, signal.SIGSTOP, 10**9, one)]
    kinds, signs = (Dask, Processes), (signal.SIGKILL, signal.SIGSTOP)
    for trial in itertools.product(kinds, signs, (0, 10**9), (one, all_of_them)):
        marks = pytest.mark.slow if trial in chosen else pytest.mark.exhaustive
        yield pytest.param(*trial, marks=marks)


@pytest.mark.parametrize(("kind", "sign", "keep", "harm"), list(trials()))
def test_lost_and_frozen_workers_change_no_bit(
    folder, at_pass, undisturbed, kind, sign, keep, harm
):
    engine = kind(workers=2, partitions=4, patience=10, keep=keep)
    at_pass(2, lambda: harm(sign))
    np.testing.assert_array_equal(fit(folder, engine).trace, undisturbed.trace)


@pytest.mark.slow
def test_a_killed_driver_resumes_to_the_same_bits(folder, tmp_path, undisturbed):
    code = f"""
        import logging, time, latentia
        from latentia import EM, DiagonalGaussian, Discrete, LatentVariableModel, Switch
        from latentia.data.stream import Stream

        logging.getLogger("latentia").setLevel(logging.INFO)
        logging.getLogger("latentia").addHandler(logging.StreamHandler())
        model = LatentVariableModel(Discrete(2), Switch(DiagonalGaussian(dim=3), 2))
        learner = EM(n_init=2, max_iter=6, tol=1e-13, checkpoint={str(tmp_path / "at")!r})
        latentia.fit(model, {str(folder)!r}, weights="w", learner=learner, engine=Stream(4))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as driver:
        for line in driver.stderr:
            if line.startswith("pass 3:"):
                driver.kill()
                break
    assert driver.returncode == -signal.SIGKILL
    resumed = fit(folder, Stream(4), checkpoint=str(tmp_path / "at"))
    np.testing.assert_array_equal(resumed.trace, undisturbed.trace)


@pytest.mark.slow
def test_a_scheduler_that_is_lost_is_one_sentence(folder):
    began = time.monotonic()
    with pytest.raises(EngineError, match="No Dask scheduler answers at 'tcp://127.0.0.1:1'"):
        fit(folder, Dask(scheduler="tcp://127.0.0.1:1", patience=2))
    assert time.monotonic() - began < 60


def test_a_disk_that_is_full_at_a_checkpoint_leaves_the_one_before(
    folder, tmp_path, monkeypatch, undisturbed
):
    left = iter(range(3))

    def full(descriptor):
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place = tmp_path / "at"
    checkpoint = str(place / "fit.safetensors")
    with monkeypatch.context() as disk:
        disk.setattr("latentia.learning.checkpoints.os.fsync", full)
        with pytest.raises(
            OSError, match="could not be written .No space left on device.*is whole"
        ):
            fit(folder, Stream(4), checkpoint=checkpoint)
    assert os.listdir(place) == ["fit.safetensors"]
    resumed = fit(folder, Stream(4), checkpoint=checkpoint)
    np.testing.assert_array_equal(resumed.trace, undisturbed.trace)


def started(*words):
    code = f"from distributed.cli.{words[0]} import main; main()"
    command = [sys.executable, "-c", code, *words[1:]]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


@pytest.mark.exhaustive
def test_a_scheduler_killed_in_the_middle_is_one_sentence_and_a_checkpoint_goes_on(
    folder, tmp_path, at_pass, undisturbed
):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    scheduler = started("dask_scheduler", "--host", address, "--no-dashboard")
    worker = started("dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
    checkpoint = str(tmp_path / "fit.safetensors")
    at_pass(2, scheduler.kill)
    try:
        with pytest.raises(EngineError) as lost:
            fit(
                folder,
                Dask(scheduler=address, partitions=4, patience=15),
                checkpoint=checkpoint,
            )
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait()
    assert "scheduler" in str(lost.value) or "workers were lost" in str(lost.value)
    resumed = fit(folder, Stream(4), checkpoint=checkpoint)
    np.testing.assert_array_equal(resumed.trace, undisturbed.trace)
