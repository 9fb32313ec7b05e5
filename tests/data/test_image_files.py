import gzip

import numpy as np
import pytest
from matplotlib.image import imsave

from latentia.data import read_images

GREY = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10


def idx(values):
    head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    return head + values.tobytes()


def test_every_kind_of_file_gives_the_same_pictures(tmp_path):
    expected = (GREY / np.float32(255))[..., None]
    (tmp_path / "pictures-idx3-ubyte").write_bytes(idx(GREY))
    (tmp_path / "pictures-idx3-ubyte.gz").write_bytes(gzip.compress(idx(GREY)))
    np.save(tmp_path / "pictures.npy", GREY)
    np.savez(tmp_path / "pictures.npz", labels=np.zeros(2), train=GREY)
    for name in ("pictures-idx3-ubyte", "pictures-idx3-ubyte.gz", "pictures.npy"):
        np.testing.assert_allclose(read_images(tmp_path / name), expected)
    np.testing.assert_allclose(read_images(tmp_path / "pictures.npz", "train"), expected)


def test_a_folder_of_images_is_read_in_the_order_of_names(tmp_path):
    colours = np.random.default_rng(0).random((3, 5, 6, 3)).astype(np.float32)
    for index, image in enumerate(colours):
        imsave(tmp_path / f"{index}.png", image)
    (tmp_path / "notes.txt").write_text("no image")
    found = read_images(tmp_path)
    assert found.shape == (3, 5, 6, 3) and found.dtype == np.float32
    np.testing.assert_allclose(found, colours, atol=1 / 255)
    imsave(tmp_path / "9.png", np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match="of one size"):
        read_images(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"hello", "no file of pictures"), (idx(GREY)[:-1], "cut short"), (b"", "no file")],
)
def test_what_is_no_picture_is_refused(tmp_path, content, message):
    (tmp_path / "data").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_images(tmp_path / "data")


def test_a_path_that_does_not_exist_and_an_empty_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_images(tmp_path / "nothing")
    with pytest.raises(ValueError, match="has none"):
        read_images(tmp_path)
