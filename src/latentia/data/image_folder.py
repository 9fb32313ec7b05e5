"""A folder of images that need not fit in memory: read a few at a time, again in every pass."""

import os
from typing import final

import numpy as np

from .image_files import image_names, read_image


@final
class ImageFolder:
    """The images of a folder, all of one size, in the order of their names.

    Attributes:
        rows: how many images there are.
        shape: of one, ``(height, width, channels)``.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = os.fsdecode(folder)
        self._names = image_names(self.folder)
        self.rows = len(self._names)
        self.shape = read_image(os.path.join(self.folder, self._names[0])).shape

    def __len__(self) -> int:
        return self.rows

    def __repr__(self) -> str:
        return f"ImageFolder({self.folder!r}, rows={self.rows}, shape={self.shape})"

    def take(self, indices: np.ndarray) -> tuple[np.ndarray, None]:
        """The images of the given numbers, float32 ``[n, height, width, channels]`` from 0 to 1.

        Raises:
            ValueError: if an image cannot be read, or has another size than the first.
            OSError: if it is no longer there.
        """
        images = np.empty((len(indices), *self.shape), np.float32)
        for place, index in enumerate(indices):
            name = self._names[index]
            image = read_image(os.path.join(self.folder, name))
            if image.shape != self.shape:
                raise ValueError(
                    f"folder should hold images of one size, but {name!r} has the shape "
                    f"{image.shape} and {self._names[0]!r} {self.shape}: bring all to one size."
                )
            images[place] = image
        return images, None


def image_folder(folder: str | os.PathLike[str]) -> ImageFolder:
    """Open a folder of images as a stream for ``latentia.fit``; only the first is read here.

    Args:
        folder: whose images (png, jpg, bmp, gif, tif) all have one size.

    Raises:
        ValueError: if it has no images.
        OSError: if it cannot be read.
    """
    return ImageFolder(folder)
