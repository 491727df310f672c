"""Pictures as PNG or JPEG files, brought into the form of the training data.

A photo is scaled to the model's height and width, as it was for training. If the model takes drawings, a file with
exactly its height and width is used pixel by pixel, and any other is made to look like the training images. The
manifest tells how those look: the golden inputs are some of them, and the reference statistics hold their mean ink.
Three things are taken from it:

- the box that the ink fills, and whether it is stretched to fill the box or keeps its proportions;
- whether slant was removed, so that the first ink of the top row is above the first ink of the bottom row;
- how much ink there is. If a drawing has more or less than nearly all training images, its strokes are made thinner or
  thicker until it has as much as most of them.

Ink is whatever differs from the paper, so dark strokes on light paper and light strokes on dark paper both work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from portfolio.bundle.manifest import InputField, Manifest
from portfolio.bundle.pictures import PictureError, TooLargeError, eight_bits, on_white, opened, read_pixels, turn_of
from portfolio.core.types import Array
from serving.errors import RequestError, field_error

MEDIA_TYPES = (b"image/png", b"image/jpeg")
FORMATS = ("PNG", "JPEG")
# Decoding a picture of this size takes about 10 ms.
MAX_PIXELS = 1024 * 1024
# How much darker than the paper a dot must be to count as ink, as a share of the whole range.
MIN_INK = 0.15
# Drawings are processed at this many dots per pixel of the model.
DOTS = 8
# Changing the width of the strokes changes the size of the drawing, so everything is done again.
ROUNDS = 2
# A bare line stretched until it fills the box would become a block.
MAX_STRETCH = 2.0
# If the proportions of the training images differ from their median by no more than this, all were stretched to a box.
ALIKE = 0.15
NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0))

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Form:
    """How training images look, in pixels of the model. If there are none to look at, the drawing fills the image."""

    shape: tuple[int, int]
    top: float
    bottom: float
    left: float
    right: float
    fills: bool
    upright: bool
    least_ink: float
    mean_ink: float
    most_ink: float

    @classmethod
    def of(cls, manifest: Manifest, field: InputField) -> Form:
        height, width = field.shape
        low, high = _range(field)
        edges = manifest.reference[field.name].edges or (low + (high - low) / 4,)
        ink = [(edge - low) / (high - low) for edge in (edges[0], edges[len(edges) // 2], edges[-1])]
        rows = [*manifest.golden_inputs[field.name], field.example]
        images = [(np.array(row, dtype=np.float64).reshape(height, width) - low) / (high - low) for row in rows]
        boxes = np.array([_box(image) for image in images if image.max() >= MIN_INK])
        if not len(boxes):
            return cls((height, width), 0, height, 0, width, False, False, *ink)
        # Some do not fill it: a 1 is narrow. So few images determine it to a quarter of a pixel.
        top, left = (round(4 * side) / 4 for side in np.quantile(boxes[:, (0, 2)], 0.1, axis=0))
        bottom, right = (round(4 * side) / 4 for side in np.quantile(boxes[:, (1, 3)], 0.9, axis=0))
        proportions = (boxes[:, 3] - boxes[:, 2]) / (boxes[:, 1] - boxes[:, 0])
        spread = float(np.median(np.abs(proportions / np.median(proportions) - 1)))
        leans = [abs(_lean(image)) for image in images if image.max() >= MIN_INK]
        return cls(
            shape=(height, width),
            top=top,
            bottom=bottom,
            left=left,
            right=right,
            fills=spread <= ALIKE,
            upright=float(np.median(leans)) * (bottom - top) <= 0.5,
            least_ink=ink[0],
            mean_ink=ink[1],
            most_ink=ink[2],
        )


def read_picture(manifest: Manifest, content: bytes) -> Array:
    """The values [1, height * width] of a file. Raises RequestError if it is not a picture, or the model takes none."""
    if len(manifest.inputs) != 1 or manifest.inputs[0].kind != "image":
        raise RequestError(
            415, "unknown_type", "This model does not take pictures. Send JSON, with Content-Type: application/json."
        )
    return picture_values(manifest, manifest.inputs[0], content)


def picture_values(manifest: Manifest, field: InputField, content: bytes, max_pixels: int = MAX_PIXELS) -> Array:
    """The values [1, width] of a file for one image among the inputs. Raises RequestError if it is not a picture."""
    if field.photo:
        height, width = field.shape
        with _told():
            pixels = read_pixels(content, height, width, field.channels, max_pixels=max_pixels, formats=FORMATS)
        return _as_values(field, pixels / 255)
    ink = _ink(content, max_pixels)
    if ink.shape == field.shape:
        return _as_values(field, ink / 255)
    if not (ink >= MIN_INK * 255).any():
        raise field_error(field.name, "the picture is blank: nothing in it differs from the paper")
    return _as_values(field, in_form(_cut_out(ink), Form.of(manifest, field)))


def in_form(ink: Floats, form: Form) -> Floats:
    """A drawing [height, width] of any size, ink from 0 to 1, in the form of the training data."""
    for _ in range(ROUNDS):
        ink = _placed(ink, form)
        if not form.least_ink <= ink.mean() <= form.most_ink:
            ink = _with_strokes(_solid(ink), form.mean_ink).astype(np.float64)
    height, width = form.shape
    return np.asarray(ink.reshape(height, DOTS, width, DOTS).mean(axis=(1, 3)))


def _as_values(field: InputField, ink: Floats) -> Array:
    """Ink from 0 to 1 as values of the field, rounded to its step."""
    low, high = _range(field)
    values = low + ink * (high - low)
    if field.step:
        values = np.round(values / field.step) * field.step
    return values.astype(np.float32).reshape(1, -1)


def _range(field: InputField) -> tuple[float, float]:
    return (0.0 if field.minimum is None else field.minimum), (1.0 if field.maximum is None else field.maximum)


def _ink(content: bytes, max_pixels: int) -> npt.NDArray[np.uint8]:
    """How much ink there is at each dot, 0 to 255, [height, width]."""
    from PIL import ImageOps

    with _told(), opened(content, max_pixels, FORMATS) as picture:
        plain, turn = eight_bits(picture), turn_of(picture)
        # Transparent parts show the paper.
        light = on_white(plain if turn is None else plain.transpose(turn)).convert("L")
    grey = np.asarray(light)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return grey if np.median(border) < 128 else np.asarray(ImageOps.invert(light))


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a picture as the answer to a request."""
    try:
        yield
    except TooLargeError as error:
        raise field_error("picture", str(error)) from error
    except PictureError as error:
        raise field_error("picture", "is not a complete PNG or JPEG file") from error


def _cut_out(ink: npt.NDArray[np.uint8]) -> Floats:
    """The drawing without the paper around it, scaled down to a useful size."""
    from PIL import Image

    drawn = ink >= MIN_INK * 255
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    cut = Image.fromarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    factor = 96 / max(cut.size)
    size = (max(1, round(cut.width * factor)), max(1, round(cut.height * factor)))
    how = Image.Resampling.BOX if factor < 1 else Image.Resampling.BILINEAR
    return np.asarray(cut.resize(size, how), dtype=np.float64) / 255


def _placed(ink: Floats, form: Form) -> Floats:
    """The drawing in the box that training images fill, at DOTS dots per pixel."""
    height, width = ink.shape
    if form.upright:
        lean = _lean(ink)
        wide = width + 2 * round(abs(lean) * height) + 2
        ink = _moved(ink, (wide, height), (width / 2, height / 2), (wide / 2, height / 2), (1, 1), lean)
    drawn = _solid(ink)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    down = (form.bottom - form.top) * DOTS / (rows[-1] + 1 - rows[0])
    right = (form.right - form.left) * DOTS / (columns[-1] + 1 - columns[0])
    stretch = MAX_STRETCH if form.fills else 1.0
    right, down = min(right, stretch * down), min(down, stretch * right)
    middle = ((columns[0] + columns[-1] + 1) / 2, (rows[0] + rows[-1] + 1) / 2)
    target = ((form.left + form.right) / 2 * DOTS, (form.top + form.bottom) / 2 * DOTS)
    size = (form.shape[1] * DOTS, form.shape[0] * DOTS)
    return _moved(ink, size, middle, target, (right, down), 0)


def _moved(
    ink: Floats,
    size: tuple[int, int],
    point: tuple[float, float],
    target: tuple[float, float],
    scale: tuple[float, float],
    shear: float,
) -> Floats:
    """The drawing scaled and sheared so that `point` moves to `target`; all coordinates are (right, down)."""
    from PIL import Image

    right, down = 1 / scale[0], 1 / scale[1]
    across = -shear * down
    # Pillow wants the inverse: where each dot of the result comes from.
    back = (right, across, point[0] - target[0] * right - target[1] * across, 0, down, point[1] - target[1] * down)
    image: Any = Image.fromarray((ink * 255).astype(np.uint8))
    moved = image.transform(size, Image.Transform.AFFINE, back, Image.Resampling.BILINEAR)
    return np.asarray(moved, dtype=np.float64) / 255


def _solid(ink: Floats) -> Mask:
    """Where there certainly is ink. Strokes finer than a dot are pale everywhere."""
    return np.asarray(ink >= min(0.5, ink.max() / 2))


def _box(image: Floats) -> tuple[float, float, float, float]:
    """Top, bottom, left and right of the ink in an image. A pale outermost row counts as partly filled."""
    sides: list[float] = []
    for axis in (1, 0):
        most = image.max(axis=axis)
        inked = np.flatnonzero(most >= MIN_INK)
        first, last = inked[0], inked[-1]
        sides += [first + 1 - most[first], last + most[last]]
    return sides[0], sides[1], sides[2], sides[3]


def _lean(ink: Floats) -> float:
    """How far, per row, the first ink of the topmost rows is to the right of that of the lowest rows."""
    drawn = ink >= min(MIN_INK, ink.max() / 2)
    rows = np.flatnonzero(drawn.any(axis=1))
    height = int(rows[-1] + 1 - rows[0])
    # One row of a small image, more of a large one, where single dots are noise.
    band = max(1, height // 16)
    top, bottom = (_first_ink(ink[start : start + band]) for start in (rows[0], rows[-1] + 1 - band))
    return (top - bottom) / max(1, height - band)


def _first_ink(rows: Floats) -> float:
    """Where the ink begins, from the left."""
    most = rows.max(axis=0)
    column = int(np.flatnonzero(most >= min(MIN_INK, most.max() / 2))[0])
    return column + 1 - float(most[column])


def _with_strokes(drawn: Mask, mean_ink: float) -> Mask:
    """The drawing with its strokes made thinner or thicker, dot by dot, until its mean ink is closest to `mean_ink`."""
    best = drawn
    step = _thicker if drawn.mean() < mean_ink else _thinner
    while True:
        changed = step(best)
        if abs(changed.mean() - mean_ink) >= abs(best.mean() - mean_ink):
            return best
        best = changed


def _thicker(drawn: Mask) -> Mask:
    padded = np.pad(drawn, 1)
    grown = drawn.copy()
    for down, right in NEIGHBOURS:
        grown |= padded[1 + down : padded.shape[0] - 1 + down, 1 + right : padded.shape[1] - 1 + right]
    return grown


def _thinner(drawn: Mask) -> Mask:
    return ~_thicker(~drawn)
