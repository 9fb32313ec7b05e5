"""Pictures as they are: grids of data, draws, reconstructions, and walks through z."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage

from latentia.inference.amortized_answers import decoded
from latentia.verbs import infer, sample

from .canvas import INK, axes_for, headline

# Between two pictures, in pixels.
_GAP = 1


class PictureGridDisplay:
    """Pictures in rows and columns, in the range 0 to 1.

    Args:
        pictures: ``[R, C, height, width, channels]``, with 1 or 3 channels; values outside the
            range are cut off. A missing pixel (NaN) is grey.
        title: above the grid.
        rows: a name for each row.

    Attributes:
        ax_: the axes of the picture.
        figure_: the figure of these axes.
        image_: the grid.

    Raises:
        ValueError: if the shape is another one.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    image_: AxesImage

    def __init__(self, pictures: Any, *, title: str = "", rows: Sequence[str] = ()) -> None:
        self.pictures = np.asarray(pictures, dtype=np.float64)
        if self.pictures.ndim != 5 or self.pictures.shape[-1] not in (1, 3):
            raise ValueError(
                "pictures should have the shape [rows, columns, height, width, channels] with 1 or "
                f"3 channels, but have {self.pictures.shape}."
            )
        self.title, self.rows = title, list(rows)

    @property
    def array(self) -> np.ndarray:
        """The grid as one picture, ``[height, width, 3]``."""
        rows, columns, height, width, _ = self.pictures.shape
        grid = np.ones((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3))
        shown = np.clip(np.nan_to_num(self.pictures, nan=0.6), 0, 1)
        for i in range(rows):
            for j in range(columns):
                top, left = i * (height + _GAP), j * (width + _GAP)
                grid[top : top + height, left : left + width] = shown[i, j]
        return grid

    def plot(self, ax: Axes | None = None) -> "PictureGridDisplay":
        """Draw on ``ax``, or on new axes, and return the display."""
        rows, columns = self.pictures.shape[:2]
        self.ax_, self.figure_ = axes_for(ax, (min(10.0, 0.9 * columns + 1), 0.9 * rows + 0.6))
        self.image_ = self.ax_.imshow(self.array, interpolation="nearest")
        self.ax_.set_xticks([])
        self.ax_.spines[:].set_visible(False)
        height = self.pictures.shape[2]
        places = (height + _GAP) * np.arange(rows) + height / 2 if self.rows else []
        self.ax_.set_yticks(places, self.rows, color=INK, fontsize=9)
        self.ax_.tick_params(length=0)
        if self.title:
            headline(self.ax_, self.title)
        return self


def plot_pictures(
    pictures: Any, *, columns: int = 8, title: str = "", ax: Axes | None = None
) -> PictureGridDisplay:
    """Draw pictures ``[N, height, width(, channels)]`` row by row."""
    values = np.asarray(pictures)
    values = values[..., None] if values.ndim == 3 else values
    columns = min(columns, len(values))
    spare = -len(values) % columns
    blank = np.ones((spare, *values.shape[1:]))
    filled = np.concatenate([values, blank]) if spare else values
    grid = filled.reshape(-1, columns, *values.shape[1:])
    return PictureGridDisplay(grid, title=title).plot(ax)


def plot_draws(
    model: Any, *, n: int = 32, columns: int = 8, key: int = 0, ax: Axes | None = None
) -> PictureGridDisplay:
    """Draw the pictures expected for n random z: what the model generates, without pixel noise.

    Args:
        model: a deep model of pictures, or the estimator of one.
        n: how many pictures.
        columns: how many stand in a row.
        key: decides the z.
        ax: the axes to draw on; new ones by default.
    """
    core = _core(model)
    found = decoded(core, sample(core, key, n).z)
    return plot_pictures(_pictures(core, found), columns=columns, title="Generated", ax=ax)


def plot_reconstructions(
    model: Any, pictures: Any, *, ax: Axes | None = None
) -> PictureGridDisplay:
    """Draw pictures above what the model makes of their posterior means."""
    core = _core(model)
    given = np.asarray(pictures).reshape(-1, *core.likelihood.shape)
    made = decoded(core, infer(core, given).mean)
    grid = np.stack([_pictures(core, given), _pictures(core, made)])
    return PictureGridDisplay(grid, rows=["data", "model"], title="Reconstructions").plot(ax)


def plot_traversal(
    model: Any,
    z: Any,
    *,
    dimensions: Sequence[int] | None = None,
    reach: float = 2.5,
    steps: int = 9,
    ax: Axes | None = None,
) -> PictureGridDisplay:
    """Draw what becomes of a picture as one coordinate of its z changes, a row for each.

    Args:
        model: a deep model of pictures, or the estimator of one.
        z: ``[L]``, where the walks pass through.
        dimensions: which coordinates; all by default.
        reach: the walk goes from minus to plus this number.
        steps: how many pictures there are in a row.
        ax: the axes to draw on; new ones by default.
    """
    core, start = _core(model), np.asarray(z, dtype=np.float32)
    chosen = list(range(start.size)) if dimensions is None else list(dimensions)
    walk = np.tile(start, (len(chosen), steps, 1))
    for row, dimension in enumerate(chosen):
        walk[row, :, dimension] = np.linspace(-reach, reach, steps)
    found = _pictures(core, decoded(core, walk.reshape(-1, start.size)))
    grid = found.reshape(len(chosen), steps, *found.shape[1:])
    names = [f"z{dimension}" for dimension in chosen]
    return PictureGridDisplay(grid, rows=names, title="Walks along coordinates of z").plot(ax)


def _core(model: Any) -> Any:
    return getattr(model, "model_", model)


def _pictures(model: Any, values: np.ndarray) -> np.ndarray:
    """Data as pictures; flat rows of a square number of entries are square pictures."""
    shape = model.likelihood.shape
    if len(shape) == 1:
        side = round(shape[0] ** 0.5)
        shape = (side, side, 1)
        if side * side != values.shape[1]:
            raise ValueError(
                f"model should be of pictures, but is of rows with {values.shape[1]} entries."
            )
    return values.reshape(-1, *shape)
