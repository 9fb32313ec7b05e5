import json
import math
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import equinox as eqx
import numpy as np
import pytest
import safetensors
import safetensors.numpy

from latentia.io import ModelFileError, files, flatten, read, restore, write

STRUCTURE = {"tuple": [1, {"float": "nan"}, 'é\x00"sha256":"', None, [True, -0.5]]}
TENSORS = {
    "half": np.array([1, 2], np.float16),
    "flags": np.array([[True], [False]]),
    "mean": np.array([1.5, math.nan, -math.inf]),
    "empty": np.zeros((0, 4), np.int32),
    "scalar": np.array(3, np.int8),
}
EXTRA = {"schema": {"waiting": "gaussian"}, "seed": 7}


@pytest.fixture
def path(tmp_path):
    target = tmp_path / "model.safetensors"
    write(target, STRUCTURE, TENSORS, EXTRA)
    return target


def assert_whole(path):
    structure, tensors, extra = read(path)
    assert (structure, extra) == (STRUCTURE, EXTRA)
    assert set(tensors) == set(TENSORS)
    for name, expected in TENSORS.items():
        assert tensors[name].dtype == expected.dtype and tensors[name].shape == expected.shape
        np.testing.assert_array_equal(tensors[name], expected)
        assert tensors[name].flags.writeable


def test_what_is_written_is_read(path):
    assert_whole(path)
    assert_whole(str(path))


class Model(eqx.Module):
    weights: np.ndarray
    name: str


def test_a_model_goes_through_a_file(tmp_path):
    model = Model(weights=np.array([0.5, 0.5]), name="two")
    write(tmp_path / "m", *flatten(model, {Model: "Model"}), {})
    structure, tensors, extra = read(tmp_path / "m")
    got = restore(structure, tensors, {"Model": Model})
    assert (got.name, got.weights.tolist(), extra) == ("two", [0.5, 0.5], {})


def test_a_file_of_format_version_1_still_loads():
    assert_whole(Path(__file__).with_name("version_1.safetensors"))


def test_other_readers_of_safetensors_open_the_file(path):
    assert set(safetensors.numpy.load_file(path)) == set(TENSORS)
    with safetensors.safe_open(path, framework="numpy") as file:
        assert file.metadata()["format"] == "latentia"
        assert json.loads(file.metadata()["structure"]) == STRUCTURE


def test_the_same_contents_give_the_same_bytes(path, tmp_path):
    write(tmp_path / "again", STRUCTURE, dict(reversed(TENSORS.items())), EXTRA)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_every_changed_byte_is_noticed(path):
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    # All of the fixed beginning and of the tensors, and every fifth byte of the JSON between.
    places = [*range(105), *range(105, header, 5), *range(header - 8, len(whole))]
    assert len(places) > 200
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << (place % 8)
        path.write_bytes(changed)
        with pytest.raises(ModelFileError, match=r"model\.safetensors.*(damaged|cut short)"):
            read(path)


def test_every_cut_and_every_addition_is_noticed(path):
    whole = path.read_bytes()
    for part in [*(whole[:n] for n in range(0, len(whole), 7)), whole[:-1], whole + b"\0"]:
        path.write_bytes(part)
        with pytest.raises(ModelFileError):
            read(path)


def test_a_header_of_another_layout_is_noticed_even_if_it_means_the_same(path):
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"seed\\":7', b'"seed\\" :7').replace(b" " * 4, b" " * 3, 1))
    with pytest.raises(ModelFileError, match="damaged"):
        read(path)


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("exploded",))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        pickle.dumps(Bomb()),
        b"PK\x03\x04 a zip archive, as of NumPy or PyTorch" * 9,
        safetensors.numpy.save({"a": np.zeros(3)}, metadata={"format": "pt"}),
        b"\xff" * 300,
    ],
    ids=["empty", "short", "pickle", "zip", "foreign", "noise"],
)
def test_a_foreign_file_is_refused_and_never_run(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    Path("foreign").write_bytes(content)
    with pytest.raises(ModelFileError, match="'foreign' is not a latentia model file"):
        read("foreign")
    assert not Path("exploded").exists()


def test_a_huge_header_is_refused_before_it_is_read(path):
    whole = bytearray(path.read_bytes())
    whole[:8] = (2**60).to_bytes(8, "little")
    path.write_bytes(whole)
    with pytest.raises(ModelFileError, match="damaged or cut short"):
        read(path)


def forge(path, change):
    """A file with a right checksum whose header was changed."""
    whole = path.read_bytes()
    header = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])
    data = whole[8 + int.from_bytes(whole[:8], "little") :]
    header["__metadata__"]["sha256"] = "0" * 64
    change(header)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    content = len(text).to_bytes(8, "little") + text + data
    checksum = files._checksum(content)
    path.write_bytes(content.replace(b"0" * 64, checksum, 1))


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h["__metadata__"].update(structure="{"),
        lambda h: h["__metadata__"].update(structure="[" * 100_000),
        lambda h: h["__metadata__"].update(structure="1" * 10_000),
        lambda h: h["__metadata__"].update(extra="[]"),
        lambda h: h["__metadata__"].pop("format_version"),
        lambda h: h["mean"].update(dtype="C64"),
        lambda h: h["mean"].update(dtype="F8_E4M3"),
        lambda h: h["mean"].update(dtype=["F64"]),
        lambda h: h["mean"].update(shape=[4]),
        lambda h: h["empty"].update(shape=[0, 2**63]),
        lambda h: h["mean"].update(data_offsets=[0, 2**40]),
        lambda h: h.update(mean=3),
    ],
)
def test_a_forged_header_is_refused(path, change):
    forge(path, change)
    with pytest.raises(ModelFileError, match="not a latentia model file"):
        read(path)


def test_a_forged_header_without_a_change_is_read(path):
    forge(path, lambda header: None)
    assert_whole(path)


def test_a_newer_format_is_named_with_its_writer(path):
    forge(path, lambda h: h["__metadata__"].update(format_version="2", library_version="9.1"))
    with pytest.raises(ModelFileError, match=r"format version 2 \(written by latentia 9\.1\)"):
        read(path)


def test_what_is_not_a_file_is_refused(path, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ModelFileError, match="is not a file"):
            read(place)
        with pytest.raises(ModelFileError, match="folder or a device"):
            write(place, STRUCTURE, TENSORS, EXTRA)


def test_missing_paths_are_os_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        read(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="folder .* does not exist"):
        write(tmp_path / "nowhere" / "model", STRUCTURE, TENSORS, EXTRA)


@pytest.mark.parametrize("broken", ["os.replace", "os.fsync", "shutil.copymode"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(path, monkeypatch, broken, error):
    def fail(*args):
        raise error

    monkeypatch.setattr(broken, fail)
    with pytest.raises(type(error)):
        write(path, 1, {}, {})
    monkeypatch.undo()
    assert_whole(path)
    assert os.listdir(path.parent) == [path.name]


CHILD = """
import os, resource, signal, sys
import numpy as np
from latentia.io import write

if sys.argv[2] == "killed":
    os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
else:  # a disk that fills up after 10 kB
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write(sys.argv[1], 1, {"a": np.zeros(10_000)}, {})
except OSError:
    sys.exit(3)
"""


@pytest.mark.parametrize(("how", "status"), [("killed", -9), ("full", 3)])
def test_a_kill_or_a_full_disk_leaves_the_old_file(path, how, status):
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(path), how]
    assert subprocess.run(command, env=dict(os.environ)).returncode == status
    assert_whole(path)
    if how == "full":
        assert os.listdir(path.parent) == [path.name]


def test_a_link_is_followed_and_the_permissions_stay(path, tmp_path):
    (tmp_path / "link").symlink_to(path)
    path.chmod(0o640)
    write(tmp_path / "link", 1, {}, {})
    assert (tmp_path / "link").is_symlink()
    assert read(path)[0] == 1
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("structure", "tensors", "extra", "message"),
    [
        (math.nan, {}, {}, "structure should be what JSON can hold"),
        ((1, 2), {}, {}, "structure should be"),
        (1, {}, {1: 2}, "extra should be"),
        (1, {}, {"a": object()}, "extra should be"),
        (1, {"a": np.zeros(2, complex)}, {}, "complex128"),
        (1, {"a": np.array(["x"])}, {}, "'a' has the dtype <U1"),
        (1, {"__metadata__": np.zeros(2)}, {}, "cannot name"),
        (1, {"é": np.zeros(2)}, {}, "cannot name"),
        ("x" * 2**24, {}, {}, "has room for"),
    ],
)
def test_contents_that_do_not_fit_are_refused(tmp_path, structure, tensors, extra, message):
    with pytest.raises(ModelFileError, match=message):
        write(tmp_path / "model", structure, tensors, extra)
    assert os.listdir(tmp_path) == []


def test_layouts_and_byte_orders_are_written_alike(tmp_path):
    array = np.arange(6.0).reshape(2, 3)
    for name, other in {
        "a": array,
        "b": np.asfortranarray(array),
        "c": array.astype(">f8"),
    }.items():
        write(tmp_path / name, 1, {"t": other}, {})
    assert len({(tmp_path / name).read_bytes() for name in "abc"}) == 1
