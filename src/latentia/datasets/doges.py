"""Pictures of a cartoon Shiba Inu, drawn from known factors: a latent variable model by hand.

Every shape is a signed distance in units of a pixel, so that edges are smooth and each factor moves
the picture smoothly. Nothing is read from files.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

# The range of each factor; hue is an angle on the colour circle.
FACTORS: dict[str, tuple[float, float]] = {
    "turn": (-1.0, 1.0),
    "tilt": (-0.35, 0.35),
    "ears": (-1.0, 1.0),
    "mouth": (0.0, 1.0),
    "hue": (0.0, 2 * np.pi),
    "size": (0.9, 1.3),
    "across": (-0.16, 0.16),
    "down": (-0.08, 0.12),
    "light": (0.0, 1.0),
}
# So many pictures are drawn at once, that memory stays small.
_AT_ONCE = 32
_CREAM = (1.0, 0.95, 0.86)
_INK = (0.13, 0.09, 0.08)


class Doges(NamedTuple):
    """``images [N, size, size, 3]`` from 0 to 1, the ``factors [N, 9]`` they were drawn from, and
    the ``names`` of these."""

    images: np.ndarray
    factors: np.ndarray
    names: tuple[str, ...]


def doges(
    n: int = 1000,
    seed: int = 0,
    size: int = 32,
    factors: Mapping[str, Any] | None = None,
) -> Doges:
    """Draw n cartoon Shiba Inus whose posture, style and surroundings are random and known.

    The factors are uniform and independent: ``turn`` and ``tilt`` of the head, the angle of the
    ``ears``, how far the ``mouth`` is open, the ``hue`` of the fur (an angle; 0.5 is a Shiba's),
    ``size``, the place ``across`` and ``down``, and the ``light`` behind.

    Args:
        n: how many.
        seed: a whole number; equal seeds give equal pictures.
        size: the height and width in pixels, at least 8.
        factors: values (numbers, or ``[n]``) of the factors that are not to be random, by name.

    Returns:
        A ``Doges`` with ``images [n, size, size, 3]`` (float32 from 0 to 1), ``factors [n, 9]`` and
        ``names``.

    Raises:
        ValueError: if ``n`` or ``size`` is too small, or a factor is unknown or out of its range.
    """
    for name, value, least in (("n", n, 1), ("size", size, 8)):
        if not isinstance(value, int | np.integer) or value < least:
            raise ValueError(
                f"{name} should be a whole number of at least {least}, but is {value!r}."
            )
    rng = np.random.default_rng(seed)
    low, high = np.array(list(FACTORS.values())).T
    drawn = rng.uniform(low, high, size=(n, len(FACTORS)))
    for name, value in (factors or {}).items():
        place = _place(name)
        drawn[:, place] = _inside(name, value, n)
    parts = [_draw(drawn[i : i + _AT_ONCE], size) for i in range(0, n, _AT_ONCE)]
    return Doges(np.concatenate(parts), drawn, tuple(FACTORS))


def _place(name: str) -> int:
    if name not in FACTORS:
        raise ValueError(f"factors should be among {', '.join(FACTORS)}, but has {name!r}.")
    return list(FACTORS).index(name)


def _inside(name: str, value: Any, n: int) -> np.ndarray:
    low, high = FACTORS[name]
    values = np.asarray(value, dtype=np.float64)
    if values.shape not in ((), (n,)) or not ((values >= low) & (values <= high)).all():
        raise ValueError(
            f"factors[{name!r}] should be a number or {n} numbers from {low:.4g} to {high:.4g}, "
            f"but is {value!r}."
        )
    return values


class _Canvas:
    """Pictures being painted, and where each pixel lies in the coordinates of each head."""

    def __init__(self, factors: np.ndarray, size: int) -> None:
        columns = factors.T[:, :, None, None].astype(np.float32)
        turn, tilt, self.ears, self.mouth, _, scale, across, down, light = columns
        self.yaw = 0.6 * turn
        # A head is about 1 in radius, and the picture 4 wide.
        self.unit = 0.25 * size * scale
        grid = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
        self.column, self.row = grid[None, None, :], grid[None, :, None]
        x = 4 * (self.column - across) / scale
        y = 4 * (self.row - 0.06 - down) / scale
        cos, sin = np.cos(tilt), np.sin(tilt)
        self.head = cos * x + sin * y, cos * y - sin * x
        self.body = x, y
        light = light[..., None]
        above = np.clip(0.5 - self.row, 0, 1)[..., None]
        # From dusk to noon, and brighter towards the ground.
        sky = _between(light, (0.16, 0.20, 0.34), (0.66, 0.86, 0.97))
        glow = _between(light, (0.24, 0.13, 0.18), (0.22, 0.10, -0.02))
        image = np.broadcast_to(sky + glow * (1 - above), (len(factors), size, size, 3))
        self.image = image.astype(np.float32)

    def paint(self, distance: np.ndarray, colour: Any, strength: float = 1.0) -> None:
        """Cover what lies inside, softly over one pixel."""
        cover = strength * np.clip(0.5 - distance * self.unit, 0, 1)[..., None]
        self.image += cover * (np.asarray(colour, np.float32) - self.image)

    def seen(self, x: float, depth: float) -> np.ndarray:
        """Where a point of the head is seen, ``x`` to the side and ``depth`` before its axis."""
        return x * np.cos(self.yaw) + depth * np.sin(self.yaw)


def _draw(factors: np.ndarray, size: int) -> np.ndarray:
    canvas = _Canvas(factors, size)
    fur = _fur(factors[:, 4])
    _draw_body(canvas, fur)
    for side in (-1, 1):
        _draw_ear(canvas, fur, side)
    _draw_face(canvas, fur)
    _draw_eyes(canvas)
    _draw_muzzle(canvas)
    return np.clip(canvas.image, 0, 1)


def _fur(hue: np.ndarray) -> np.ndarray:
    """A warm mid colour on the circle of hues, ``[n, 1, 1, 3]``."""
    phase = hue[:, None] - np.array([0.0, 2.0, 4.0]) * np.pi / 3
    colour = np.array([0.68, 0.60, 0.56]) + 0.26 * np.cos(phase)
    return colour[:, None, None, :].astype(np.float32)


def _draw_body(canvas: _Canvas, fur: np.ndarray) -> None:
    at = canvas.body
    canvas.paint(_ellipse(at, (0, 2.0), (1.05, 1.35)), fur * 0.86)
    canvas.paint(_ellipse(at, (0, 1.95), (0.62, 1.05)), _CREAM)


def _draw_ear(canvas: _Canvas, fur: np.ndarray, side: int) -> None:
    # From pricked up to laid to the side, about the root of the ear.
    angle = side * (0.28 - 0.42 * canvas.ears)
    root = canvas.seen(side * 0.62, -0.1), -0.58
    x, y = canvas.head[0] - root[0], canvas.head[1] - root[1]
    cos, sin = np.cos(angle), np.sin(angle)
    at = cos * x + sin * y, cos * y - sin * x
    canvas.paint(_triangle(at, 0.36, 0.92) - 0.08, fur * 0.78)
    canvas.paint(_triangle((at[0], at[1] - 0.02), 0.2, 0.6) - 0.05, (0.93, 0.72, 0.66))


def _draw_face(canvas: _Canvas, fur: np.ndarray) -> None:
    at = canvas.head
    skull = _ellipse(at, (0, -0.05), (0.98, 0.9))
    cheeks = _ellipse(at, (canvas.seen(0, 0.12), 0.32), (1.14, 0.66))
    outline = np.minimum(skull, cheeks)
    canvas.paint(outline, fur)
    # The mask: cheeks and throat are cream, and fur runs down the middle as far as the nose.
    for side in (-1, 1):
        patch = _ellipse(at, (canvas.seen(side * 0.62, 0.3), 0.46), (0.5, 0.42))
        canvas.paint(np.maximum(patch, outline + 0.03), _CREAM)
    chin = _ellipse(at, (canvas.seen(0, 0.4), 0.74), (0.62, 0.36))
    canvas.paint(np.maximum(chin, outline + 0.03), _CREAM)


def _draw_eyes(canvas: _Canvas) -> None:
    for side in (-1, 1):
        brow = canvas.seen(side * 0.34, 0.72), -0.42
        canvas.paint(_ellipse(canvas.head, brow, (0.15, 0.11)), _CREAM, 0.9)
        eye = canvas.seen(side * 0.42, 0.66), -0.08
        width = 0.17 * np.cos(canvas.yaw - side * 0.3)
        canvas.paint(_ellipse(canvas.head, eye, (width + 0.03, 0.17)), _INK)
        spark = eye[0] + 0.05, eye[1] - 0.06
        canvas.paint(_ellipse(canvas.head, spark, (0.055, 0.055)), (1, 1, 1))


def _draw_muzzle(canvas: _Canvas) -> None:
    at, middle = canvas.head, canvas.seen(0, 1.0)
    canvas.paint(_ellipse(at, (canvas.seen(0, 0.82), 0.42), (0.46, 0.36)), _CREAM)
    opening = canvas.mouth
    radii = 0.2 + 0.05 * opening, 0.02 + 0.24 * opening
    mouth = _ellipse(at, (middle, 0.56 + 0.1 * opening), radii)
    canvas.paint(mouth, (0.36, 0.1, 0.1))
    tongue = _ellipse(at, (middle, 0.62 + 0.2 * opening), (0.14, 0.001 + 0.17 * opening))
    canvas.paint(np.maximum(tongue, mouth + 0.02), (0.93, 0.5, 0.53))
    # The smile: two arcs that meet under the nose.
    for side in (-1, 1):
        arc = _ellipse(at, (middle + side * 0.17, 0.42), (0.17, 0.17))
        below = 0.44 - at[1]
        canvas.paint(np.maximum(np.abs(arc) - 0.035, below), _INK)
    canvas.paint(_ellipse(at, (middle, 0.25), (0.19, 0.135)), _INK)
    canvas.paint(_ellipse(at, (middle - 0.05, 0.2), (0.06, 0.035)), (0.6, 0.57, 0.56))


def _between(share: np.ndarray, first: Any, second: Any) -> np.ndarray:
    return (1 - share) * np.asarray(first, np.float32) + share * np.asarray(second, np.float32)


def _ellipse(at: Any, centre: Any, radii: Any) -> np.ndarray:
    """The distance to an ellipse, negative inside: exact to first order near its edge."""
    x, y = at[0] - centre[0], at[1] - centre[1]
    inner = np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2)
    slope = np.sqrt((x / radii[0] ** 2) ** 2 + (y / radii[1] ** 2) ** 2)
    return inner * (inner - 1) / np.maximum(slope, 1e-6)


def _triangle(at: Any, half: float, height: float) -> np.ndarray:
    """The distance to an upright triangle on the origin."""
    x, y = np.abs(at[0]), at[1]
    # The tip points to negative y, since rows count downwards.
    slant = (height * (x - half) - half * y) / np.hypot(half, height)
    return np.maximum(slant, y)
