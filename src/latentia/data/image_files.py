"""Pictures from local idx, npy and npz files and folders of images; nothing is downloaded."""

import gzip
import os
from typing import Any

import numpy as np

_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff")
# The codes of element types in idx files (LeCun's MNIST format), all big endian.
_IDX = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_images(path: str | os.PathLike[str], key: str | None = None) -> np.ndarray:
    """Read pictures from a file or a folder.

    Args:
        path: an ``idx`` file (as of MNIST, maybe with ``.gz``), an ``npy`` or ``npz`` file, or a
            folder of images of one size, which are read in the order of their names.
        key: which array of an ``npz`` file; by default the first one.

    Returns:
        float32 of the shape ``[N, height, width, channels]``, or ``[N, D]`` if the file has flat
        rows. Whole numbers of eight bits are divided by 255, so that they go from 0 to 1.

    Raises:
        ValueError: if the file holds no pictures, or pictures of several sizes.
        OSError: if it cannot be read.
    """
    name = os.fsdecode(path)
    if os.path.isdir(name):
        return _from_folder(name)
    if not os.path.exists(name):
        raise FileNotFoundError(f"path should be a file or a folder, but {name!r} does not exist.")
    if name.endswith((".npy", ".npz")):
        values = _from_numpy(name, key)
    elif name.lower().endswith(_ENDINGS):
        values = read_image(name)[None]
    else:
        values = _from_idx(name)
    return _as_pictures(values, name)


def holds_images(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder has a file that is an image by its name."""
    return any(os.fsdecode(name).lower().endswith(_ENDINGS) for name in os.listdir(folder))


def image_names(folder: str) -> list[str]:
    """The names of the images in a folder, in order.

    Raises:
        ValueError: if there are none.
    """
    names = sorted(n for n in os.listdir(folder) if n.lower().endswith(_ENDINGS))
    if not names:
        raise ValueError(
            f"path should be a folder of images ({', '.join(_ENDINGS)}), but {folder!r} has none."
        )
    return names


def _from_folder(folder: str) -> np.ndarray:
    names = image_names(folder)
    first = read_image(os.path.join(folder, names[0]))
    images = np.empty((len(names), *first.shape), np.float32)
    for index, name in enumerate(names):
        image = read_image(os.path.join(folder, name))
        if image.shape != first.shape:
            raise ValueError(
                f"path should be a folder of images of one size, but {name!r} has the shape "
                f"{image.shape} and {names[0]!r} {first.shape}: bring all to the same size."
            )
        images[index] = image
    return images


def read_image(name: str) -> np.ndarray:
    """One image file, float32 ``[height, width, channels]`` from 0 to 1, without its opacity.

    Raises:
        ValueError: if it cannot be read.
    """
    # Loaded only here, since most data are no image files.
    from matplotlib.image import imread

    try:
        image = np.asarray(imread(name))
    except (SyntaxError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} cannot be read as an image ({error}).") from error
    image = image / np.float32(255) if image.dtype == np.uint8 else image
    image = image[..., None] if image.ndim == 2 else image
    # Opacity is no part of what is modelled.
    return np.asarray(image[..., :3] if image.shape[-1] == 4 else image, np.float32)


def _from_numpy(name: str, key: str | None) -> np.ndarray:
    try:
        loaded: Any = np.load(name, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            keys = list(loaded.keys())
            if key is not None and key not in keys:
                raise ValueError(f"key should be one of {', '.join(keys)}, but is {key!r}.")
            return loaded[keys[0] if key is None else key]
    except (EOFError, IndexError) as error:
        raise ValueError(f"{name!r} is damaged, or holds no array.") from error


def _from_idx(name: str) -> np.ndarray:
    opener = gzip.open if name.endswith(".gz") else open
    with opener(name, "rb") as file:
        content = file.read()
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX:
        raise ValueError(
            f"{name!r} is no file of pictures that latentia knows: pass an idx, npy or npz file, "
            "or a folder of images."
        )
    rank = content[3]
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", rank, 4))
    values = np.frombuffer(content, _IDX[content[2]], offset=4 + 4 * rank)
    if values.size != int(np.prod(shape, dtype=np.int64)):
        raise ValueError(f"{name!r} is cut short: it should hold {shape} values.")
    return values.reshape(shape)


def _as_pictures(values: np.ndarray, name: str) -> np.ndarray:
    if values.dtype.kind not in "biuf" or values.ndim < 2 or values.ndim > 4:
        raise ValueError(
            f"{name!r} should hold pictures [N, height, width] or [N, height, width, channels], "
            f"but holds an array of {values.dtype} of shape {values.shape}."
        )
    scale = 255 if values.dtype == np.uint8 and values.max(initial=0) > 1 else 1
    pictures = values.astype(np.float32) / np.float32(scale)
    return pictures[..., None] if pictures.ndim == 3 else pictures
